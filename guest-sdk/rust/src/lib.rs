//! Write Temporal activities in Rust, build them to WebAssembly, and let wasmworker run them in a sandbox.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use wasmworker::{ApplicationError, Result, activity};
//!
//! #[derive(Deserialize)]
//! struct Input { name: String }
//!
//! #[derive(Serialize)]
//! struct Output { greeting: String }
//!
//! #[activity]
//! fn greet(input: Input) -> Result<Output> {
//!     if input.name.is_empty() {
//!         return Err(ApplicationError::new("EmptyName", "the name is empty").non_retryable().into());
//!     }
//!     Ok(Output { greeting: format!("Hello, {}!", input.name) })
//! }
//! ```
//!
//! The crate that holds activities is a `cdylib`, built for `wasm32-wasip1` or `wasm32-unknown-unknown`. The name of the function
//! is the Temporal activity type.
//!
//! - [`macro@activity`] makes an activity of a function, and says what functions those are.
//! - [`Error`] is how an error becomes a failure; [`ApplicationError`] and [`Cancelled`] say more than "failed".
//! - [`info`] tells about the attempt, [`heartbeat`] and [`last_heartbeat`] carry progress to the next one.
//! - [`status`] and [`check_cancelled`] tell when to stop.
//! - The macros of the crate [`log`] write to the host's log.
//! - [`http`], [`config`], [`secret`], [`sql`] and [`blob`] reach what the operator has granted, [`passthrough!`] the host modules of others.
//! - [`mod@workflow`] and [`macro@workflow`] are for workflows, which are modules of their own.
//! - [`testing`] runs activities in a plain `cargo test`.
//!
//! # When to stop
//!
//! [`heartbeat`] and [`check_cancelled`] return [`Cancelled`] when somebody cancels, pauses or resets the activity, when Temporal no
//! longer waits for it, **and when its worker begins to shut down**. With the operator `?` the activity is out of the
//! way at once, and after a shutdown another worker goes on with it. One that would rather use the worker's graceful timeout to finish looks
//! at [`status`], and ends only if it [`must_end`](Status::must_end).
//!
//! Nothing interrupts a function that computes before the operator's grace period is over: in a long loop, call one of
//! the two now and then. Each costs less than a microsecond.
//!
//! # Panics
//!
//! A panic ends the instance. The activity fails with the retryable type `WasmTrap` and the panic's message.
//!
//! # Features
//!
//! `anyhow`: activities may return `anyhow::Result`, and keep the [`ApplicationError`]s and [`Cancelled`]s in it. (Without it they
//! are errors like any other.)

mod abi;
pub mod blob;
pub mod config;
mod error;
mod host;
pub mod http;
mod info;
mod logger;
pub mod passthrough;
mod payload;
mod run;
pub mod secret;
pub mod sql;
mod status;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod workflow;

/// The crate `log`, so that a program need not depend on it: `use wasmworker::log;`.
pub use log;
/// Makes an activity of a function.
///
/// ```
/// use wasmworker::activity;
///
/// #[activity]
/// fn add(a: f64, b: f64) -> f64 {
///     a + b
/// }
///
/// #[activity(name = "Order.Charge")]
/// fn charge(order: String, amount: Option<u64>) -> Result<(), std::num::ParseIntError> {
///     let _: u64 = order.parse()?;
///     Ok(())
/// }
/// ```
///
/// The function's name, or the one that is given, is the name of the export and so the Temporal activity type. The function stays what it
/// is, to be called by others and by tests.
///
/// **Arguments**: any number, of types that [`serde`] deserializes from JSON; [`Bytes`] for `binary/plain`, [`Payload`] for
/// anything, [`Payloads`] for all that are left. An argument that is missing is `None` if it is an `Option`. An argument
/// that is missing otherwise, or of another type, fails the activity with type `InvalidInput`, not retryable, before the
/// function is called. Arguments beyond the parameters are ignored.
///
/// **Result**: a type that [`serde`] serializes, [`Bytes`], [`Payload`] or nothing, or a `Result` of one. Its error may be [`Error`],
/// any other [`std::error::Error`], a `Box<dyn Error>`, `String`, or whatever else has an `Into<Box<dyn Error>>`. A result
/// that is longer than the host allows fails the activity with type `OutputTooLarge`, one that cannot be JSON with type
/// `InvalidOutput`; neither is retryable.
///
/// What an activity is not:
///
/// ```compile_fail
/// #[wasmworker::activity]
/// async fn waits() {} // it has its instance for itself, and may block
/// ```
/// ```compile_fail
/// #[wasmworker::activity]
/// fn borrows(text: &str) {}
/// ```
/// ```compile_fail
/// #[wasmworker::activity]
/// fn generic<T: serde::de::DeserializeOwned>(value: T) {}
/// ```
/// ```compile_fail
/// #[wasmworker::activity]
/// fn malloc() {} // a name of the toolchain, for which there is name = "…"
/// ```
/// ```compile_fail
/// struct NoJson;
/// #[wasmworker::activity]
/// fn result() -> NoJson { NoJson }
/// ```
/// ```compile_fail
/// #[derive(serde::Serialize)]
/// struct NoError;
/// #[wasmworker::activity]
/// fn result() -> Result<u8, NoError> { Err(NoError) } // must not become a result
/// ```
pub use wasmworker_macros::activity;
/// Lets a function run when an instance is made, before its first activity.
///
/// The host makes instances ahead of time, or sets them back to what they were after this. So what is prepared here costs an activity nothing:
///
/// ```
/// use std::sync::LazyLock;
/// use wasmworker::activity;
///
/// static SQUARES: LazyLock<Vec<u64>> = LazyLock::new(|| (0..1000).map(|n| n * n).collect());
///
/// #[wasmworker::init]
/// fn prepare() {
///     LazyLock::force(&SQUARES);
/// }
///
/// #[activity]
/// fn square(n: usize) -> Option<u64> {
///     SQUARES.get(n).copied()
/// }
/// ```
///
/// There is no activity yet: [`info`] panics, and calls of host modules fail. Logging works. In a native build nothing calls
/// the function.
pub use wasmworker_macros::init;

/// Makes a workflow of an `async` function: see [`mod@workflow`].
///
/// ```
/// use wasmworker::workflow::Context;
/// use wasmworker::{Result, workflow};
///
/// #[workflow]
/// async fn greet(ctx: Context, name: String, times: Option<u32>) -> Result<String> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// #[workflow(name = "Order.Cancel")]
/// async fn cancel(_: workflow::Context) -> Result<(), std::num::ParseIntError> {
///     Ok(())
/// }
/// ```
///
/// The function's name, or the one that is given, is the name of the export and so the workflow type.
///
/// **Arguments**: a [`workflow::Context`], and any number of [values](workflow::Value). One that is missing is `None` if it is an `Option`.
/// An argument that is missing otherwise, or of another type, fails the workflow with type `InvalidInput`.
///
/// **Result**: a `Result` of an [`Output`] or of nothing, whose error can become an [`Error`], as all that implement
/// [`std::error::Error`] can. An [`ApplicationError`] is what it says; a [`workflow::Failure`] that the workflow was told is handed on
/// as it is; one that is a cancellation ends the workflow as canceled, if somebody has cancelled it.
///
/// What a workflow is not:
///
/// ```compile_fail
/// #[wasmworker::workflow]
/// fn blocks(ctx: wasmworker::workflow::Context) -> wasmworker::Result<()> { Ok(()) } // it is an async function
/// ```
/// ```compile_fail
/// #[wasmworker::workflow]
/// async fn lonely() -> wasmworker::Result<()> { Ok(()) } // takes its context
/// ```
/// ```compile_fail
/// #[wasmworker::workflow]
/// async fn borrows(ctx: wasmworker::workflow::Context, text: &str) -> wasmworker::Result<()> { Ok(()) }
/// ```
/// ```compile_fail
/// #[wasmworker::workflow]
/// async fn bare(ctx: wasmworker::workflow::Context) -> u8 { 1 } // returns a Result
/// ```
pub use wasmworker_macros::workflow;

pub use error::{ApplicationError, Cancelled, Error, Result};
pub use info::{Info, Priority, RetryPolicy, WorkflowInfo};
pub use payload::{Argument, Bytes, DecodeError, Output, Payload, Payloads};
pub use status::Status;

/// What the attributes and macros of this crate use.
#[doc(hidden)]
pub mod __private {
    pub use crate::run::*;
}

/// What is known about the attempt.
///
/// # Panics
///
/// Outside an activity.
pub fn info() -> Info {
    match host::read_info() {
        Ok(info) => info,
        Err(err) => panic!("there is no activity to tell about: {err}"),
    }
}

/// Tells Temporal that the activity is alive, and how far it has come: the next attempt gets the details from
/// [`last_heartbeat`]. `heartbeat(&())` only tells that it is alive; details that an earlier heartbeat had are then gone.
///
/// The host throttles what it sends, so call it as often as is convenient. From the first call on,
/// [`Info::heartbeat_timeout`] is the activity's to keep; before that, the host heartbeats for it.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let done: u64 = wasmworker::last_heartbeat()?.unwrap_or(0);
/// for step in done..100 {
///     // …
///     wasmworker::heartbeat(&(step + 1))?;
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Cancelled`] if the activity has been asked to stop. The heartbeat was sent all the same.
///
/// # Panics
///
/// If the details cannot be encoded, or are longer than the host allows (2 MiB by default).
pub fn heartbeat(details: &(impl Output + ?Sized)) -> Result<(), Cancelled> {
    let details = details.encode().unwrap_or_else(|err| panic!("the details of a heartbeat cannot be encoded: {err}"));
    if let Some(details) = details.filter(|details| details.encoding != payload::NULL) {
        if let Err(err) = host::check(host::heartbeat_detail(&details.data, details.encoding)) {
            panic!("the details of a heartbeat were refused: {err}");
        }
    }
    // There is one reason for the host to refuse the heartbeat itself: no activity runs.
    unless_empty(host::check(host::heartbeat()).map_or_else(|_| status(), |flags| Status(flags as u32)))
}

/// The details of the last heartbeat of the attempt before this one; `None` if there were none.
///
/// # Errors
///
/// The details are of another type, as they may be after the activity's code has changed, or of an encoding that is not
/// decoded. An activity that ends with this error fails with type `InvalidInput`, not retryable.
pub fn last_heartbeat<T: serde::de::DeserializeOwned>() -> Result<Option<T>, DecodeError> {
    let payload = last_heartbeat_payload();
    payload.map(|payload| payload.decode().map_err(|err| err.of("the last heartbeat's detail"))).transpose()
}

/// As [`last_heartbeat`], whatever its encoding.
pub fn last_heartbeat_payload() -> Option<Payload> {
    if host::detail_count() == 0 {
        return None;
    }
    let encoding = host::read_text(32, |dst| host::detail_encoding(0, dst)).ok()?;
    Some(Payload::new(encoding, host::read(512, |dst| host::detail_read(0, dst)).ok()?))
}

/// What is asked of the activity at the moment.
pub fn status() -> Status {
    Status(host::status())
}

/// Whether the activity may go on. It costs next to nothing, and tells what [`heartbeat`] tells.
///
/// # Errors
///
/// [`Cancelled`] if the activity has been asked to stop.
pub fn check_cancelled() -> Result<(), Cancelled> {
    unless_empty(status())
}

fn unless_empty(status: Status) -> Result<(), Cancelled> {
    if status.is_empty() { Ok(()) } else { Err(Cancelled::of(status)) }
}

/// The examples of the README compile and run.
#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
