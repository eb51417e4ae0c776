//! Values that the operator gave this module in its configuration: `wasmworker:config/v1`. Calling [`get`] is the request for the grant.

use crate::abi::config as host;
use crate::passthrough::{Errno, Error, Result};

/// The value of this name; `None` if the operator gave none.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limit: u32 = match wasmworker::config::get("limit")? {
///     Some(limit) => limit.parse()?,
///     None => 10,
/// };
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`Errno::EINVAL`]: there is no activity.
pub fn get(name: &str) -> Result<Option<String>> {
    match host::get(name.as_bytes()) {
        Ok(value) => text(value).map(Some),
        Err(err) if err.errno() == Errno::ENOENT => Ok(None),
        Err(err) => Err(err),
    }
}

/// The contract says that values are UTF-8. What they are is not for an error's text.
pub(crate) fn text(value: Vec<u8>) -> Result<String> {
    String::from_utf8(value).map_err(|_| Error::new(Errno::EIO, "the value is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Env;

    #[test]
    fn values() {
        let env = Env::new().passthrough("wasmworker:config/v1", "get", |name| match name {
            b"greeting" => Ok("Grüße".into()),
            b"empty" => Ok(Vec::new()),
            b"broken" => Ok(vec![0xff]),
            b"later" => Err(Error::new(Errno::EIO, "later")),
            _ => Err(Error::new(Errno::ENOENT, "no such value")),
        });
        env.run(|| {
            assert_eq!(get("greeting").unwrap().as_deref(), Some("Grüße"));
            assert_eq!(get("empty").unwrap().as_deref(), Some(""));
            assert_eq!(get("other").unwrap(), None);
            assert_eq!(get("later").unwrap_err().message(), "later");
            assert_eq!(get("broken").unwrap_err().errno(), Errno::EIO);
        });
    }
}
