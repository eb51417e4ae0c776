//! Calls of host modules that an operator has granted to a WebAssembly module. The macro [`passthrough!`](crate::passthrough!)
//! declares their functions. Those that come with wasmworker are declared already: [`http`](crate::http), [`config`](crate::config),
//! [`secret`](crate::secret), [`sql`](crate::sql) and [`blob`](crate::blob).

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a function of a host module returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a function of the host did not do what it was asked to: a number of WASI preview 1.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Errno(pub i32);

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a function of a host module did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    errno: Errno,
    message: String,
}

impl Error {
    /// An error as a host module would give it; of use in tests.
    pub fn new(errno: Errno, message: impl Into<String>) -> Error {
        Error { errno, message: message.into() }
    }

    /// The number to compare with. What is not JSON as it should be is [`Errno::EINVAL`] in a request and
    /// [`Errno::EIO`] in a response.
    pub fn errno(&self) -> Errno {
        self.errno
    }

    /// The host's sentence; may be empty.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.errno.fmt(f)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}

impl std::error::Error for Error {}

/// For readers and writers. None becomes [`Interrupted`](std::io::ErrorKind::Interrupted), after which many would try again.
impl From<Error> for std::io::Error {
    fn from(err: Error) -> std::io::Error {
        use std::io::ErrorKind;
        let kind = match err.errno {
            Errno::ENOENT => ErrorKind::NotFound,
            Errno::EEXIST => ErrorKind::AlreadyExists,
            Errno::EACCES | Errno::EPERM | Errno::ENOTCAPABLE => ErrorKind::PermissionDenied,
            Errno::EINVAL => ErrorKind::InvalidInput,
            Errno::ETIMEDOUT => ErrorKind::TimedOut,
            Errno::ENOSYS | Errno::ENOTSUP => ErrorKind::Unsupported,
            _ => ErrorKind::Other,
        };
        std::io::Error::new(kind, err)
    }
}

/// Makes a frame, as many host modules exchange them: the length of the head in 4 bytes, little-endian, the head as JSON,
/// and the body as it is.
///
/// # Errors
///
/// [`Errno::EINVAL`]: the head cannot be JSON.
pub fn encode_frame(head: &(impl Serialize + ?Sized), body: &[u8]) -> Result<Vec<u8>> {
    let mut frame = Vec::with_capacity(256 + body.len());
    frame.extend_from_slice(&[0; 4]);
    serde_json::to_writer(&mut frame, head).map_err(|err| Error::new(Errno::EINVAL, format!("the request cannot be encoded: {err}")))?;
    let size = (frame.len() - 4) as u32; // a guest has no more memory than that
    frame[..4].copy_from_slice(&size.to_le_bytes());
    frame.extend_from_slice(body);
    Ok(frame)
}

/// The head and the body of a frame.
///
/// # Errors
///
/// [`Errno::EIO`]: it is no frame, or its head is not JSON of this type. The message has nothing of what is in it.
pub fn decode_frame<H: DeserializeOwned>(frame: &[u8]) -> Result<(H, &[u8])> {
    let bad = || Error::new(Errno::EIO, "the response is not a frame");
    let (size, rest) = frame.split_first_chunk().ok_or_else(bad)?;
    let (head, body) = rest.split_at_checked(u32::from_le_bytes(*size) as usize).ok_or_else(bad)?;
    let head = serde_json::from_slice(head).map_err(|err| {
        let message = format!("the head of the response cannot be decoded, at line {} column {}", err.line(), err.column());
        Error::new(Errno::EIO, message)
    })?;
    Ok((head, body))
}

/// Sends a frame, and takes one for a response.
pub(crate) fn exchange<H: DeserializeOwned>(
    function: fn(&[u8]) -> Result<Vec<u8>>,
    head: &impl Serialize,
    body: &[u8],
) -> Result<(H, Vec<u8>)> {
    let mut response = function(&encode_frame(head, body)?)?;
    let (head, rest) = decode_frame(&response)?;
    response.drain(..response.len() - rest.len());
    Ok((head, response))
}

/// Sends a frame to a function whose response is empty.
pub(crate) fn tell(function: fn(&[u8]) -> Result<Vec<u8>>, head: &impl Serialize, body: &[u8]) -> Result<()> {
    function(&encode_frame(head, body)?).map(drop)
}

/// Declares functions of a host module, as an `extern` block would. They import what they call, and the import is the
/// guest's request for the operator's grant.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use wasmworker::passthrough;
///
/// #[derive(Serialize)]
/// pub struct Place<'a> { city: &'a str }
///
/// #[derive(Deserialize)]
/// pub struct Forecast { celsius: f64 }
///
/// passthrough! {
///     "wasmworker:weather/v1" {
///         /// A request and a response in JSON.
///         pub fn forecast(place: &Place<'_>) -> passthrough::Result<Forecast>;
///         /// A request and a response of bytes, exactly as written here.
///         fn render(request: &[u8]) -> passthrough::Result<Vec<u8>>;
///         /// A request in JSON, and a response of bytes.
///         fn map(place: &Place<'_>) -> passthrough::Result<wasmworker::Bytes>;
///         /// An empty request, and a response in JSON.
///         fn cities() -> passthrough::Result<Vec<String>>;
///     }
/// }
/// ```
///
/// Of a request that is not `&[u8]`, a response of bytes is [`Bytes`](crate::Bytes): a `Vec<u8>` would be an array in JSON.
/// A response that is empty is read as the JSON `null`, so that it may be a `()` or a `None`. A call waits until the host
/// answers, or interrupts the activity. In tests, which run without a host, [`testing::Env::passthrough`] stands in for the module.
///
/// [`testing::Env::passthrough`]: crate::testing::Env::passthrough
#[macro_export]
macro_rules! passthrough {
    ($module:literal { $($functions:tt)* }) => {
        $crate::__passthrough! { $module $($functions)* }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __passthrough {
    ($module:literal) => {};
    ($module:literal $(#[$meta:meta])* $vis:vis fn $name:ident() -> $ret:ty; $($rest:tt)*) => {
        $(#[$meta])*
        $vis fn $name() -> $ret {
            $crate::passthrough::__decode($crate::__import!($module, $name, &[]))
        }
        $crate::__passthrough! { $module $($rest)* }
    };
    ($module:literal $(#[$meta:meta])* $vis:vis fn $name:ident($request:ident: &[u8] $(,)?) -> $ret:ty; $($rest:tt)*) => {
        $(#[$meta])*
        $vis fn $name($request: &[u8]) -> $ret {
            $crate::__import!($module, $name, $request)
        }
        $crate::__passthrough! { $module $($rest)* }
    };
    ($module:literal $(#[$meta:meta])* $vis:vis fn $name:ident($request:ident: $type:ty $(,)?) -> $ret:ty; $($rest:tt)*) => {
        $(#[$meta])*
        $vis fn $name($request: $type) -> $ret {
            let request = $crate::passthrough::__encode(&$request)?;
            $crate::passthrough::__decode($crate::__import!($module, $name, &request))
        }
        $crate::__passthrough! { $module $($rest)* }
    };
}

#[doc(hidden)]
#[macro_export]
#[cfg(target_family = "wasm")]
macro_rules! __import {
    ($module:literal, $name:ident, $request:expr) => {{
        #[link(wasm_import_module = $module)]
        unsafe extern "C" {
            fn $name(ptr: *const u8, len: usize) -> i64;
        }
        $crate::passthrough::__call($name, $request)
    }};
}

#[doc(hidden)]
#[macro_export]
#[cfg(not(target_family = "wasm"))]
macro_rules! __import {
    ($module:literal, $name:ident, $request:expr) => {
        $crate::passthrough::__call(($module, stringify!($name)), $request)
    };
}

#[doc(hidden)]
pub fn __call(import: crate::host::Import, request: &[u8]) -> Result<Vec<u8>> {
    crate::host::passthrough(import, request)
}

#[doc(hidden)]
pub fn __encode(request: &(impl Serialize + ?Sized)) -> Result<Vec<u8>> {
    serde_json::to_vec(request).map_err(|err| Error::new(Errno::EINVAL, format!("the request cannot be encoded: {err}")))
}

#[doc(hidden)]
pub fn __decode<T: FromResponse>(response: Result<Vec<u8>>) -> Result<T> {
    T::from_response(response?)
}

/// What a response can be: [`Bytes`](crate::Bytes) as it is, and everything else from JSON.
#[doc(hidden)]
pub trait FromResponse: Sized {
    fn from_response(response: Vec<u8>) -> Result<Self>;
}

impl FromResponse for crate::Bytes {
    fn from_response(response: Vec<u8>) -> Result<Self> {
        Ok(crate::Bytes(response))
    }
}

impl<T: DeserializeOwned> FromResponse for T {
    fn from_response(response: Vec<u8>) -> Result<Self> {
        let json = if response.is_empty() { b"null" } else { &response[..] };
        serde_json::from_slice(json).map_err(|err| Error::new(Errno::EIO, format!("the response cannot be decoded: {err}")))
    }
}
