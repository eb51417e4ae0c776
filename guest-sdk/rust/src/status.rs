use std::fmt;

use crate::abi::{CANCEL_REQUESTED, FLAGS_END, GONE, PAUSED, RESET, WORKER_STOPPING};

/// What is asked of the activity. See [`status`](crate::status).
///
/// Once something is asked, it stays. The host learns of all but [`worker_stopping`](Status::worker_stopping) from
/// heartbeats, its own or the activity's.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Status(pub(crate) u32);

impl Status {
    /// Somebody asked Temporal to cancel the activity.
    pub fn cancel_requested(self) -> bool {
        self.0 & CANCEL_REQUESTED != 0
    }

    /// The worker is shutting down. The attempt may go on for as long as the operator's graceful timeout.
    pub fn worker_stopping(self) -> bool {
        self.0 & WORKER_STOPPING != 0
    }

    /// An operator paused the activity.
    pub fn paused(self) -> bool {
        self.0 & PAUSED != 0
    }

    /// An operator reset the activity: its next attempt begins anew.
    pub fn reset(self) -> bool {
        self.0 & RESET != 0
    }

    /// Temporal does not wait for this attempt any more, because it has timed out or its workflow has ended. Whatever it
    /// returns is dropped.
    pub fn gone(self) -> bool {
        self.0 & GONE != 0
    }

    /// Whether the attempt has to end: all but a worker that is shutting down. The host interrupts an activity that goes
    /// on for longer than the operator's grace period.
    pub fn must_end(self) -> bool {
        self.0 & FLAGS_END != 0
    }

    /// Whether nothing is asked.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (CANCEL_REQUESTED, "cancel_requested"),
            (WORKER_STOPPING, "worker_stopping"),
            (PAUSED, "paused"),
            (RESET, "reset"),
            (GONE, "gone"),
        ];
        f.debug_set()
            .entries(names.iter().filter(|(flag, _)| self.0 & flag != 0).map(|(_, name)| format_args!("{name}").to_string()))
            .finish()
    }
}
