use std::vec::IntoIter;

use serde::de::DeserializeOwned;

use crate::payload::{BINARY, DecodeError, Encoded, NULL, decode};
use crate::{Bytes, Output, Payload, Payloads};

/// What a workflow can be given: arguments, results of activities, signals. Everything that [`serde`] can deserialize and that
/// borrows nothing, [`Bytes`], [`Payload`] and [`Payloads`]. It is not for others to implement.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be given to a workflow",
    note = "what it is given is a type that implements serde::Deserialize, a wasmworker::Bytes, Payload or Payloads"
)]
pub trait Value: Sized {
    #[doc(hidden)]
    fn take(payloads: &mut IntoIter<Payload>) -> Result<Self, DecodeError>;

    #[doc(hidden)]
    fn of(payload: impl Into<Option<Payload>>) -> Result<Self, DecodeError> {
        Self::take(&mut payload.into().into_iter().collect::<Vec<_>>().into_iter())
    }
}

fn missing() -> DecodeError {
    DecodeError("it is missing".to_owned())
}

impl<T: DeserializeOwned> Value for T {
    fn take(payloads: &mut IntoIter<Payload>) -> Result<T, DecodeError> {
        match payloads.next() {
            Some(payload) => payload.decode(),
            None => decode(NULL, &[]).map_err(|_| missing()), // an Option is None
        }
    }
}

impl Value for Bytes {
    fn take(payloads: &mut IntoIter<Payload>) -> Result<Bytes, DecodeError> {
        let payload = payloads.next().ok_or_else(missing)?;
        match payload.encoding() {
            BINARY => Ok(Bytes(payload.data)),
            other => Err(DecodeError(format!("its encoding is {other}, not binary/plain"))),
        }
    }
}

impl Value for Payload {
    fn take(payloads: &mut IntoIter<Payload>) -> Result<Payload, DecodeError> {
        payloads.next().ok_or_else(missing)
    }
}

impl Value for Payloads {
    fn take(payloads: &mut IntoIter<Payload>) -> Result<Payloads, DecodeError> {
        Ok(Payloads(payloads.collect()))
    }
}

/// Several arguments: see [`args!`](crate::args).
#[derive(Debug, Default)]
pub struct Args(Vec<Payload>, Option<serde_json::Error>);

impl Args {
    #[doc(hidden)]
    pub fn with(mut self, value: &(impl Output + ?Sized)) -> Self {
        match value.encode() {
            Ok(encoded) => self.0.push(encoded.map_or_else(Payload::null, Encoded::into_payload)),
            Err(error) => self.1 = self.1.or(Some(error)),
        }
        self
    }
}

/// What a workflow gives to others: one value, `()` for none, or [`args!`](crate::args) for any number.
pub trait Input {
    #[doc(hidden)]
    fn payloads(self) -> Result<Vec<Payload>, serde_json::Error>;
}

impl<T: Output> Input for T {
    fn payloads(self) -> Result<Vec<Payload>, serde_json::Error> {
        Ok(self.encode()?.map(Encoded::into_payload).into_iter().collect())
    }
}

impl Input for Args {
    fn payloads(self) -> Result<Vec<Payload>, serde_json::Error> {
        self.1.map_or(Ok(self.0), Err)
    }
}

impl Input for Payloads {
    fn payloads(self) -> Result<Vec<Payload>, serde_json::Error> {
        Ok(self.0)
    }
}

/// Several arguments of an activity, a workflow or a signal: `args![1, "two"]`.
#[macro_export]
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        $crate::workflow::Args::default()$(.with(&$value))*
    };
}
