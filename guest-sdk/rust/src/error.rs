use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use crate::abi::MAX_CAUSE_DEPTH as MAX_CAUSES;
use crate::payload::{DecodeError, Output, Payload};
use crate::{abi, host, status};

/// Any error that an activity may end with. The operator `?` makes one of every [`std::error::Error`].
///
/// What the caller of the activity gets to see:
///
/// - An [`ApplicationError`] is what it says: type, details, retry behaviour.
/// - [`Cancelled`] ends the activity as cancelled, or hands it to another worker if its own is shutting down.
/// - A [`DecodeError`] is a failure of type `InvalidInput`, not retryable: an argument or the details of the last heartbeat
///   cannot be read.
/// - Every other error is a retryable failure. Its message is the error's text, its type the name of the error's Rust type,
///   such as `ParseIntError` or, if that is no more than `Error`, `io::Error`; its causes are the chain of
///   [`source`](std::error::Error::source)s. If there is an [`ApplicationError`], [`Cancelled`] or [`DecodeError`] in that
///   chain, the failure has its type, details and retry behaviour.
///
/// Like the error types that are made for applications, this one does not implement [`std::error::Error`] itself. It
/// dereferences to the error in it. Any other error type will do as well, see [`activity`](macro@crate::activity).
pub struct Error {
    error: Box<dyn StdError + Send + Sync>,
    kind: Cow<'static, str>,
}

/// A [`Result`](std::result::Result) with [`Error`] as its error.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A retryable failure with no more than a message. Its type is `Error`.
    pub fn msg(message: impl fmt::Display) -> Error {
        Error { error: message.to_string().into(), kind: Cow::Borrowed(UNNAMED) }
    }

    /// The type of the failure that this error would become. Empty for [`Cancelled`].
    pub fn kind(&self) -> &str {
        match find::<ApplicationError>(&**self) {
            Some(application) => application.kind(),
            None if self.is_cancelled() => "",
            None if find::<DecodeError>(&**self).is_some() => INVALID_INPUT,
            None => &self.kind,
        }
    }

    /// Whether this is or wraps a [`Cancelled`], or in a workflow a [`Failure`](crate::workflow::Failure) that is one.
    pub fn is_cancelled(&self) -> bool {
        let told = find::<crate::workflow::Failure>(&**self);
        find::<Cancelled>(&**self).is_some() || told.is_some_and(crate::workflow::Failure::is_cancelled)
    }

    /// Whether Temporal may try the activity again.
    pub fn is_retryable(&self) -> bool {
        match find::<ApplicationError>(&**self) {
            Some(application) => application.is_retryable(),
            None => find::<DecodeError>(&**self).is_none(),
        }
    }

    pub(crate) fn into_parts(self) -> (Box<dyn StdError + Send + Sync>, Cow<'static, str>) {
        (self.error, self.kind)
    }

    /// The error as a value of its own type, if it is an `E`.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.error.downcast_ref()
    }
}

impl<E: StdError + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Error {
        Error { error: Box::new(error), kind: kind_of::<E>() }
    }
}

impl From<Error> for Box<dyn StdError + Send + Sync> {
    fn from(error: Error) -> Self {
        error.error
    }
}

impl From<Error> for Box<dyn StdError> {
    fn from(error: Error) -> Self {
        error.error
    }
}

impl Deref for Error {
    type Target = dyn StdError + Send + Sync;
    fn deref(&self) -> &Self::Target {
        &*self.error
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.error, f)
    }
}

/// A failure with a type that workflows and retry policies can tell it by.
///
/// ```
/// use std::time::Duration;
/// use wasmworker::{ApplicationError, Result};
///
/// fn charge(amount: u64) -> Result<()> {
///     if amount == 0 {
///         return Err(ApplicationError::new("BadAmount", "the amount is zero").non_retryable().into());
///     }
///     if amount > 1000 {
///         let busy = ApplicationError::new("Busy", "try later").next_retry_delay(Duration::from_secs(60));
///         return Err(busy.detail(&amount).into());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct ApplicationError {
    kind: Cow<'static, str>,
    message: String,
    non_retryable: bool,
    benign: bool,
    next_retry_delay: Option<Duration>,
    pub(crate) details: Vec<Box<RawValue>>,
    cause: Option<Box<dyn StdError + Send + Sync>>,
    pub(crate) cause_kind: Cow<'static, str>,
}

impl ApplicationError {
    /// A retryable failure. `kind` is what Temporal calls the type of an application error; a retry policy can
    /// name it among those that it does not retry.
    pub fn new(kind: impl Into<String>, message: impl fmt::Display) -> ApplicationError {
        ApplicationError {
            kind: Cow::Owned(kind.into()),
            message: message.to_string(),
            non_retryable: false,
            benign: false,
            next_retry_delay: None,
            details: Vec::new(),
            cause: None,
            cause_kind: Cow::Borrowed(""),
        }
    }

    /// Ends the activity, whatever its retry policy says.
    pub fn non_retryable(mut self) -> Self {
        self.non_retryable = true;
        self
    }

    /// Part of normal work: Temporal does not count or log it as an error.
    pub fn benign(mut self) -> Self {
        self.benign = true;
        self
    }

    /// The time until the next attempt, in whole milliseconds, instead of what the retry policy would give. Zero leaves it
    /// to the policy.
    pub fn next_retry_delay(mut self, delay: Duration) -> Self {
        self.next_retry_delay = Some(delay);
        self
    }

    /// Adds a detail for the workflow, as JSON. One that cannot be JSON is replaced by a text that says so: the
    /// failure itself has to get through.
    pub fn detail(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        let text = |err| to_raw_value(&format!("this detail could not be encoded: {err}")).expect("text is JSON");
        self.details.push(to_raw_value(value).unwrap_or_else(text));
        self
    }

    /// The error behind this one.
    pub fn caused_by(mut self, cause: impl Into<Error>) -> Self {
        let Error { error, kind } = cause.into();
        (self.cause, self.cause_kind) = (Some(error), kind);
        self
    }

    /// What Temporal calls the type of the error.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The message, which is also what `Display` shows.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether Temporal may try the activity again.
    pub fn is_retryable(&self) -> bool {
        !self.non_retryable
    }

    /// Whether the error is part of normal work.
    pub fn is_benign(&self) -> bool {
        self.benign
    }

    /// The time until the next attempt, if the error tells it.
    pub fn retry_delay(&self) -> Option<Duration> {
        self.next_retry_delay
    }

    /// Decodes one of the details.
    ///
    /// # Errors
    ///
    /// There is no such detail, or it is of another type.
    pub fn decode_detail<T: DeserializeOwned>(&self, index: usize) -> Result<T, DecodeError> {
        crate::payload::decode("json/plain", self.details.get(index).map_or("", |detail| detail.get()).as_bytes())
    }
}

impl fmt::Display for ApplicationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for ApplicationError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

/// The activity has been asked to stop. [`heartbeat`](crate::heartbeat) and [`check_cancelled`](crate::check_cancelled) return
/// it, and an activity that gives in returns it too, after it has cleaned up: the operator `?` does.
///
/// If the worker is shutting down and nobody has cancelled the activity, it becomes a retryable failure of type
/// `WorkerShutdown`, with which Temporal hands the activity to another worker at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cancelled {
    status: status::Status,
    details: Option<Payload>,
}

impl Cancelled {
    /// A cancellation that the activity itself declares. If nobody has asked for one, Temporal sees a retryable
    /// failure of type `UnexpectedCancel`.
    pub fn new() -> Cancelled {
        Cancelled { status: crate::status(), details: None }
    }

    pub(crate) fn of(status: status::Status) -> Cancelled {
        Cancelled { status, details: None }
    }

    /// Sets the details for whoever asked for the cancellation. What cannot be encoded is replaced by a text that
    /// says so.
    pub fn with_details(mut self, details: &(impl Output + ?Sized)) -> Self {
        self.details = match details.encode() {
            Ok(encoded) => encoded.map(|encoded| encoded.into_payload()),
            Err(err) => Payload::json(&format!("the details could not be encoded: {err}")).ok(),
        };
        self
    }

    /// Why the activity has to stop.
    pub fn status(&self) -> status::Status {
        self.status
    }

    /// The details, if any were set.
    pub fn details(&self) -> Option<&Payload> {
        self.details.as_ref()
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match () {
            () if self.status.cancel_requested() => "the activity was cancelled",
            () if self.status.paused() => "the activity was paused",
            () if self.status.reset() => "the activity was reset",
            () if self.status.gone() => "Temporal does not wait for this attempt any more",
            () if self.status.worker_stopping() => "the worker is shutting down",
            () => "cancelled",
        })
    }
}

impl StdError for Cancelled {}

fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| error.source()).take(MAX_CAUSES)
}

pub(crate) fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

const UNNAMED: &str = "Error";

/// The type of the failure for input that cannot be decoded.
pub(crate) const INVALID_INPUT: &str = abi::TYPE_INVALID_INPUT;

/// The name of an error's type, without what the compiler adds. Many crates call theirs `Error`: such a name gets
/// the crate before it.
pub(crate) fn kind_of<E: ?Sized>() -> Cow<'static, str> {
    let path = std::any::type_name::<E>();
    let path = &path[..path.find(['<', '{']).unwrap_or(path.len())];
    let (scope, name) = path.rsplit_once("::").unwrap_or(("", path));
    let library = match scope.split("::").next() {
        // The crates of the standard library have a module for each of their errors: std::io::error::Error.
        Some("std" | "core" | "alloc") => scope.split("::").nth(1),
        first => first,
    };
    match library {
        _ if path.starts_with(['&', '(', '[', '*']) || path.starts_with("dyn ") => Cow::Borrowed(UNNAMED),
        Some(library) if name == UNNAMED && !library.is_empty() => Cow::Owned(format!("{library}::{name}")),
        _ if name == "Box" || name == "String" => Cow::Borrowed(UNNAMED),
        _ => Cow::Borrowed(name),
    }
}

/// The failure as the host takes it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Failure<'a> {
    #[serde(rename = "type")]
    pub(crate) kind: Cow<'a, str>,
    pub(crate) message: Cow<'a, str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) non_retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_retry_delay_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) details: Vec<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<Box<Failure<'a>>>,
}

impl<'a> Failure<'a> {
    pub(crate) fn new(kind: &'a str, message: impl Into<Cow<'a, str>>) -> Failure<'a> {
        Failure { kind: Cow::Borrowed(kind), message: message.into(), ..Failure::default() }
    }

    pub(crate) fn non_retryable(kind: &'a str, message: String) -> Failure<'a> {
        Failure { non_retryable: true, ..Failure::new(kind, message) }
    }

    /// Describes an error and its causes.
    fn of(error: &'a (dyn StdError + 'static), kind: Cow<'a, str>) -> Failure<'a> {
        let mut failure = Failure::of_one(error, kind, MAX_CAUSES);
        // Wrapping an error in another one, to say more, must not make it lose how it is to be treated.
        if let Some(application) = find::<ApplicationError>(error) {
            failure.treat_as(application);
        } else if find::<DecodeError>(error).is_some() {
            failure.kind = Cow::Borrowed(INVALID_INPUT);
            failure.non_retryable = true;
        }
        failure
    }

    fn of_one(error: &'a (dyn StdError + 'static), kind: Cow<'a, str>, depth: usize) -> Failure<'a> {
        let mut failure = Failure { kind, message: error.to_string().into(), ..Failure::default() };
        let mut cause_kind = "";
        if let Some(application) = error.downcast_ref::<ApplicationError>() {
            failure.treat_as(application);
            cause_kind = &application.cause_kind;
        }
        if let Some(cause) = error.source().filter(|_| depth > 1) {
            failure.cause = Some(Box::new(Failure::of_one(cause, Cow::Borrowed(cause_kind), depth - 1)));
        }
        failure
    }

    fn treat_as(&mut self, application: &'a ApplicationError) {
        self.kind = Cow::Borrowed(&application.kind);
        self.non_retryable = application.non_retryable;
        self.next_retry_delay_ms = application.next_retry_delay.map(|delay| delay.as_millis().try_into().unwrap_or(u64::MAX));
        self.category = application.benign.then_some(abi::CATEGORY_BENIGN);
        self.details = application.details.iter().map(|detail| Cow::Borrowed(&**detail)).collect();
    }

    /// Hands the failure to the host, and less of it if the host finds it too long.
    pub(crate) fn report(mut self) {
        if self.push() {
            return;
        }
        self.details.clear();
        self.cause = None;
        const LONG: usize = 16 << 10;
        const LONG_KIND: usize = 256;
        if self.message.len() > LONG {
            self.message = format!("{}…", cut(&self.message, LONG)).into();
        }
        if self.kind.len() > LONG_KIND {
            self.kind = cut(&self.kind, LONG_KIND).to_owned().into();
        }
        self.message.to_mut().push_str(" (too long: details and causes were left out)");
        self.push();
    }

    fn push(&self) -> bool {
        let json = serde_json::to_vec(self).expect("a failure is JSON");
        host::fail(&json) >= 0
    }
}

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    &text[..end]
}

/// How an activity ended.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Outcome {
    Completed = abi::STATUS_COMPLETED,
    Failed = abi::STATUS_FAILED,
    Cancelled = abi::STATUS_CANCELED,
}

impl Outcome {
    pub(crate) fn of_error(error: &(dyn StdError + 'static), kind: Cow<'_, str>) -> Outcome {
        let Some(cancelled) = find::<Cancelled>(error) else {
            Failure::of(error, kind).report();
            return Outcome::Failed;
        };
        let status = crate::status();
        if status.worker_stopping() && !status.must_end() {
            let mut failure = Failure::new(abi::TYPE_WORKER_SHUTDOWN, "the worker is shutting down");
            failure.details = cancelled.details.iter().filter_map(json_detail).map(Cow::Owned).collect();
            failure.report();
            return Outcome::Failed;
        }
        // If nobody has asked, the host says so.
        if let Some(Ok(Some(details))) = cancelled.details.as_ref().map(Output::encode) {
            if let Err(err) = details.push() {
                log::warn!("the details of the cancellation are lost: {err}");
            }
        }
        Outcome::Cancelled
    }
}

/// The details of a failure are JSON, whereas those of a cancellation can be any payload.
fn json_detail(payload: &Payload) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(payload.data.clone()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failure(error: &Error) -> serde_json::Value {
        serde_json::to_value(Failure::of(&**error, Cow::Borrowed(&error.kind))).unwrap()
    }

    #[derive(Debug)]
    struct OutOfStock(Option<Error>);

    impl fmt::Display for OutOfStock {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("out of stock")
        }
    }

    impl StdError for OutOfStock {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            self.0.as_ref().map(|source| &**source as _)
        }
    }

    #[test]
    fn kinds() {
        assert_eq!(kind_of::<OutOfStock>(), "OutOfStock");
        assert_eq!(kind_of::<std::num::ParseIntError>(), "ParseIntError");
        assert_eq!(kind_of::<std::io::Error>(), "io::Error");
        assert_eq!(kind_of::<serde_json::Error>(), "serde_json::Error");
        assert_eq!(kind_of::<std::fmt::Error>(), "fmt::Error");
        assert_eq!(kind_of::<std::sync::PoisonError<u8>>(), "PoisonError");
        assert_eq!(kind_of::<Box<dyn StdError>>(), "Error");
        assert_eq!(kind_of::<String>(), "Error");
        assert_eq!(kind_of::<&str>(), "Error");
    }

    #[test]
    fn ordinary_errors() {
        let number: Error = "x".parse::<u8>().unwrap_err().into();
        assert_eq!(failure(&number), json!({"type": "ParseIntError", "message": "invalid digit found in string"}));
        assert!(number.is_retryable() && number.downcast_ref::<std::num::ParseIntError>().is_some());
        assert_eq!(failure(&Error::msg("plain text")), json!({"type": "Error", "message": "plain text"}));
        let wrapped = Error::from(OutOfStock(Some(number)));
        let cause = json!({"type": "", "message": "invalid digit found in string"});
        assert_eq!(failure(&wrapped), json!({"type": "OutOfStock", "message": "out of stock", "cause": cause}));
    }

    #[test]
    fn application_errors() {
        let keys = std::collections::HashMap::from([(vec![1], 1)]); // cannot be JSON
        let err = ApplicationError::new("Busy", "try later")
            .non_retryable()
            .benign()
            .next_retry_delay(Duration::from_millis(1500))
            .detail(&51)
            .detail(&keys)
            .caused_by(OutOfStock(None));
        assert_eq!(err.decode_detail::<u8>(0).unwrap(), 51);
        assert!(err.decode_detail::<u8>(2).is_err());
        let json = json!({
            "type": "Busy", "message": "try later", "non_retryable": true, "next_retry_delay_ms": 1500, "category": "benign",
            "details": [51, "this detail could not be encoded: key must be a string"],
            "cause": {"type": "OutOfStock", "message": "out of stock"},
        });
        let err = Error::from(err);
        assert_eq!(failure(&err), json);
        assert_eq!((err.kind(), err.is_retryable()), ("Busy", false));
    }

    #[test]
    fn what_is_wrapped_decides() {
        let wrapped = Error::from(OutOfStock(Some(ApplicationError::new("NoCard", "no card").non_retryable().into())));
        assert_eq!((wrapped.kind(), wrapped.is_retryable()), ("NoCard", false));
        let cause = json!({"type": "NoCard", "message": "no card", "non_retryable": true});
        assert_eq!(failure(&wrapped), json!({"type": "NoCard", "message": "out of stock", "non_retryable": true, "cause": cause}));
        assert!(Error::from(OutOfStock(Some(Cancelled::default().into()))).is_cancelled());
    }

    #[test]
    fn causes_are_cut_off() {
        let deep = (0..100).fold(Error::msg("root"), |err, _| OutOfStock(Some(err)).into());
        let mut failure = &failure(&deep);
        let mut depth = 1;
        while let Some(cause) = failure.get("cause") {
            (failure, depth) = (cause, depth + 1);
        }
        assert_eq!(depth, MAX_CAUSES);
    }
}
