//! HTTP requests, to the origins that the operator allows: `wasmworker:http/v1`. Calling [`Request::send`] is the request for the grant.
//!
//! ```no_run
//! use serde::{Deserialize, Serialize};
//! use wasmworker::http;
//!
//! #[derive(Serialize)]
//! struct Charge { cents: u64 }
//! #[derive(Deserialize)]
//! struct Receipt { id: String }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let response = http::post("https://api.example.com/v1/charges")
//!     .header("Authorization", "Bearer {{secret:api-token}}") // the host puts the secret there
//!     .json(&Charge { cents: 500 })?
//!     .send()?;
//! if !response.is_success() {
//!     return Err(format!("the charge was answered with status {}", response.status).into());
//! }
//! let receipt: Receipt = response.json()?;
//! # Ok(())
//! # }
//! ```
//!
//! A status of 400 or more is no error, and neither is a redirect, unless the operator lets the host follow it. There are no cookies, and
//! a compressed body, which only a guest that asks for it gets, arrives compressed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::abi::http as host;
use crate::passthrough::{Errno, Error, Result, exchange};

/// A request, made step by step.
#[derive(Clone, PartialEq, Eq)]
#[must_use = "a request goes nowhere until it is sent"]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    timeout: Option<Duration>,
    body: Vec<u8>,
}

macro_rules! methods {
    ($($name:ident $method:literal;)*) => {
        $(
            #[doc = concat!("A `", $method, "` request. See [`request`].")]
            pub fn $name(url: impl Into<String>) -> Request {
                request($method, url)
            }
        )*
    };
}

methods! {
    get "GET";
    head "HEAD";
    post "POST";
    put "PUT";
    patch "PATCH";
    delete "DELETE";
}

/// A request of any method, whose case matters. The URL is `http` or `https`, has 8 KiB at most, and is ASCII: what is not is
/// percent-encoded by the caller, or `xn--…` in a host's name.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    Request { method: method.into(), url: url.into(), headers: Vec::new(), timeout: None, body: Vec::new() }
}

impl Request {
    /// Adds a header; one name may be added several times. `{{secret:NAME}}` in the value stands for a secret, which the host puts there
    /// if the policy lets this origin have it. Names that the host sets itself, such as `Host` and `Content-Length`, are refused.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Request {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body, which is empty without it. The policy allows 8 MiB by default.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Request {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and the header `Content-Type`.
    ///
    /// # Errors
    ///
    /// [`Errno::EINVAL`]: the value cannot be JSON.
    pub fn json(self, value: &(impl Serialize + ?Sized)) -> Result<Request> {
        let body = crate::passthrough::__encode(value)?;
        Ok(self.header("Content-Type", "application/json").body(body))
    }

    /// Shortens the time for the request as a whole, to a millisecond at least. The operator's policy has a limit of its own, which this
    /// cannot lengthen.
    pub fn timeout(mut self, timeout: Duration) -> Request {
        self.timeout = Some(timeout);
        self
    }

    /// Sends the request, and waits until all of the response is there.
    ///
    /// # Errors
    ///
    /// - [`Errno::EACCES`]: the policy denies it. The message says what would allow it.
    /// - [`Errno::EINVAL`]: the URL, the method or a header is not valid.
    /// - [`Errno::EMSGSIZE`]: a body is above the policy's limits, or the rest of the request has more than 64 KiB.
    /// - [`Errno::ETIMEDOUT`]: it took too long.
    /// - [`Errno::ECANCELED`]: the activity was interrupted.
    /// - [`Errno::EIO`]: the server cannot be reached, or does not answer as HTTP has it.
    ///
    /// A request that failed with one of the last three, with `EMSGSIZE` for its response or with `EACCES` for a redirect, may have been
    /// carried out.
    pub fn send(&self) -> Result<Response> {
        #[derive(Serialize)]
        struct Head<'a> {
            method: &'a str,
            url: &'a str,
            headers: BTreeMap<&'a str, Vec<&'a str>>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timeout_ms: Option<u64>,
        }
        #[derive(Deserialize)]
        struct Answer {
            status: u16,
            #[serde(default)]
            headers: Option<BTreeMap<String, Vec<String>>>,
        }
        let mut headers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in &self.headers {
            headers.entry(name).or_default().push(value);
        }
        // Zero would be no timeout at all.
        let timeout_ms = self.timeout.map(|timeout| timeout.as_millis().clamp(1, i64::MAX as u128) as u64);
        let head = Head { method: &self.method, url: &self.url, headers, timeout_ms };
        let (answer, body): (Answer, _) = exchange(host::send, &head, &self.body)?;
        Ok(Response { status: answer.status, headers: answer.headers.unwrap_or_default(), body })
    }
}

/// It leaves out what may be nobody else's business: the query, the values of headers, the body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let url = self.url.split(['?', '#']).next().unwrap_or_default();
        f.debug_struct("Request").field("method", &self.method).field("url", &url).finish_non_exhaustive()
    }
}

/// What the server answered.
#[derive(Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The status, such as 200.
    pub status: u16,
    /// The headers, by their names in canonical form: `Content-Type`. [`Response::header`] finds one by a name of any form.
    pub headers: BTreeMap<String, Vec<String>>,
    /// The body as it came.
    pub body: Vec<u8>,
}

impl Response {
    /// Whether the status is 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first value of a header, whose name may be in upper and lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.and_then(|(_, values)| values.first()).map(String::as_str)
    }

    /// The body as text.
    ///
    /// # Errors
    ///
    /// [`Errno::EIO`]: it is not UTF-8.
    pub fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.body).map_err(|_| Error::new(Errno::EIO, "the response's body is not UTF-8"))
    }

    /// The body from JSON.
    ///
    /// # Errors
    ///
    /// [`Errno::EIO`]: it is not JSON of this type. The message says where, and nothing of what is there.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|err| {
            let what = if err.is_data() { "is not of the type that was asked for" } else { "is not JSON" };
            Error::new(Errno::EIO, format!("the response's body {what}, at line {} column {}", err.line(), err.column()))
        })
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Response").field("status", &self.status).field("body_bytes", &self.body.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::passthrough::{decode_frame, encode_frame};
    use crate::testing::Env;

    /// Answers with the request's head, and its body.
    fn mirror() -> Env {
        Env::new().passthrough("wasmworker:http/v1", "send", |frame| {
            let (head, body): (Value, _) = decode_frame(frame)?;
            let headers = json!({"Content-Type": ["application/json"], "X-Head": [head.to_string(), "second"]});
            encode_frame(&json!({"status": 201, "headers": headers, "unknown": [1]}), body)
        })
    }

    fn sent(request: &Request) -> (Value, Response) {
        let response = mirror().run(|| request.send()).unwrap();
        (serde_json::from_str(response.header("x-head").unwrap()).unwrap(), response)
    }

    #[test]
    fn requests() {
        let (head, response) = sent(&get("https://a.example/x?y=z"));
        assert_eq!(head, json!({"method": "GET", "url": "https://a.example/x?y=z", "headers": {}}));
        assert!(response.is_success() && response.body.is_empty());
        assert_eq!((response.header("CONTENT-type"), response.header("ETag")), (Some("application/json"), None));

        let request =
            request("PUT", "https://a.example").header("A", "1").header("B", "2").header("A", "3").timeout(Duration::from_millis(1500));
        let (head, response) = sent(&request.json(&["größe"]).unwrap());
        let headers = json!({"A": ["1", "3"], "B": ["2"], "Content-Type": ["application/json"]});
        assert_eq!(head, json!({"method": "PUT", "url": "https://a.example", "headers": headers, "timeout_ms": 1500}));
        assert_eq!(response.json::<Vec<String>>().unwrap(), ["größe"]);
        assert_eq!(response.text().unwrap(), r#"["größe"]"#);
        let (head, _) = sent(&delete("https://a.example").timeout(Duration::from_nanos(1)));
        assert_eq!(head["timeout_ms"], 1);
    }

    #[test]
    fn errors_tell_nothing_of_a_body() {
        let (_, response) = sent(&post("https://a.example").body("\"secret\""));
        let err = response.json::<u8>().unwrap_err();
        assert_eq!(err.to_string(), "EIO: the response's body is not of the type that was asked for, at line 1 column 8");
        let (_, response) = sent(&post("https://a.example").body([b'[', 0xff]));
        assert_eq!(response.json::<Vec<u8>>().unwrap_err().to_string(), "EIO: the response's body is not JSON, at line 1 column 2");
        assert_eq!(response.text().unwrap_err().errno(), Errno::EIO);
        let request = post("https://a.example/x?token=hush").header("Authorization", "hush").body("hush");
        assert_eq!(format!("{request:?} {response:?}").matches("hush").count(), 0);
    }

    #[test]
    fn responses_that_are_no_frames() {
        for bad in [&b""[..], b"\x05\0\0\0{}", b"\x02\0\0\0{]", b"\x02\0\0\0{}", b"\xff\xff\xff\xff"] {
            let env = Env::new().passthrough("wasmworker:http/v1", "send", |_| Ok(bad.to_vec()));
            assert_eq!(env.run(|| get("https://a.example").send()).unwrap_err().errno(), Errno::EIO, "{bad:?}");
        }
        let env = Env::new().passthrough("wasmworker:http/v1", "send", |_| Err(Error::new(Errno::EACCES, "no rule")));
        assert_eq!(env.run(|| get("https://a.example").send()).unwrap_err(), Error::new(Errno::EACCES, "no rule"));
        let env = Env::new().passthrough("wasmworker:http/v1", "send", |_| encode_frame(&json!({"status": 204, "headers": null}), &[]));
        assert_eq!(env.run(|| get("https://a.example").send()).unwrap(), Response { status: 204, ..Response::default() });
    }
}
