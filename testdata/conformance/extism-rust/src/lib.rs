//! The conformance module as an Extism plugin in Rust: see testdata/conformance/README.md.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};

use extism_pdk::*;
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Person {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    greeting: String,
}

#[plugin_fn]
pub fn greet(Json(person): Json<Person>) -> FnResult<Json<Greeting>> {
    Ok(Json(Greeting { greeting: format!("Hello, {}!", person.name) }))
}

#[plugin_fn]
pub fn nothing() -> FnResult<()> {
    Ok(())
}

#[plugin_fn]
pub fn echo(input: Vec<u8>) -> FnResult<Vec<u8>> {
    Ok(input)
}

#[plugin_fn]
pub fn fail() -> FnResult<()> {
    Err(Error::msg("plain text").into())
}

#[plugin_fn]
pub fn crash() -> FnResult<()> {
    panic!("oh no")
}

#[plugin_fn]
pub fn logs(Json(text): Json<String>) -> FnResult<()> {
    warn!("{text}");
    Ok(())
}

static CALLS: AtomicU32 = AtomicU32::new(0);

#[plugin_fn]
pub fn state() -> FnResult<Json<u32>> {
    Ok(Json(CALLS.fetch_add(1, Ordering::Relaxed) + 1))
}

#[plugin_fn]
pub fn draw() -> FnResult<Json<String>> {
    Ok(Json(RandomState::new().hash_one(0).to_string()))
}

#[plugin_fn]
pub fn spin() -> FnResult<()> {
    loop {}
}

// What follows is for the tests of what only plugins have.

/// Returns the value of the name that is the input.
#[plugin_fn]
pub fn config(name: String) -> FnResult<String> {
    Ok(config::get(name)?.unwrap_or("none".to_string()))
}

/// Returns what it finds in a variable, and sets it to the input.
#[plugin_fn]
pub fn vars(input: String) -> FnResult<String> {
    let get = || Ok::<_, Error>(var::get::<String>("v")?.unwrap_or_default());
    let before = get()?;
    var::set("v", &input)?;
    let after = get()?;
    var::remove("v")?;
    let removed = get()?;
    var::set("v", &input)?;
    Ok(format!("{before}|{after}|{removed}"))
}

#[derive(Serialize)]
struct Response {
    body: String,
    header: String,
    status: u16,
}

/// Sends the input to the URL in the first line of it, and returns status, a header, and body.
#[plugin_fn]
pub fn http(input: String) -> FnResult<Json<Response>> {
    let (url, body) = input.split_once('\n').unwrap_or((&input, ""));
    let request = HttpRequest::new(url).with_method("POST").with_header("X-From", "plugin");
    let response = http::request(&request, Some(body))?;
    Ok(Json(Response {
        status: response.status_code(),
        header: response.header("x-to").unwrap_or_default().to_string(),
        body: String::from_utf8(response.body())?,
    }))
}
