//! The conformance module: see ../README.md.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::time::Duration;
use std::{fmt, fs};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wasmworker::blob::{self, PutOptions};
use wasmworker::passthrough::Errno;
use wasmworker::sql::{self, params};
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
fn draw() -> String {
    RandomState::new().hash_one(0).to_string()
}

#[activity]
fn spin() {
    let mut n = 0u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

#[derive(Deserialize)]
struct Request {
    method: Option<String>,
    url: String,
    headers: Option<BTreeMap<String, String>>,
    body: Option<String>,
}

#[derive(Serialize)]
struct Response {
    status: u16,
    content_type: String,
    body: String,
}

#[activity]
fn http(request: Request) -> Result<Response> {
    let mut sent = wasmworker::http::request(request.method.as_deref().unwrap_or("GET"), request.url);
    for (name, value) in request.headers.unwrap_or_default() {
        sent = sent.header(name, value);
    }
    let response = sent.body(request.body.unwrap_or_default()).send()?;
    Ok(Response {
        status: response.status,
        content_type: response.header("content-type").unwrap_or_default().to_owned(),
        body: response.text()?.to_owned(),
    })
}

#[activity]
fn config(name: String) -> Result<Option<String>> {
    Ok(wasmworker::config::get(&name)?)
}

#[activity]
fn secret(name: String) -> Result<String> {
    Ok(wasmworker::secret::reveal(&name)?)
}

/// A value of SQL in JSON, where bytes are hexadecimal.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Null,
    Bool(bool),
    Integer(i64),
    Real(f64),
    Text(String),
    Bytes { hex: String },
}

impl TryFrom<Value> for sql::Value {
    type Error = Error;

    fn try_from(value: Value) -> Result<sql::Value> {
        Ok(match value {
            Value::Null => sql::Value::Null,
            Value::Bool(value) => value.into(),
            Value::Integer(value) => value.into(),
            Value::Real(value) => value.into(),
            Value::Text(value) => value.into(),
            Value::Bytes { hex } => {
                let digits: Option<Vec<u32>> = hex.chars().map(|c| c.to_digit(16)).collect();
                let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or_else(|| Error::msg("not hexadecimal"))?;
                digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect::<Vec<u8>>().into()
            }
        })
    }
}

impl From<sql::Value> for Value {
    fn from(value: sql::Value) -> Value {
        match value {
            sql::Value::Null => Value::Null,
            sql::Value::Bool(value) => Value::Bool(value),
            sql::Value::Integer(value) => Value::Integer(value),
            sql::Value::Real(value) => Value::Real(value),
            sql::Value::Text(value) => Value::Text(value),
            sql::Value::Bytes(bytes) => Value::Bytes { hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect() },
        }
    }
}

#[derive(Deserialize)]
struct Query {
    sql: String,
    #[serde(default)]
    args: Vec<Value>,
    batch: Option<u32>,
    limit: Option<usize>,
}

#[derive(Serialize)]
struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
}

#[activity]
fn sql(query: Query) -> Result<Table> {
    let mut db = sql::connection("db");
    if let Some(rows) = query.batch {
        db = db.batch_rows(rows);
    }
    let args = query.args.into_iter().map(sql::Value::try_from).collect::<Result<Vec<_>>>()?;
    let found = db.query(&query.sql, &args)?;
    let mut table = Table { columns: found.columns().iter().map(|column| column.name.clone()).collect(), rows: Vec::new() };
    for row in found {
        table.rows.push(row?.into_values().into_iter().map(Value::from).collect());
        if Some(table.rows.len()) == query.limit {
            break;
        }
    }
    Ok(table)
}

#[derive(Deserialize)]
struct Entry {
    entry: String,
    end: String,
}

#[derive(Serialize)]
struct Ended {
    affected: u64,
    count: i64,
}

#[activity]
fn transaction(Entry { entry, end }: Entry) -> Result<Ended> {
    let count = |session: &sql::Session| -> Result<i64> {
        let row = session.query("SELECT count(*) FROM ledger WHERE entry = ?", params![&entry])?.next().transpose()?;
        Ok(row.ok_or_else(|| Error::msg("no row"))?.get(0)?)
    };
    let db = sql::connection("db");
    let tx = db.begin()?;
    let affected = tx.exec("INSERT INTO ledger (entry) VALUES (?)", params![&entry])?;
    match &*end {
        "commit" => tx.commit()?,
        "rollback" => tx.rollback()?,
        _ => {
            let count = count(&tx)?;
            std::mem::forget(tx); // dropped, it would be rolled back
            return Ok(Ended { affected, count });
        }
    }
    Ok(Ended { affected, count: count(&db)? })
}

#[derive(Deserialize)]
struct Parts {
    key: String,
    parts: Vec<String>,
}

#[derive(Serialize)]
struct Streamed {
    size: u64,
    content_type: String,
    made: Option<String>,
    text: String,
    keys: Vec<String>,
}

#[activity]
fn stream(Parts { key, parts }: Parts) -> Result<Streamed> {
    let bucket = blob::bucket("box");
    let options = PutOptions::new().content_type("text/plain; charset=utf-8").metadata("made", "by hand");
    let mut writer = bucket.create_with(&key, &options)?;
    for part in parts {
        writer.write_all(part.as_bytes())?;
    }
    writer.commit()?;

    let mut attributes = bucket.stat(&key)?;
    let mut reader = bucket.open(&key)?;
    let (mut text, mut piece) = (Vec::new(), [0; 5]);
    loop {
        match reader.read(&mut piece)? {
            0 => break,
            n => text.extend_from_slice(&piece[..n]),
        }
    }
    let keys = bucket.list(&key).map(|entry| Ok(entry?.key)).collect::<Result<Vec<_>>>()?;
    bucket.delete(&key)?;
    let made = attributes.metadata.remove("made");
    Ok(Streamed { size: attributes.size, content_type: attributes.content_type, made, text: String::from_utf8(text)?, keys })
}

#[derive(Deserialize)]
struct Part {
    key: String,
    text: String,
    offset: u64,
    length: u64,
}

#[derive(Serialize)]
struct Found {
    exists: bool,
    range: String,
}

#[activity]
fn object(Part { key, text, offset, length }: Part) -> Result<Found> {
    let bucket = blob::bucket("box");
    let once = PutOptions::new().if_none_match();
    bucket.put_with(&key, &text, &once)?;
    let exists = match bucket.put_with(&key, &text, &once) {
        Ok(()) => false,
        Err(err) if err.errno() == Errno::EEXIST => true,
        Err(err) => return Err(err.into()),
    };
    let range = bucket.get_range(&key, offset..offset + length)?.data;
    bucket.delete(&key)?;
    Ok(Found { exists, range: String::from_utf8(range)? })
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum By {
    Get,
    Stat,
    Open,
    Delete,
}

#[activity]
fn exists(key: String, by: By) -> Result<bool> {
    let bucket = blob::bucket("box");
    let found = match by {
        By::Get => bucket.get(&key).map(drop),
        By::Stat => bucket.stat(&key).map(drop),
        By::Open => bucket.open(&key).map(drop),
        By::Delete => bucket.delete(&key),
    };
    match found {
        Ok(()) => Ok(true),
        Err(err) if err.errno() == Errno::ENOENT => Ok(false),
        Err(err) => Err(err.into()),
    }
}

#[derive(Deserialize)]
struct File {
    path: String,
    text: String,
}

#[derive(Serialize)]
struct Files {
    text: String,
    names: Vec<String>,
}

#[activity]
fn files(File { path, text }: File) -> Result<Files> {
    let path = format!("/data/{path}");
    fs::write(&path, text)?;
    let text = fs::read_to_string(&path)?;
    let mut names =
        fs::read_dir("/data")?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<Result<Vec<_>>>()?;
    names.sort();
    fs::remove_file(&path)?;
    Ok(Files { text, names })
}
