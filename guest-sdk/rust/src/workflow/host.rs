//! The functions of the host for workflows, and what stands in for them in a native build.
//! None of them is one of activities: a module that imports both is refused.

#[cfg(target_family = "wasm")]
pub(super) use wasm::*;

#[cfg(not(target_family = "wasm"))]
pub(super) use native::*;

#[cfg(target_family = "wasm")]
#[allow(unsafe_code)]
mod wasm {
    use crate::abi::workflow;

    // SAFETY, of all that follow: the host writes within the buffer and reads within the slice that it is given, and
    // keeps neither. A reading function returns the full size, and has written all of it if it fits.

    /// The frame of this activation.
    pub(crate) fn activation() -> Vec<u8> {
        let mut frame = Vec::with_capacity(2048);
        loop {
            let size = unsafe { workflow::activation(frame.spare_capacity_mut().as_mut_ptr(), frame.capacity()) };
            let Ok(size) = usize::try_from(size) else { panic!("there is no activation: {}", last_error()) };
            if size <= frame.capacity() {
                unsafe { frame.set_len(size) };
                return frame;
            }
            frame.reserve_exact(size);
        }
    }

    pub(crate) fn commands(frame: &[u8]) {
        if unsafe { workflow::commands(frame.as_ptr(), frame.len()) } < 0 {
            panic!("the host refused the commands of the workflow: {}", last_error());
        }
    }

    pub(crate) fn patched(id: &str) -> bool {
        unsafe { workflow::patched(id.as_ptr(), id.len()) != 0 }
    }

    fn last_error() -> String {
        let mut text = Vec::with_capacity(512);
        let size = unsafe { workflow::last_error(text.spare_capacity_mut().as_mut_ptr(), text.capacity()) };
        let size = usize::try_from(size).unwrap_or(0);
        unsafe { text.set_len(if size <= text.capacity() { size } else { 0 }) };
        String::from_utf8_lossy(&text).into_owned()
    }

    /// WASI's own function, for wasm32-unknown-unknown, too: it draws from the run's stream.
    pub(crate) fn random(bytes: &mut [u8]) {
        #[link(wasm_import_module = "wasi_snapshot_preview1")]
        unsafe extern "C" {
            fn random_get(dst: *mut u8, len: usize) -> i32;
        }
        if unsafe { random_get(bytes.as_mut_ptr(), bytes.len()) } != 0 {
            panic!("the host has no random numbers");
        }
    }
}

#[cfg(not(target_family = "wasm"))]
#[allow(clippy::missing_const_for_fn)]
mod native {
    use std::cell::Cell;

    pub(crate) fn activation() -> Vec<u8> {
        panic!("a workflow runs in a host, and there is none in a native build")
    }

    pub(crate) fn commands(_: &[u8]) {}

    pub(crate) fn patched(id: &str) -> bool {
        !id.is_empty()
    }

    pub(crate) fn random(bytes: &mut [u8]) {
        thread_local!(static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) });
        for byte in bytes {
            let mut x = STATE.get();
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            STATE.set(x);
            *byte = (x >> 32) as u8;
        }
    }
}
