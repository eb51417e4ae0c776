//! Secrets whose values the operator lets this module see: `wasmworker:secret/v1`. Calling [`reveal`] is the request for the grant.
//!
//! Most activities need no value. `{{secret:NAME}}` in a header of [`http`](crate::http) stands for a secret, and the host puts its value
//! there; connections and buckets have theirs from the operator.

use crate::abi::secret as host;
use crate::passthrough::Result;

/// The value of the secret of this name. It belongs into no result, heartbeat and log: Temporal keeps those.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let key = wasmworker::secret::reveal("signing-key")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`Errno::EACCES`](crate::passthrough::Errno::EACCES): the operator's policy does not reveal it, whether there is one of that name or not.
/// - [`Errno::EIO`](crate::passthrough::Errno::EIO): it cannot be read at the moment.
pub fn reveal(name: &str) -> Result<String> {
    crate::config::text(host::reveal(name.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::passthrough::{Errno, Error};
    use crate::testing::Env;

    #[test]
    fn values() {
        let env = Env::new().passthrough("wasmworker:secret/v1", "reveal", |name| match name {
            b"key" => Ok("Schlüssel".into()),
            _ => Err(Error::new(Errno::EACCES, "not revealed")),
        });
        env.run(|| {
            assert_eq!(reveal("key").unwrap(), "Schlüssel");
            assert_eq!(reveal("other").unwrap_err(), Error::new(Errno::EACCES, "not revealed"));
        });
    }
}
