#![allow(unsafe_code)]

use super::Buffer;
use crate::Info;
use crate::abi::{activity, log};
use crate::passthrough::{Errno, Error};

pub(crate) use activity::{arg_count, detail_count, heartbeat, status};

// SAFETY, of all that follow: the host writes within the buffer and reads within the slice that it is given, and
// keeps neither.

macro_rules! reading {
    ($($name:ident($($index:ident)?);)*) => {
        $(pub(crate) fn $name($($index: u32,)? dst: &mut Buffer) -> i64 {
            unsafe { activity::$name($($index,)? dst.as_mut_ptr(), dst.len()) }
        })*
    };
}

reading! {
    arg_read(index);
    arg_encoding(index);
    arg_metadata(index);
    info();
    detail_read(index);
    detail_encoding(index);
    last_error();
}

macro_rules! writing {
    ($($name:ident;)*) => {
        $(pub(crate) fn $name(data: &[u8]) -> i64 {
            unsafe { activity::$name(data.as_ptr(), data.len()) }
        })*
    };
}

writing! {
    output_write;
    output_encoding;
    output_metadata;
    fail;
}

pub(crate) fn heartbeat_detail(data: &[u8], encoding: &str) -> i64 {
    unsafe { activity::heartbeat_detail(data.as_ptr(), data.len(), encoding.as_ptr(), encoding.len()) }
}

pub(crate) fn log_write(level: i32, message: &str, attributes: &[u8]) -> i64 {
    unsafe { log::write(level, message.as_ptr(), message.len(), attributes.as_ptr(), attributes.len()) }
}

pub(crate) fn read_info() -> Result<Info, Error> {
    let json = super::read(1024, info)?;
    Ok(Info::from_json(&json).expect("the host tells about the activity in JSON"))
}

/// A function of a host module, as the guest imports it.
pub(crate) type Import = unsafe extern "C" fn(ptr: *const u8, len: usize) -> i64;

/// Gives a request to a function of a host module and fetches its response.
pub(crate) fn passthrough(import: Import, request: &[u8]) -> Result<Vec<u8>, Error> {
    let result = super::check(unsafe { import(request.as_ptr(), request.len()) })?;
    let (handle, size) = ((result >> 32) as u32, result as u32 as usize);
    if handle == 0 {
        return Ok(Vec::new());
    }
    let mut response = Vec::with_capacity(size);
    let outcome = read_response(handle, size, &mut response);
    activity::close(handle);
    outcome.map(|()| response)
}

fn read_response(handle: u32, size: usize, response: &mut Vec<u8>) -> Result<(), Error> {
    while response.len() < size {
        let at = response.len();
        let rest = &mut response.spare_capacity_mut()[..size - at];
        let copied = super::check(unsafe { activity::read(handle, at as u32, rest.as_mut_ptr(), rest.len()) })?;
        if copied == 0 {
            return Err(Error::new(Errno::EIO, format!("the response ends after {at} of {size} bytes")));
        }
        unsafe { response.set_len(at + copied as usize) };
    }
    Ok(())
}

/// Lets a panic end the instance with one line on standard error, whose first line the host makes the failure's message.
/// (The standard library's own first line has the place, but not the message.)
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("a value that is not text");
        let mut line = String::from("panicked");
        if let Some(place) = panic.location() {
            line.push_str(&format!(" at {}:{}:{}", place.file(), place.line(), place.column()));
        }
        line.push(':');
        for part in message.lines() {
            line.push(' ');
            line.push_str(part.trim_ascii());
        }
        line.push('\n');
        write_stderr(line.as_bytes());
    }));
}

#[cfg(target_os = "wasi")]
fn write_stderr(line: &[u8]) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(line);
}

/// The standard library has no standard error for wasm32-unknown-unknown, but the host has.
#[cfg(not(target_os = "wasi"))]
fn write_stderr(line: &[u8]) {
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        fn fd_write(fd: u32, iovs: *const [usize; 2], count: usize, written: *mut usize) -> u32;
    }
    let iov = [line.as_ptr() as usize, line.len()];
    let mut written = 0;
    unsafe { fd_write(2, &iov, 1, &mut written) };
}

unsafe extern "C" {
    /// Made by the linker: calls what is listed in .init_array.
    fn __wasm_call_ctors();
}

/// What makes the module a reactor. Since it refers to `__wasm_call_ctors`, the linker does not wrap each export in
/// calls of the constructors and destructors, as it would for a library that has no such function.
#[unsafe(export_name = "_initialize")]
extern "C" fn initialize() {
    crate::run::install();
    unsafe { __wasm_call_ctors() };
}
