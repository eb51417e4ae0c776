//! The functions of the host, as `abi/SPEC.md` describes them: the real ones in a WebAssembly build, and those of
//! `testing` in any other. A result of type `i64` is negative for an error.

use std::mem::MaybeUninit;

use crate::passthrough::{Errno, Error};

#[cfg(target_family = "wasm")]
mod wasm;
#[cfg(target_family = "wasm")]
pub(crate) use wasm::*;

#[cfg(not(target_family = "wasm"))]
pub(crate) mod native;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;

/// Where a reading function writes to.
pub(crate) type Buffer = [MaybeUninit<u8>];

/// Calls a reading function with a buffer of a likely size, and again with a larger one if the value does not fit.
#[allow(unsafe_code)]
pub(crate) fn read(likely: usize, mut function: impl FnMut(&mut Buffer) -> i64) -> Result<Vec<u8>, Error> {
    let mut value = Vec::with_capacity(likely);
    loop {
        let size = check(function(value.spare_capacity_mut()))? as usize;
        if size <= value.capacity() {
            // SAFETY: a reading function returns the full size, and has written all of it if it fits.
            unsafe { value.set_len(size) };
            return Ok(value);
        }
        value.reserve_exact(size);
    }
}

/// As `read`, for text. The contract says that all text is UTF-8.
pub(crate) fn read_text(likely: usize, function: impl FnMut(&mut Buffer) -> i64) -> Result<String, Error> {
    let text = read(likely, function)?;
    Ok(String::from_utf8(text).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
}

/// Makes an error of a negative result.
pub(crate) fn check(result: i64) -> Result<u64, Error> {
    u64::try_from(result).map_err(|_| {
        let message = if last_error(&mut []) > 0 { read_text(256, last_error).unwrap_or_default() } else { String::new() };
        Error::new(Errno((-result) as i32), message)
    })
}
