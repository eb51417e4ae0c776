use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::value::Value;
use crate::error::{INVALID_INPUT, find};
use crate::payload::{DecodeError, JSON};
use crate::{ApplicationError, Error, Payload};

/// What of a kind a [`Failure`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// An error of a program: of this workflow, or as the cause of another failure.
    #[default]
    Application,
    /// A cancellation.
    Canceled,
    /// A timeout; see [`Failure::timeout_type`].
    Timeout,
    /// An activity failed, of which the cause tells why.
    Activity,
    /// A child workflow failed, of which the cause tells why.
    Child,
    /// A workflow was terminated.
    Terminated,
    /// The server refused something.
    Server,
    /// A Nexus operation failed.
    Nexus,
    /// Another kind, of a host that is newer than this crate.
    #[serde(other)]
    Unknown,
}

/// Why an activity, a child workflow, a timer or a signal did not end well.
///
/// A workflow may return it as it is, with `?`, or as the cause of an [`ApplicationError`].
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Failure {
    /// What it is.
    pub kind: FailureKind,
    /// The message.
    pub message: String,
    /// What Temporal calls the type of an application error.
    pub error_type: String,
    /// Whether it is not retried.
    pub non_retryable: bool,
    /// The time until the next attempt, if the error tells it.
    pub next_retry_delay: Option<Duration>,
    /// Whether it is part of normal work.
    pub benign: bool,
    /// Details of an application error or a cancellation; the last heartbeat's of a timeout.
    pub details: Vec<Payload>,
    /// The stack of whoever failed.
    pub stack_trace: String,
    /// The type of the activity.
    pub activity_type: String,
    /// The ID of the activity.
    pub activity_id: String,
    /// Why there was no further attempt, such as `maximum_attempts_reached`.
    pub retry_state: String,
    /// The type of the child workflow.
    pub workflow_type: String,
    /// The ID of the child workflow.
    pub workflow_id: String,
    /// The ID of the child workflow's run.
    pub run_id: String,
    /// `start_to_close`, `schedule_to_start`, `schedule_to_close` or `heartbeat`.
    pub timeout_type: String,
    /// The failure behind this one.
    pub cause: Option<Box<Failure>>,
}

impl Failure {
    pub(super) fn new(error_type: &str, message: impl Into<String>) -> Failure {
        Failure { message: message.into(), error_type: error_type.to_owned(), ..Failure::default() }
    }

    pub(super) fn invalid_input(message: String) -> Failure {
        Failure { non_retryable: true, ..Failure::new(INVALID_INPUT, message) }
    }

    pub(super) fn canceled(message: &str) -> Failure {
        Failure { kind: FailureKind::Canceled, message: message.to_owned(), ..Failure::default() }
    }

    /// This failure and its causes, from the outermost on.
    pub fn chain(&self) -> impl Iterator<Item = &Failure> {
        std::iter::successors(Some(self), |failure| failure.cause.as_deref())
    }

    /// Whether this is or comes from a cancellation.
    pub fn is_cancelled(&self) -> bool {
        self.chain().any(|failure| failure.kind == FailureKind::Canceled)
    }

    /// Whether this is or comes from a timeout.
    pub fn is_timeout(&self) -> bool {
        self.chain().any(|failure| failure.kind == FailureKind::Timeout)
    }

    /// The application error that this is or comes from, if it is one.
    pub fn application(&self) -> Option<&Failure> {
        self.chain().find(|failure| failure.kind == FailureKind::Application)
    }

    /// Decodes one of the details.
    ///
    /// # Errors
    ///
    /// There is no such detail, or it is of another type.
    pub fn decode_detail<T: DeserializeOwned>(&self, index: usize) -> Result<T, DecodeError> {
        T::of(self.details.get(index).cloned())
    }

    /// What a workflow, a query or an update that ended with an error failed with.
    pub(super) fn of(error: &Error) -> Failure {
        let mut failure = Failure::of_one(&**error, error.kind());
        if !matches!(failure.kind, FailureKind::Application) || error.downcast_ref::<Failure>().is_some() {
            return failure;
        }
        // Wrapping an error in another one, to say more, must not make it lose how it is to be treated.
        if let Some(application) = find::<ApplicationError>(&**error) {
            failure.treat_as(application);
        } else if find::<DecodeError>(&**error).is_some() {
            failure.error_type = INVALID_INPUT.to_owned();
            failure.non_retryable = true;
        }
        failure
    }

    fn of_one(error: &(dyn StdError + 'static), kind: &str) -> Failure {
        if let Some(failure) = error.downcast_ref::<Failure>() {
            return failure.clone();
        }
        let mut failure = Failure::new(kind, error.to_string());
        let mut cause_kind = "";
        if let Some(application) = error.downcast_ref::<ApplicationError>() {
            failure.treat_as(application);
            cause_kind = &application.cause_kind;
        }
        failure.cause = error.source().map(|cause| Box::new(Failure::of_one(cause, cause_kind)));
        failure
    }

    fn treat_as(&mut self, application: &ApplicationError) {
        self.error_type = application.kind().to_owned();
        self.non_retryable = !application.is_retryable();
        self.next_retry_delay = application.retry_delay();
        self.benign = application.is_benign();
        self.details = application.details.iter().map(|detail| Payload::new(JSON, detail.get())).collect();
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Failure {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Failure {
        let message = format!("a value cannot be encoded: {error}");
        Failure { non_retryable: true, ..Failure::new(crate::abi::TYPE_INVALID_OUTPUT, message) }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Failure {
        Failure::invalid_input(error.to_string())
    }
}
