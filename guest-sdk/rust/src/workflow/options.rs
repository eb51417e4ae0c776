use std::collections::BTreeMap;
use std::time::Duration;

use super::wire::{Commands, Options, Placed, WireRetryPolicy, milliseconds};
use crate::payload::Encoded;
use crate::{Output, Payload, RetryPolicy};

/// What becomes of an activity or a child workflow of which the cancellation is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancellationType {
    /// It is asked for, and the workflow sees it as canceled at once.
    #[default]
    TryCancel,
    /// It is asked for, and the workflow waits until it has ended.
    Wait,
    /// It is asked for, and the workflow waits until the child was told. (Child workflows alone.)
    WaitRequested,
    /// It is left alone, and the workflow sees it as canceled.
    Abandon,
}

impl CancellationType {
    fn wire(self) -> &'static str {
        match self {
            CancellationType::TryCancel => "",
            CancellationType::Wait => "wait",
            CancellationType::WaitRequested => "wait_requested",
            CancellationType::Abandon => "abandon",
        }
    }
}

/// What becomes of a child workflow when its parent ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParentClosePolicy {
    /// It is terminated.
    #[default]
    Terminate,
    /// It goes on.
    Abandon,
    /// It is asked to cancel.
    RequestCancel,
}

/// Whether a workflow ID may be used again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkflowIdReusePolicy {
    /// Once the workflow of that ID has ended.
    #[default]
    AllowDuplicate,
    /// If the workflow of that ID did not complete.
    AllowDuplicateFailedOnly,
    /// Never.
    RejectDuplicate,
}

macro_rules! setters {
    ($($(#[doc = $doc:literal])* $field:ident: $type:ty;)*) => {
        $($(#[doc = $doc])*
        pub fn $field(mut self, $field: $type) -> Self {
            self.$field = $field.into();
            self
        })*
    };
}

/// How an activity is executed. [`ActivityOptions::start_to_close`] or [`ActivityOptions::schedule_to_close`] begins them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ActivityOptions {
    activity_id: String,
    task_queue: String,
    schedule_to_close_timeout: Option<Duration>,
    schedule_to_start_timeout: Option<Duration>,
    start_to_close_timeout: Option<Duration>,
    heartbeat_timeout: Option<Duration>,
    retry_policy: Option<RetryPolicy>,
    cancellation_type: CancellationType,
    summary: String,
}

impl ActivityOptions {
    /// With a limit for each attempt.
    pub fn start_to_close(timeout: Duration) -> ActivityOptions {
        ActivityOptions { start_to_close_timeout: Some(timeout), ..ActivityOptions::default() }
    }

    /// With a limit for all attempts together.
    pub fn schedule_to_close(timeout: Duration) -> ActivityOptions {
        ActivityOptions { schedule_to_close_timeout: Some(timeout), ..ActivityOptions::default() }
    }

    setters! {
        /// The ID of the activity; Temporal chooses one otherwise.
        activity_id: impl Into<String>;
        /// The task queue; that of the workflow otherwise.
        task_queue: impl Into<String>;
        /// The limit for each attempt.
        start_to_close_timeout: Duration;
        /// The limit for all attempts together.
        schedule_to_close_timeout: Duration;
        /// The limit for waiting for a worker.
        schedule_to_start_timeout: Duration;
        /// The longest time between two heartbeats.
        heartbeat_timeout: Duration;
        /// How Temporal tries again.
        retry_policy: RetryPolicy;
        /// What a cancellation does. The default is [`CancellationType::TryCancel`].
        cancellation_type: CancellationType;
        /// A line for people.
        summary: impl Into<String>;
    }

    pub(super) fn wire(&self) -> Options<'_> {
        Options {
            activity_id: &self.activity_id,
            task_queue: &self.task_queue,
            schedule_to_close_timeout_ms: limit(self.schedule_to_close_timeout),
            schedule_to_start_timeout_ms: limit(self.schedule_to_start_timeout),
            start_to_close_timeout_ms: limit(self.start_to_close_timeout),
            heartbeat_timeout_ms: limit(self.heartbeat_timeout),
            retry_policy: self.retry_policy.as_ref().map(WireRetryPolicy::of),
            cancellation_type: self.cancellation_type.wire(),
            summary: &self.summary,
            ..Options::default()
        }
    }
}

/// How a local activity is executed: on the same worker, within the workflow task.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalActivityOptions {
    schedule_to_close_timeout: Option<Duration>,
    start_to_close_timeout: Option<Duration>,
    retry_policy: Option<RetryPolicy>,
    summary: String,
}

impl LocalActivityOptions {
    /// With a limit for each attempt.
    pub fn start_to_close(timeout: Duration) -> LocalActivityOptions {
        LocalActivityOptions { start_to_close_timeout: Some(timeout), ..LocalActivityOptions::default() }
    }

    /// With a limit for all attempts together.
    pub fn schedule_to_close(timeout: Duration) -> LocalActivityOptions {
        LocalActivityOptions { schedule_to_close_timeout: Some(timeout), ..LocalActivityOptions::default() }
    }

    setters! {
        /// The limit for each attempt.
        start_to_close_timeout: Duration;
        /// The limit for all attempts together.
        schedule_to_close_timeout: Duration;
        /// How it is tried again.
        retry_policy: RetryPolicy;
        /// A line for people.
        summary: impl Into<String>;
    }

    pub(super) fn wire(&self) -> Options<'_> {
        Options {
            schedule_to_close_timeout_ms: limit(self.schedule_to_close_timeout),
            start_to_close_timeout_ms: limit(self.start_to_close_timeout),
            retry_policy: self.retry_policy.as_ref().map(WireRetryPolicy::of),
            summary: &self.summary,
            ..Options::default()
        }
    }
}

/// How a child workflow is executed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChildWorkflowOptions {
    pub(super) workflow_id: String,
    namespace: String,
    task_queue: String,
    execution_timeout: Option<Duration>,
    run_timeout: Option<Duration>,
    task_timeout: Option<Duration>,
    retry_policy: Option<RetryPolicy>,
    parent_close_policy: ParentClosePolicy,
    cancellation_type: CancellationType,
    id_reuse_policy: WorkflowIdReusePolicy,
    cron_schedule: String,
    memo: BTreeMap<String, Payload>,
    summary: String,
    details: String,
}

impl ChildWorkflowOptions {
    setters! {
        /// The ID of the child; otherwise that of this run with a number.
        workflow_id: impl Into<String>;
        /// The namespace; that of this workflow otherwise.
        namespace: impl Into<String>;
        /// The task queue; that of this workflow otherwise.
        task_queue: impl Into<String>;
        /// The limit for all runs together.
        execution_timeout: Duration;
        /// The limit for one run.
        run_timeout: Duration;
        /// The limit for a workflow task.
        task_timeout: Duration;
        /// How Temporal tries again.
        retry_policy: RetryPolicy;
        /// What becomes of it when this workflow ends. The default is [`ParentClosePolicy::Terminate`].
        parent_close_policy: ParentClosePolicy;
        /// What a cancellation does. The default is [`CancellationType::TryCancel`].
        cancellation_type: CancellationType;
        /// Whether the ID may be used again. The default is [`WorkflowIdReusePolicy::AllowDuplicate`].
        id_reuse_policy: WorkflowIdReusePolicy;
        /// When it is run again and again.
        cron_schedule: impl Into<String>;
        /// A line for people.
        summary: impl Into<String>;
        /// Text for people.
        details: impl Into<String>;
    }

    /// Adds a field to its memo. One that cannot be JSON is left out.
    pub fn memo(mut self, name: impl Into<String>, value: &(impl Output + ?Sized)) -> Self {
        if let Ok(Some(encoded)) = value.encode() {
            self.memo.insert(name.into(), Encoded::into_payload(encoded));
        }
        self
    }

    pub(super) fn wire(&self, commands: &mut Commands) -> Options<'_> {
        Options {
            workflow_id: &self.workflow_id,
            namespace: &self.namespace,
            task_queue: &self.task_queue,
            execution_timeout_ms: limit(self.execution_timeout),
            run_timeout_ms: limit(self.run_timeout),
            task_timeout_ms: limit(self.task_timeout),
            retry_policy: self.retry_policy.as_ref().map(WireRetryPolicy::of),
            parent_close_policy: match self.parent_close_policy {
                ParentClosePolicy::Terminate => "",
                ParentClosePolicy::Abandon => "abandon",
                ParentClosePolicy::RequestCancel => "request_cancel",
            },
            cancellation_type: self.cancellation_type.wire(),
            id_reuse_policy: match self.id_reuse_policy {
                WorkflowIdReusePolicy::AllowDuplicate => "",
                WorkflowIdReusePolicy::AllowDuplicateFailedOnly => "allow_duplicate_failed_only",
                WorkflowIdReusePolicy::RejectDuplicate => "reject_duplicate",
            },
            cron_schedule: &self.cron_schedule,
            memo: self.memo.iter().map(|(name, payload)| (&**name, commands.place(payload))).collect::<BTreeMap<_, Placed>>(),
            summary: &self.summary,
            details: &self.details,
            ..Options::default()
        }
    }
}

pub(super) fn limit(timeout: Option<Duration>) -> u64 {
    timeout.map_or(0, milliseconds)
}
