//! Runs activities in a plain `cargo test`, without WebAssembly and without a host.
//!
//! ```
//! use wasmworker::testing::Env;
//! use wasmworker::{ApplicationError, Result, activity};
//!
//! #[activity]
//! fn greet(name: String) -> Result<String> {
//!     if name.is_empty() {
//!         return Err(ApplicationError::new("EmptyName", "the name is empty").non_retryable().into());
//!     }
//!     log::info!(name; "greeting");
//!     Ok(format!("Hello, {name}! This is attempt {}.", wasmworker::info().attempt))
//! }
//!
//! let env = Env::new().info(|info| info.attempt = 2);
//! assert_eq!(env.run(|| greet("Ada".into())).unwrap(), "Hello, Ada! This is attempt 2.");
//! assert_eq!(env.logs()[0].attributes["name"], "Ada");
//!
//! let err = env.run(|| greet(String::new())).unwrap_err();
//! assert_eq!((err.kind(), err.is_retryable()), ("EmptyName", false));
//! ```
//!
//! This module is not there in a WebAssembly build.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::info::WorkflowInfo;
use crate::passthrough::{Errno, Error, Result};
use crate::payload::{Output, Payload};
use crate::{Info, host, logger};

/// What a test can ask of an activity that runs. [`Status`](crate::Status) describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Request {
    /// Somebody cancels the activity.
    Cancel = 1,
    /// The worker shuts down.
    StopWorker = 2,
    /// An operator pauses the activity.
    Pause = 4,
    /// An operator resets the activity.
    Reset = 8,
    /// Temporal does not wait for the attempt any more.
    Abandon = 16,
}

/// A record that an activity has logged.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LogRecord {
    /// How important it is.
    pub level: log::Level,
    /// The text.
    pub message: String,
    /// The key-value pairs, as a JSON object.
    pub attributes: serde_json::Value,
}

/// One attempt of an activity, with everything that a host would know of it.
///
/// An environment belongs to a thread, as tests do. Without further words, the attempt is the first, has ten minutes, a workflow that
/// started it, and nobody asks it to stop.
pub struct Env(Rc<Fake>);

impl Default for Env {
    fn default() -> Env {
        Env::new()
    }
}

impl std::fmt::Debug for Env {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Env").field("info", &self.0.info).finish_non_exhaustive()
    }
}

impl Env {
    /// A new environment. The first one makes the SDK the destination of the crate `log`, unless there is another.
    pub fn new() -> Env {
        logger::install();
        let now = SystemTime::now();
        let info = Info {
            activity_id: "1".to_owned(),
            activity_type: "test".to_owned(),
            attempt: 1,
            namespace: "default".to_owned(),
            task_queue: "wasmworker".to_owned(),
            workflow: Some(WorkflowInfo {
                id: "test-workflow".to_owned(),
                run_id: "test-run".to_owned(),
                workflow_type: "TestWorkflow".to_owned(),
            }),
            start_to_close_timeout: Some(Duration::from_secs(600)),
            scheduled_time: Some(now),
            started_time: Some(now),
            deadline: now.checked_add(Duration::from_secs(600)),
            ..Info::default()
        };
        Env(Rc::new(Fake { info, ..Fake::default() }))
    }

    fn set(mut self, change: impl FnOnce(&mut Fake)) -> Env {
        change(Rc::get_mut(&mut self.0).expect("an environment is set up before it runs something"));
        self
    }

    /// Changes what [`info`](crate::info) tells.
    pub fn info(self, change: impl FnOnce(&mut Info)) -> Env {
        self.set(|fake| change(&mut fake.info))
    }

    /// Sets what [`last_heartbeat`](crate::last_heartbeat) finds.
    pub fn last_heartbeat(self, details: &(impl Output + ?Sized)) -> Env {
        let details = details.encode().expect("the details of a heartbeat can be encoded");
        self.set(|fake| fake.last_heartbeat = details.into_iter().map(|encoded| encoded.into_payload()).collect())
    }

    /// Stands in for a function of a host module, such as `env.passthrough("wasmworker:weather/v1", "forecast", …)`.
    pub fn passthrough(self, module: &str, function: &str, answer: impl Fn(&[u8]) -> Result<Vec<u8>> + 'static) -> Env {
        let key = (module.to_owned(), function.to_owned());
        self.set(|fake| {
            fake.passthroughs.insert(key, Box::new(answer));
        })
    }

    /// Asks something of the activity when it has sent so many heartbeats; 0 is at once.
    pub fn request_after(self, heartbeats: usize, request: Request) -> Env {
        self.set(|fake| fake.requests.push((heartbeats, request)))
    }

    /// Runs something in this environment: an activity, or a part of one.
    pub fn run<R>(&self, activity: impl FnOnce() -> R) -> R {
        host::native::with(Rc::clone(&self.0), activity)
    }

    /// The details of each heartbeat that had some.
    ///
    /// # Panics
    ///
    /// If they are not of this type.
    pub fn heartbeats<T: DeserializeOwned>(&self) -> Vec<T> {
        let heartbeats = self.0.heartbeats.borrow();
        let details = heartbeats.iter().filter_map(|details| details.first());
        details.map(|payload| payload.decode().unwrap_or_else(|err| panic!("the details of a heartbeat: {err}"))).collect()
    }

    /// How many heartbeats were sent.
    pub fn heartbeat_count(&self) -> usize {
        self.0.heartbeats.borrow().len()
    }

    /// What was logged.
    pub fn logs(&self) -> Vec<LogRecord> {
        self.0.logs.borrow().clone()
    }
}

/// For the tests of this crate.
#[cfg(test)]
impl Env {
    pub(crate) fn with_arguments(self, arguments: &[Payload]) -> Env {
        self.set(|fake| fake.arguments = arguments.to_vec())
    }

    pub(crate) fn limit(self, limit: usize) -> Env {
        self.set(|fake| fake.limit = Some(limit))
    }

    pub(crate) fn ended(&self) -> (Option<Payload>, Option<serde_json::Value>) {
        (self.0.output.take(), self.0.failure.take())
    }

    pub(crate) fn into_fake(self) -> Rc<Fake> {
        self.0
    }
}

type Answer = Box<dyn Fn(&[u8]) -> Result<Vec<u8>>>;

/// The host of a test.
#[derive(Default)]
pub(crate) struct Fake {
    pub(crate) arguments: Vec<Payload>,
    pub(crate) info: Info,
    pub(crate) last_heartbeat: Vec<Payload>,
    passthroughs: HashMap<(String, String), Answer>,
    requests: Vec<(usize, Request)>,

    details: RefCell<Vec<Payload>>,
    heartbeats: RefCell<Vec<Vec<Payload>>>,
    logs: RefCell<Vec<LogRecord>>,
    output: RefCell<Option<Payload>>,
    failure: RefCell<Option<serde_json::Value>>,
    limit: Option<usize>,
    last_error: RefCell<String>,
}

impl Fake {
    pub(crate) fn refuse(&self, errno: Errno, message: &str) -> i64 {
        self.last_error.replace(message.to_owned());
        -i64::from(errno.0)
    }

    pub(crate) fn last_error(&self) -> String {
        self.last_error.borrow().clone()
    }

    pub(crate) fn status(&self) -> u32 {
        let sent = self.heartbeats.borrow().len();
        self.requests.iter().filter(|(after, _)| sent >= *after).fold(0, |flags, (_, request)| flags | *request as u32)
    }

    pub(crate) fn heartbeat_detail(&self, detail: Payload) -> i64 {
        if self.limit.is_some_and(|limit| detail.data.len() > limit) {
            return self.refuse(Errno::EMSGSIZE, "the details are too long");
        }
        self.details.borrow_mut().push(detail);
        self.details.borrow().len() as i64
    }

    pub(crate) fn heartbeat(&self) -> i64 {
        self.heartbeats.borrow_mut().push(self.details.take());
        i64::from(self.status())
    }

    pub(crate) fn output_write(&self, data: &[u8]) -> i64 {
        let mut output = self.output.borrow_mut();
        let size = output.as_ref().map_or(0, |payload| payload.data.len()) + data.len();
        if self.limit.is_some_and(|limit| size > limit) {
            return self.refuse(Errno::EMSGSIZE, "the output is too long");
        }
        output.get_or_insert_with(|| Payload::new("json/plain", [])).data.extend_from_slice(data);
        size as i64
    }

    pub(crate) fn output_encoding(&self, encoding: &[u8]) -> i64 {
        let mut output = self.output.borrow_mut();
        output.get_or_insert_default().metadata.insert("encoding".to_owned(), encoding.to_vec());
        0
    }

    pub(crate) fn output_metadata(&self, metadata: &[u8]) -> i64 {
        let Ok(metadata) = crate::payload::metadata_from_json(metadata) else {
            return self.refuse(Errno::EINVAL, "these are no metadata");
        };
        self.output.borrow_mut().get_or_insert_default().metadata = metadata;
        0
    }

    pub(crate) fn fail(&self, failure: &[u8]) -> i64 {
        if failure.len() > 256 << 10 {
            return self.refuse(Errno::EMSGSIZE, "the failure is too long");
        }
        let Ok(failure) = serde_json::from_slice(failure) else {
            return self.refuse(Errno::EINVAL, "this is no failure");
        };
        self.failure.replace(Some(failure));
        0
    }

    pub(crate) fn log(&self, level: i32, message: &str, attributes: &[u8]) -> i64 {
        let attributes = if attributes.is_empty() { b"{}" } else { attributes };
        let Ok(attributes) = serde_json::from_slice(attributes) else {
            return self.refuse(Errno::EINVAL, "these are no attributes");
        };
        let level = match level {
            8.. => log::Level::Error,
            4.. => log::Level::Warn,
            0.. => log::Level::Info,
            -4.. => log::Level::Debug,
            _ => log::Level::Trace,
        };
        self.logs.borrow_mut().push(LogRecord { level, message: message.to_owned(), attributes });
        0
    }

    pub(crate) fn passthrough(&self, module: &str, function: &str, request: &[u8]) -> Result<Vec<u8>> {
        match self.passthroughs.get(&(module.to_owned(), function.to_owned())) {
            Some(answer) => answer(request),
            None => Err(Error::new(Errno::ENOSYS, format!("the test has no {function} of {module}: see Env::passthrough"))),
        }
    }
}
