//! The conformance module: see ../README.md.

use std::cell::Cell;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use wasmworker::{ApplicationError, Bytes, Cancelled, Error, Payload, Payloads, Result, activity};

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

#[activity]
fn greet(person: Person) -> Result<Greeting, ApplicationError> {
    if person.name.is_empty() {
        return Err(ApplicationError::new("EmptyName", "the name is empty").non_retryable());
    }
    Ok(Greeting { greeting: format!("Hello, {}!", person.name) })
}

#[activity]
fn add(a: f64, b: f64) -> f64 {
    a + b
}

#[activity]
fn arguments(all: Payloads) -> Vec<String> {
    all.iter().map(|payload| format!("{}:{}", payload.encoding(), String::from_utf8_lossy(&payload.data))).collect()
}

#[activity]
fn echo(payload: Payload) -> Payload {
    payload
}

#[activity]
fn nothing() {}

#[activity]
fn bytes(n: usize) -> Bytes {
    (0..n).map(|i| i as u8).collect()
}

#[derive(Serialize)]
struct Attempt {
    activity_id: String,
    activity_type: String,
    attempt: u32,
    namespace: String,
    task_queue: String,
    workflow_id: String,
    workflow_type: String,
    heartbeat_timeout_ms: u128,
}

#[activity]
fn info() -> Attempt {
    let info = wasmworker::info();
    let workflow = info.workflow.unwrap_or_default();
    Attempt {
        activity_id: info.activity_id,
        activity_type: info.activity_type,
        attempt: info.attempt,
        namespace: info.namespace,
        task_queue: info.task_queue,
        workflow_id: workflow.id,
        workflow_type: workflow.workflow_type,
        heartbeat_timeout_ms: info.heartbeat_timeout.unwrap_or_default().as_millis(),
    }
}

#[derive(Debug)]
struct PlainError;

impl fmt::Display for PlainError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain text")
    }
}

impl std::error::Error for PlainError {}

#[activity]
fn fail(kind: String) -> Result<()> {
    let error = match &*kind {
        "plain" => Err(PlainError)?,
        "typed" => ApplicationError::new("CardDeclined", "declined").detail(&json!({"code": 51})).detail("second"),
        "final" => ApplicationError::new("NoCard", "no such card").non_retryable(),
        "later" => ApplicationError::new("Busy", "try later").next_retry_delay(Duration::from_secs(123)),
        "benign" => ApplicationError::new("Benign", "nothing to see").benign(),
        "cause" => ApplicationError::new("Outer", "outer").caused_by(ApplicationError::new("Root", "the root")),
        other => return Err(Error::msg(format!("no such kind: {other}"))),
    };
    Err(error.into())
}

#[activity]
fn crash() {
    panic!("oh no");
}

#[activity]
fn steps(n: u64) -> Result<u64> {
    let begin = wasmworker::last_heartbeat()?.unwrap_or(0);
    for step in begin + 1..=n {
        wasmworker::heartbeat(&step)?;
    }
    Ok(begin)
}

#[activity]
fn cancel() -> Result<(), Cancelled> {
    loop {
        wasmworker::heartbeat(&()).map_err(|cancelled| cancelled.with_details("cleaned up"))?;
    }
}

#[activity]
fn stopping() -> Result<&'static str, Cancelled> {
    loop {
        match wasmworker::heartbeat(&()) {
            Err(cancelled) if cancelled.status().must_end() => return Err(cancelled),
            Err(_) => return Ok("stopping"),
            Ok(()) => {}
        }
    }
}

#[activity]
fn logs(text: String) {
    log::warn!(answer = 42; "{text}");
    log::debug!("the end");
}

mod module {
    use wasmworker::passthrough;

    passthrough! {
        "wasmworker:conformance/v1" {
            pub fn upper(text: &[u8]) -> passthrough::Result<Vec<u8>>;
            pub fn deny() -> passthrough::Result<()>;
        }
    }
}

#[activity]
fn upper(text: String) -> Result<String> {
    Ok(String::from_utf8(module::upper(text.as_bytes())?)?)
}

#[activity]
fn denied() -> Result<serde_json::Value, &'static str> {
    match module::deny() {
        Ok(()) => Err("it was not denied"),
        Err(err) => Ok(json!({"errno": err.errno().0, "message": err.message()})),
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

#[activity]
fn state() -> u32 {
    CALLS.set(CALLS.get() + 1);
    CALLS.get()
}

#[activity]
fn spin() {
    let mut n = 0u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}
