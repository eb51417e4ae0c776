//! What stands in for the host in a native build: the fake of the `testing` environment that runs, if one does.

use std::cell::RefCell;
use std::rc::Rc;

use super::Buffer;
use crate::Info;
use crate::passthrough::{Errno, Error, Result};
use crate::payload::{JSON, Payload, metadata_json};
use crate::testing::Fake;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Fake>>> = const { RefCell::new(None) };
}

/// Makes a fake the thread's host while the function runs.
pub(crate) fn with<R>(fake: Rc<Fake>, function: impl FnOnce() -> R) -> R {
    struct Restore(Option<Rc<Fake>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(fake)));
    function()
}

fn current() -> Option<Rc<Fake>> {
    CURRENT.with_borrow(Clone::clone)
}

#[track_caller]
fn fake() -> Rc<Fake> {
    current().expect("there is no activity here: tests run activities in a wasmworker::testing::Env")
}

/// As a reading function: the full size, and a copy if it fits.
fn copy(value: &[u8], dst: &mut Buffer) -> i64 {
    if let Some(dst) = dst.get_mut(..value.len()) {
        for (to, from) in dst.iter_mut().zip(value) {
            to.write(*from);
        }
    }
    value.len() as i64
}

fn copy_of(payloads: &[Payload], index: u32, dst: &mut Buffer, part: impl Fn(&Payload) -> Vec<u8>) -> i64 {
    match payloads.get(index as usize) {
        Some(payload) => copy(&part(payload), dst),
        None => fake().refuse(Errno::EINVAL, "there is no such payload"),
    }
}

fn encoding(payload: &Payload) -> Vec<u8> {
    payload.encoding().as_bytes().to_vec()
}

pub(crate) fn arg_count() -> u32 {
    fake().arguments.len() as u32
}

pub(crate) fn arg_read(index: u32, dst: &mut Buffer) -> i64 {
    copy_of(&fake().arguments, index, dst, |payload| payload.data.clone())
}

pub(crate) fn arg_encoding(index: u32, dst: &mut Buffer) -> i64 {
    copy_of(&fake().arguments, index, dst, encoding)
}

pub(crate) fn arg_metadata(index: u32, dst: &mut Buffer) -> i64 {
    copy_of(&fake().arguments, index, dst, |payload| metadata_json(&payload.metadata))
}

pub(crate) fn output_write(data: &[u8]) -> i64 {
    fake().output_write(data)
}

pub(crate) fn output_encoding(encoding: &[u8]) -> i64 {
    fake().output_encoding(encoding)
}

pub(crate) fn output_metadata(metadata: &[u8]) -> i64 {
    fake().output_metadata(metadata)
}

pub(crate) fn fail(failure: &[u8]) -> i64 {
    fake().fail(failure)
}

pub(crate) fn read_info() -> Result<Info> {
    Ok(fake().info.clone())
}

pub(crate) fn status() -> u32 {
    fake().status()
}

pub(crate) fn heartbeat_detail(data: &[u8], encoding: &str) -> i64 {
    let encoding = if encoding.is_empty() { JSON } else { encoding };
    fake().heartbeat_detail(Payload::new(encoding, data))
}

pub(crate) fn heartbeat() -> i64 {
    fake().heartbeat()
}

pub(crate) fn detail_count() -> u32 {
    fake().last_heartbeat.len() as u32
}

pub(crate) fn detail_read(index: u32, dst: &mut Buffer) -> i64 {
    copy_of(&fake().last_heartbeat, index, dst, |payload| payload.data.clone())
}

pub(crate) fn detail_encoding(index: u32, dst: &mut Buffer) -> i64 {
    copy_of(&fake().last_heartbeat, index, dst, encoding)
}

pub(crate) fn last_error(dst: &mut Buffer) -> i64 {
    copy(fake().last_error().as_bytes(), dst)
}

/// Log records of code that is tested without an environment are nobody's.
pub(crate) fn log_write(level: i32, message: &str, attributes: &[u8]) -> i64 {
    current().map_or(0, |fake| fake.log(level, message, attributes))
}

/// The module and the name of a function of a host module.
pub(crate) type Import = (&'static str, &'static str);

pub(crate) fn passthrough((module, function): Import, request: &[u8]) -> std::result::Result<Vec<u8>, Error> {
    fake().passthrough(module, function, request)
}
