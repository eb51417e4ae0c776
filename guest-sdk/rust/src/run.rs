//! From the call of an export to its status. What is public here is for the attributes and macros of this crate.

#![allow(missing_docs)]

use std::cell::Cell;
use std::error::Error as StdError;

use crate::error::{Failure, INVALID_INPUT, Outcome, kind_of};
use crate::payload::{Arguments, InvalidInput, Output};
use crate::{Error, abi, logger};

/// Prepares an instance: once, if the host calls `_initialize` as it should.
pub(crate) fn install() {
    #[cfg(target_family = "wasm")]
    {
        static INSTALLED: std::sync::Once = std::sync::Once::new();
        INSTALLED.call_once(|| {
            crate::host::install_panic_hook();
            logger::install();
        });
    }
    #[cfg(not(target_family = "wasm"))]
    logger::install();
}

/// Runs an activity and returns the status for the host.
pub fn run(activity: impl FnOnce(&mut Arguments) -> Result<Outcome, InvalidInput>) -> i32 {
    install();
    let outcome = activity(&mut Arguments::new()).unwrap_or_else(|InvalidInput(message)| {
        Failure::non_retryable(INVALID_INPUT, message).report();
        Outcome::Failed
    });
    outcome as i32
}

/// Runs a function of the attribute `init`.
pub fn init(function: impl FnOnce()) {
    install();
    function();
}

fn completed(value: &impl Output) -> Outcome {
    let failure = match value.encode() {
        Ok(None) => return Outcome::Completed,
        Ok(Some(encoded)) => match encoded.push() {
            Ok(()) => return Outcome::Completed,
            // The host refuses only what is too large: the rest is well-formed here.
            Err(err) => Failure::non_retryable(abi::TYPE_OUTPUT_TOO_LARGE, format!("the result: {}", err.message())),
        },
        Err(err) => Failure::non_retryable(abi::TYPE_INVALID_OUTPUT, format!("the result cannot be encoded: {err}")),
    };
    failure.report();
    Outcome::Failed
}

/// What an activity returned. What becomes of it depends on its type, by the order in which the compiler looks for
/// methods: a `Result` has one of its own, everything else that of a trait.
pub struct Returned<T>(pub T);

impl<T: Output, E> Returned<Result<T, E>> {
    pub fn split(self) -> Result<Outcome, Fault<E>> {
        self.0.map(|value| completed(&value)).map_err(|error| Fault(Cell::new(Some(error))))
    }
}

pub trait ReturnedValue {
    fn split(self) -> Result<Outcome, Fault<std::convert::Infallible>>;
}

impl<T: Output> ReturnedValue for Returned<T> {
    fn split(self) -> Result<Outcome, Fault<std::convert::Infallible>> {
        Ok(completed(&self.0))
    }
}

/// An error that an activity returned. Of the traits below, the compiler takes the first whose
/// implementation fits, from the most references to the fewest.
pub struct Fault<E>(Cell<Option<E>>);

impl<E> Fault<E> {
    fn take(&self) -> E {
        self.0.take().expect("a fault is taken once")
    }
}

pub trait OwnFault {
    fn report(&self) -> Outcome;
}

impl OwnFault for &&&Fault<Error> {
    fn report(&self) -> Outcome {
        let (error, kind) = self.take().into_parts();
        Outcome::of_error(&*error, kind)
    }
}

#[cfg(feature = "anyhow")]
impl OwnFault for &&&Fault<anyhow::Error> {
    fn report(&self) -> Outcome {
        let error = self.take();
        let error: &(dyn StdError + Send + Sync + 'static) = error.as_ref();
        Outcome::of_error(error, kind_of::<Box<dyn StdError>>())
    }
}

pub trait StdFault {
    fn report(&self) -> Outcome;
}

impl<E: StdError + 'static> StdFault for &&Fault<E> {
    fn report(&self) -> Outcome {
        Outcome::of_error(&self.take(), kind_of::<E>())
    }
}

/// Text, boxed errors, and whatever else can become one.
pub trait SendFault {
    fn report(&self) -> Outcome;
}

impl<E: Into<Box<dyn StdError + Send + Sync>>> SendFault for &Fault<E> {
    fn report(&self) -> Outcome {
        Outcome::of_error(&*self.take().into(), kind_of::<Box<dyn StdError>>())
    }
}

pub trait BoxFault {
    fn report(&self) -> Outcome;
}

impl<E: Into<Box<dyn StdError>>> BoxFault for Fault<E> {
    fn report(&self) -> Outcome {
        Outcome::of_error(&*self.take().into(), kind_of::<Box<dyn StdError>>())
    }
}

/// Ends an activity with what its function returned.
#[doc(hidden)]
#[macro_export]
macro_rules! __finish {
    ($value:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::{BoxFault as _, OwnFault as _, ReturnedValue as _, SendFault as _, StdFault as _};
        match $crate::__private::Returned($value).split() {
            ::core::result::Result::Ok(outcome) => outcome,
            ::core::result::Result::Err(fault) => (&&&&fault).report(),
        }
    }};
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::rc::Rc;

    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Env, Fake, Request};
    use crate::{ApplicationError, Bytes, Cancelled, Payload, Payloads};

    /// The status, the output and the failure of a call.
    type Ended = (i32, Option<Payload>, Option<Value>);

    fn call(env: Env, arguments: &[Payload], activity: impl FnOnce(&mut Arguments) -> Result<Outcome, InvalidInput>) -> Ended {
        let env = env.with_arguments(arguments);
        let status = env.run(|| run(activity));
        let (output, failure) = env.ended();
        (status, output, failure)
    }

    /// Calls what the attribute would have made of a function that returns this, without arguments.
    macro_rules! returned {
        ($value:expr) => {
            returned!(Env::new(), $value)
        };
        ($env:expr, $value:expr) => {
            call($env, &[], |_| Ok(crate::__finish!($value)))
        };
    }

    fn failure(ended: Ended) -> Value {
        assert_eq!((ended.0, ended.1), (1, None));
        ended.2.expect("a failure")
    }

    fn json(value: impl serde::Serialize) -> Payload {
        Payload::json(&value).unwrap()
    }

    #[test]
    fn results() {
        assert_eq!(returned!(()), (0, None, None));
        assert_eq!(returned!(Ok::<(), Error>(())), (0, None, None));
        assert_eq!(returned!("ä"), (0, Some(json("ä")), None));
        assert_eq!(returned!(Ok::<_, String>(vec![1])), (0, Some(json([1])), None));
        assert_eq!(returned!(None::<u8>), (0, Some(Payload::null()), None));
        assert_eq!(returned!(Some(1)), (0, Some(json(1)), None));
        assert_eq!(returned!(Bytes::default()), (0, Some(Payload::binary([])), None));
        let raw = Payload { data: vec![1], metadata: [("encoding", "x-acme"), ("more", "so")].map(|(k, v)| (k.into(), v.into())).into() };
        assert_eq!(returned!(raw.clone()), (0, Some(raw), None));
    }

    #[test]
    fn results_that_are_none() {
        let keys = std::collections::HashMap::from([(vec![1], 1)]);
        assert_eq!(
            failure(returned!(keys)),
            json!({"type": "InvalidOutput", "message": "the result cannot be encoded: key must be a string", "non_retryable": true})
        );
        let too_large = json!({"type": "OutputTooLarge", "message": "the result: the output is too long", "non_retryable": true});
        assert_eq!(failure(returned!(Env::new().limit(10), Bytes(vec![0; 11]))), too_large);
        assert_eq!(returned!(Env::new().limit(10), Bytes(vec![0; 10])).0, 0);
    }

    #[test]
    fn errors_of_all_types() {
        fn io_error() -> io::Error {
            io::Error::other("no disk")
        }
        type Boxed = Box<dyn StdError>;
        type BoxedSend = Box<dyn StdError + Send + Sync>;
        let expect = |kind: &str| json!({"type": kind, "message": "no disk"});
        assert_eq!(failure(returned!(Err::<(), io::Error>(io_error()))), expect("io::Error"));
        assert_eq!(failure(returned!(Err::<(), Error>(io_error().into()))), expect("io::Error"));
        assert_eq!(failure(returned!(Err::<(), BoxedSend>(io_error().into()))), expect("Error"));
        assert_eq!(failure(returned!(Err::<(), Boxed>(io_error().into()))), expect("Error"));
        assert_eq!(failure(returned!(Err::<(), &str>("no disk"))), expect("Error"));
        assert_eq!(failure(returned!(Err::<(), String>("no disk".into()))), expect("Error"));
        assert_eq!(failure(returned!(Err::<(), ApplicationError>(ApplicationError::new("Disk", "no disk")))), expect("Disk"));
        let boxed: Boxed = ApplicationError::new("Disk", "no disk").into();
        assert_eq!(failure(returned!(Err::<(), Boxed>(boxed))), expect("Disk"));
    }

    #[test]
    #[cfg(feature = "anyhow")]
    fn anyhow_keeps_what_it_wraps() {
        use anyhow::Context;
        let err = Err::<(), _>(ApplicationError::new("Disk", "no disk").non_retryable()).context("writing");
        let cause = json!({"type": "Disk", "message": "no disk", "non_retryable": true});
        assert_eq!(failure(returned!(err)), json!({"type": "Disk", "message": "writing", "non_retryable": true, "cause": cause}));
        let cancelled: anyhow::Result<()> = Env::new().request_after(1, Request::Cancel).run(|| Ok(crate::heartbeat(&1)?));
        assert_eq!(returned!(Env::new().request_after(0, Request::Cancel), cancelled), (2, None, None));
        assert_eq!(failure(returned!(Err::<(), _>(anyhow::anyhow!("plain")))), json!({"type": "Error", "message": "plain"}));
    }

    #[test]
    fn long_failures_are_cut() {
        let failure = failure(returned!(Err::<(), String>("é".repeat(200_000))));
        let message = failure["message"].as_str().unwrap();
        assert!(message.starts_with("éé") && message.ends_with("é… (too long: details and causes were left out)"), "{}", message.len());
        assert_eq!(failure["type"], "Error");
        let failure = self::failure(returned!(Err::<(), _>(ApplicationError::new("é".repeat(200_000), "m").non_retryable())));
        assert_eq!((&failure["type"], &failure["non_retryable"]), (&json!("é".repeat(128)), &json!(true)));
    }

    #[test]
    fn cancellations() {
        let cancel = |request| Env::new().request_after(0, request);
        let cancelled = || Err::<(), _>(Cancelled::default().with_details("cleaned up"));
        for request in [Request::Cancel, Request::Pause, Request::Reset, Request::Abandon] {
            assert_eq!(returned!(cancel(request), cancelled()), (2, Some(json("cleaned up")), None));
        }
        let stopped = json!({"type": "WorkerShutdown", "message": "the worker is shutting down", "details": ["cleaned up"]});
        assert_eq!(failure(returned!(cancel(Request::StopWorker), cancelled())), stopped);
        let both = cancel(Request::StopWorker).request_after(0, Request::Cancel);
        assert_eq!(returned!(both, cancelled()).0, 2);
        assert_eq!(returned!(Err::<(), Error>(Cancelled::default().into())), (2, None, None)); // the host knows that nobody asked
    }

    #[test]
    fn arguments() {
        let given = [json("a"), json(2), Payload::binary([3]), Payload::null(), json(5)];
        let ended = call(Env::new(), &given, |arguments| {
            let first: String = arguments.take("first")?;
            let second: u8 = arguments.take("second")?;
            let third: Bytes = arguments.take("third")?;
            let fourth: Option<u8> = arguments.take("fourth")?;
            let rest: Payloads = arguments.take("rest")?;
            let missing: Option<u8> = arguments.take("missing")?;
            assert_eq!((&*first, second, third.0, fourth, rest.0, missing), ("a", 2, vec![3], None, vec![json(5)], None));
            Ok(Outcome::Completed)
        });
        assert_eq!(ended.0, 0);
    }

    #[test]
    fn arguments_that_are_wrong() {
        fn refusal<T: crate::Argument>(given: &[Payload]) -> String {
            let failure = failure(call(Env::new(), given, |arguments| {
                let _: T = arguments.take("amount")?;
                Ok(Outcome::Completed)
            }));
            assert_eq!((&failure["type"], &failure["non_retryable"]), (&json!("InvalidInput"), &json!(true)));
            failure["message"].as_str().unwrap().to_owned()
        }
        assert_eq!(refusal::<u8>(&[]), "argument 1 (amount) is missing: no arguments were given");
        assert_eq!(refusal::<Bytes>(&[]), "argument 1 (amount) is missing: no arguments were given");
        assert_eq!(refusal::<u8>(&[json(256)]), "argument 1 (amount): invalid value: integer `256`, expected u8 at line 1 column 3");
        assert_eq!(refusal::<u8>(&[Payload::new("json/plain", "{")]).split(':').next(), Some("argument 1 (amount)"));
        assert_eq!(
            refusal::<u8>(&[Payload::binary([1])]),
            "argument 1 (amount): it is binary/plain, not JSON (take a wasmworker::Bytes for it)"
        );
        assert_eq!(refusal::<Bytes>(&[json(1)]), "argument 1 (amount): its encoding is json/plain, not binary/plain");
        assert_eq!(refusal::<Bytes>(&[Payload::default()]), "argument 1 (amount): its encoding is not given, not binary/plain");
        for encoding in ["binary/encrypted", "binary/protobuf", "json/plain+zlib", "JSON/plain", "json/"] {
            let given = [Payload::new(encoding, "7")];
            let expected = format!("argument 1 (amount): its encoding is {encoding}, not json/plain (take a wasmworker::Payload for it)");
            assert_eq!(refusal::<u8>(&given), expected);
            assert_eq!(refusal::<Option<u8>>(&given), expected);
            assert_eq!(refusal::<Value>(&given), expected);
            assert_eq!(refusal::<Bytes>(&given), format!("argument 1 (amount): its encoding is {encoding}, not binary/plain"));
        }
        for encoding in ["json/protobuf", ""] {
            assert_eq!(refusal::<u8>(&[Payload::new(encoding, "")]), "argument 1 (amount): EOF while parsing a value at line 1 column 0");
        }
    }

    #[test]
    fn arguments_that_are_json_by_other_names() {
        let message = Payload { data: b"7".into(), metadata: [("encoding", "json/protobuf"), ("messageType", "acme.Order")].map(|(k, v)| (k.into(), v.into())).into() };
        for given in [message, Payload::new("", "7"), Payload { data: b"7".into(), ..Payload::default() }] {
            let ended = call(Env::new(), &[given.clone(), given.clone()], |arguments| {
                assert_eq!((arguments.take::<u8>("one")?, arguments.take::<Option<u8>>("two")?), (7, Some(7)));
                Ok(Outcome::Completed)
            });
            assert_eq!(ended.0, 0);
        }
    }

    #[test]
    fn details_of_several_encodings() {
        let last = |payload: &Payload| Env::new().last_heartbeat(payload);
        for encoding in ["json/protobuf", ""] {
            assert_eq!(last(&Payload::new(encoding, "7")).run(crate::last_heartbeat::<u8>).unwrap(), Some(7));
        }
        let encrypted = Payload::new("binary/encrypted", "7");
        let message = "the last heartbeat's detail: its encoding is binary/encrypted, not json/plain (take a wasmworker::Payload for it)";
        let expected = json!({"type": "InvalidInput", "message": message, "non_retryable": true});
        assert_eq!(failure(returned!(last(&encrypted), crate::last_heartbeat::<u8>().map(|_| ()))), expected);
        let resume = || -> crate::Result<()> { crate::last_heartbeat::<u8>().map(|_| ()).map_err(Error::from) };
        assert_eq!(failure(returned!(last(&encrypted), resume())), expected);
        let wrapped = || anyhow::Context::context(crate::last_heartbeat::<u8>().map(|_| ()), "resuming");
        let wrapped = failure(returned!(last(&encrypted), wrapped()));
        assert_eq!((&wrapped["type"], &wrapped["message"], &wrapped["cause"]["message"]), (&json!("InvalidInput"), &json!("resuming"), &json!(message)));
        let error: Error = last(&encrypted).run(|| crate::last_heartbeat::<u8>()).unwrap_err().into();
        assert_eq!((error.kind(), error.is_retryable()), ("InvalidInput", false));
        assert_eq!(last(&encrypted).run(crate::last_heartbeat_payload), Some(encrypted));
    }

    #[test]
    fn large_values_are_fetched_in_two_calls() {
        let text = "x".repeat(100_000);
        let ended = call(Env::new(), &[json(&text)], |arguments| {
            assert_eq!(arguments.take::<String>("text")?, text);
            Ok(Outcome::Completed)
        });
        assert_eq!(ended.0, 0);
    }

    #[test]
    fn heartbeats_and_resuming() {
        fn steps(n: u64) -> crate::Result<u64> {
            let begin = crate::last_heartbeat()?.unwrap_or(0);
            for step in begin + 1..=n {
                crate::heartbeat(&step)?;
            }
            Ok(begin)
        }
        let env = Env::new();
        assert_eq!(env.run(|| steps(3)).unwrap(), 0);
        assert_eq!(env.heartbeats::<u64>(), [1, 2, 3]);

        let env = Env::new().last_heartbeat(&5).request_after(2, Request::StopWorker);
        let err = env.run(|| steps(100)).unwrap_err();
        assert!(err.is_cancelled());
        assert_eq!(err.to_string(), "the worker is shutting down");
        assert_eq!(env.heartbeats::<u64>(), [6, 7]);

        assert!(Env::new().last_heartbeat("no number").run(|| steps(1)).is_err());
        let env = Env::new();
        env.run(|| crate::heartbeat(&())).unwrap();
        assert_eq!((env.heartbeat_count(), env.heartbeats::<u8>()), (1, vec![]));
    }

    #[test]
    #[should_panic(expected = "were refused: EMSGSIZE: the details are too long")]
    fn heartbeats_that_are_too_long() {
        let _ = Env::new().limit(10).run(|| crate::heartbeat(&Bytes(vec![0; 11])));
    }

    #[test]
    fn environments_nest_and_end() {
        let outer: Rc<Fake> = Env::new().into_fake();
        crate::host::native::with(outer, || {
            Env::new().info(|info| info.attempt = 7).run(|| assert_eq!(crate::info().attempt, 7));
            assert_eq!(crate::info().attempt, 1);
        });
        assert!(std::panic::catch_unwind(crate::info).is_err());
        log::info!("nobody listens");
    }

    #[test]
    fn passthrough_calls() {
        use crate::passthrough::{Errno, Error, Result};
        crate::passthrough! {
            "wasmworker:test/v1" {
                fn upper(text: &[u8]) -> Result<Vec<u8>>;
                /// Documented.
                pub(super) fn double(number: &u32) -> Result<u32>;
                fn bytes(number: &u32) -> Result<crate::Bytes>;
                fn deny() -> Result<()>;
                fn absent() -> Result<Option<u8>>;
            }
        }
        let env = Env::new()
            .passthrough("wasmworker:test/v1", "upper", |request| Ok(request.to_ascii_uppercase()))
            .passthrough("wasmworker:test/v1", "double", |request| {
                Ok(format!("{}", 2 * std::str::from_utf8(request).unwrap().parse::<u32>().unwrap()).into())
            })
            .passthrough("wasmworker:test/v1", "bytes", |request| Ok([request, b"\xff"].concat()))
            .passthrough("wasmworker:test/v1", "deny", |_| Err(Error::new(Errno::EACCES, "the policy says no")))
            .passthrough("wasmworker:test/v1", "absent", |request| Ok(request.to_vec()));
        env.run(|| {
            assert_eq!(upper(b"abc").unwrap(), b"ABC");
            assert_eq!(double(&21), Ok(42));
            assert_eq!(bytes(&21).unwrap().0, b"21\xff");
            assert_eq!(deny().unwrap_err().to_string(), "EACCES: the policy says no");
            assert_eq!(absent(), Ok(None));
        });
        assert_eq!(Env::new().run(deny).unwrap_err().errno(), Errno::ENOSYS);
    }
}
