//! Frames, activations and commands, as `abi/SPEC.md` has them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::{Failure, FailureKind};
use super::{Execution, History, Info};
use crate::info::parse_time;
use crate::payload::{BINARY, Encoded, JSON, Metadata, MetadataRef};
use crate::{Payload, Priority, RetryPolicy, abi};

const ENCODING: &str = abi::METADATA_ENCODING;

/// An activation, with the body that its payloads are in.
pub(super) fn split(frame: &[u8]) -> (Activation<'_>, &[u8]) {
    let parts = frame.split_first_chunk().and_then(|(size, rest)| rest.split_at_checked(u32::from_le_bytes(*size) as usize));
    let (head, body) = parts.expect("the host's frames are whole");
    match serde_json::from_slice(head) {
        Ok(activation) => (activation, body),
        Err(err) => panic!("the host's activation cannot be read: {err}"),
    }
}

#[derive(Deserialize)]
pub(super) struct Activation<'a> {
    pub(super) now: &'a str,
    #[serde(default)]
    pub(super) history: History,
    #[serde(borrow, default)]
    pub(super) jobs: Vec<Job<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Job<'a> {
    pub(super) job: &'a str,
    #[serde(default)]
    pub(super) id: u64,
    #[serde(default)]
    pub(super) update_id: String,
    #[serde(default)]
    pub(super) name: String,
    #[serde(borrow, default)]
    pub(super) args: Vec<Reference<'a>>,
    #[serde(borrow, default)]
    pub(super) headers: BTreeMap<String, Reference<'a>>,
    #[serde(borrow, default)]
    pub(super) info: Option<Box<WireInfo<'a>>>,
    #[serde(default)]
    pub(super) run_id: String,
    #[serde(borrow, default)]
    pub(super) result: Option<Reference<'a>>,
    #[serde(borrow, default)]
    pub(super) failure: Option<Box<WireFailure<'a>>>,
}

/// A payload in the body of an activation.
#[derive(Deserialize)]
pub(super) struct Reference<'a> {
    #[serde(default)]
    bytes: [usize; 2],
    #[serde(borrow, default)]
    encoding: Option<Cow<'a, str>>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

impl Reference<'_> {
    pub(super) fn payload(self, body: &[u8]) -> Payload {
        let [offset, length] = self.bytes;
        let data = body.get(offset..).and_then(|rest| rest.get(..length)).expect("the host's payloads are in the body");
        let mut metadata = self.metadata.map(|Metadata(metadata)| metadata).unwrap_or_default();
        metadata.insert(ENCODING.to_owned(), self.encoding.as_deref().unwrap_or(JSON).into());
        Payload { data: data.to_vec(), metadata }
    }
}

pub(super) fn payloads(references: Vec<Reference<'_>>, body: &[u8]) -> Vec<Payload> {
    references.into_iter().map(|reference| reference.payload(body)).collect()
}

fn named(references: BTreeMap<String, Reference<'_>>, body: &[u8]) -> BTreeMap<String, Payload> {
    references.into_iter().map(|(name, reference)| (name, reference.payload(body))).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireInfo<'a> {
    workflow_id: String,
    run_id: String,
    first_run_id: String,
    original_run_id: String,
    workflow_type: String,
    task_queue: String,
    namespace: String,
    attempt: u32,
    start_time: String,
    execution_timeout_ms: u64,
    run_timeout_ms: u64,
    task_timeout_ms: u64,
    cron_schedule: String,
    continued_run_id: String,
    parent: Option<Execution>,
    root: Option<Execution>,
    retry_policy: Option<RetryPolicy>,
    priority: Option<Priority>,
    #[serde(borrow)]
    memo: BTreeMap<String, Reference<'a>>,
    #[serde(borrow)]
    search_attributes: BTreeMap<String, WireAttribute<'a>>,
    #[serde(borrow)]
    last_result: Option<Reference<'a>>,
}

#[derive(Deserialize)]
struct WireAttribute<'a> {
    #[serde(borrow, default)]
    value: Option<Reference<'a>>,
}

impl WireInfo<'_> {
    pub(super) fn info(self, headers: BTreeMap<String, Reference<'_>>, body: &[u8]) -> Info {
        let attributes = self.search_attributes.into_iter().filter_map(|(name, attribute)| Some((name, attribute.value?)));
        Info {
            workflow_id: self.workflow_id,
            run_id: self.run_id,
            first_run_id: self.first_run_id,
            original_run_id: self.original_run_id,
            workflow_type: self.workflow_type,
            task_queue: self.task_queue,
            namespace: self.namespace,
            attempt: self.attempt,
            start_time: parse_time(&self.start_time),
            execution_timeout: limit(self.execution_timeout_ms),
            run_timeout: limit(self.run_timeout_ms),
            task_timeout: limit(self.task_timeout_ms),
            cron_schedule: self.cron_schedule,
            continued_run_id: self.continued_run_id,
            parent: self.parent,
            root: self.root,
            retry_policy: self.retry_policy,
            priority: self.priority,
            memo: named(self.memo, body),
            search_attributes: named(attributes.collect(), body),
            headers: named(headers, body),
            last_result: self.last_result.map(|result| result.payload(body)),
        }
    }
}

fn limit(ms: u64) -> Option<Duration> {
    (ms > 0).then(|| Duration::from_millis(ms))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct WireFailure<'a> {
    kind: FailureKind,
    message: String,
    #[serde(rename = "type")]
    error_type: String,
    non_retryable: bool,
    next_retry_delay_ms: u64,
    #[serde(borrow)]
    category: Cow<'a, str>,
    #[serde(borrow)]
    details: Vec<Reference<'a>>,
    stack_trace: String,
    activity_type: String,
    activity_id: String,
    retry_state: String,
    workflow_type: String,
    workflow_id: String,
    run_id: String,
    timeout_type: String,
    #[serde(borrow)]
    cause: Option<Box<WireFailure<'a>>>,
}

impl WireFailure<'_> {
    pub(super) fn failure(self, body: &[u8]) -> Failure {
        Failure {
            kind: self.kind,
            message: self.message,
            error_type: self.error_type,
            non_retryable: self.non_retryable,
            next_retry_delay: limit(self.next_retry_delay_ms),
            benign: self.category == abi::CATEGORY_BENIGN,
            details: payloads(self.details, body),
            stack_trace: self.stack_trace,
            activity_type: self.activity_type,
            activity_id: self.activity_id,
            retry_state: self.retry_state,
            workflow_type: self.workflow_type,
            workflow_id: self.workflow_id,
            run_id: self.run_id,
            timeout_type: self.timeout_type,
            cause: self.cause.map(|cause| Box::new(cause.failure(body))),
        }
    }
}

/// The commands of an activation, on their way out.
#[derive(Default)]
pub(super) struct Commands {
    head: Vec<u8>, // the commands, each with a comma behind it
    body: Vec<u8>,
}

impl Commands {
    pub(super) fn push(&mut self, command: &Command<'_>) {
        serde_json::to_writer(&mut self.head, command).expect("a command is JSON");
        self.head.push(b',');
    }

    /// Puts a command without payloads before all others.
    pub(super) fn push_first(&mut self, command: &Command<'_>) {
        let rest = std::mem::take(&mut self.head);
        self.push(command);
        self.head.extend_from_slice(&rest);
    }

    /// The frame, if there are commands. There are none afterwards.
    pub(super) fn take_frame(&mut self) -> Option<Vec<u8>> {
        self.head.pop()?;
        const OPEN: &[u8] = b"{\"commands\":[";
        const CLOSE: &[u8] = b"]}";
        let size = OPEN.len() + self.head.len() + CLOSE.len();
        let mut frame = Vec::with_capacity(4 + size + self.body.len());
        frame.extend_from_slice(&(size as u32).to_le_bytes());
        for part in [OPEN, &self.head, CLOSE, &self.body] {
            frame.extend_from_slice(part);
        }
        self.head.clear();
        self.body.clear();
        Some(frame)
    }

    pub(super) fn place(&mut self, payload: &Payload) -> Placed {
        let metadata = (payload.metadata.len() > 1 || payload.encoding().is_empty()).then_some(&payload.metadata);
        self.put(&payload.data, payload.encoding(), metadata)
    }

    pub(super) fn place_all(&mut self, payloads: &[Payload]) -> Vec<Placed> {
        payloads.iter().map(|payload| self.place(payload)).collect()
    }

    pub(super) fn place_encoded(&mut self, encoded: &Encoded<'_>) -> Placed {
        self.put(&encoded.data, encoded.encoding, encoded.metadata)
    }

    fn put(&mut self, data: &[u8], encoding: &str, metadata: Option<&BTreeMap<String, Vec<u8>>>) -> Placed {
        let bytes = [self.body.len(), data.len()];
        self.body.extend_from_slice(data);
        let mut others = metadata.cloned().unwrap_or_default();
        others.remove(ENCODING);
        // A payload that says nothing about itself is bytes: without an encoding the host would take it for JSON.
        let encoding = if encoding.is_empty() { BINARY } else { encoding };
        Placed { bytes, encoding: if encoding == JSON { String::new() } else { encoding.to_owned() }, others }
    }

    pub(super) fn place_failure(&mut self, failure: &Failure) -> PlacedFailure {
        PlacedFailure {
            kind: failure.kind,
            message: failure.message.clone(),
            error_type: failure.error_type.clone(),
            non_retryable: failure.non_retryable,
            next_retry_delay_ms: failure.next_retry_delay.map_or(0, milliseconds),
            category: if failure.benign { abi::CATEGORY_BENIGN } else { "" },
            details: self.place_all(&failure.details),
            stack_trace: failure.stack_trace.clone(),
            activity_type: failure.activity_type.clone(),
            activity_id: failure.activity_id.clone(),
            retry_state: failure.retry_state.clone(),
            workflow_type: failure.workflow_type.clone(),
            workflow_id: failure.workflow_id.clone(),
            run_id: failure.run_id.clone(),
            timeout_type: failure.timeout_type.clone(),
            cause: failure.cause.as_ref().map(|cause| Box::new(self.place_failure(cause))),
        }
    }
}

pub(super) fn milliseconds(duration: Duration) -> u64 {
    // A timer must not fire early.
    duration.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(u64::MAX)
}

/// A payload in the body of a frame of commands.
pub(super) struct Placed {
    bytes: [usize; 2],
    encoding: String,
    others: BTreeMap<String, Vec<u8>>,
}

impl Serialize for Placed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Wire<'a> {
            bytes: [usize; 2],
            #[serde(skip_serializing_if = "str::is_empty")]
            encoding: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            metadata: Option<MetadataRef<'a>>,
        }
        let metadata = (!self.others.is_empty()).then_some(MetadataRef(&self.others));
        Wire { bytes: self.bytes, encoding: &self.encoding, metadata }.serialize(serializer)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[derive(Serialize)]
pub(super) struct PlacedFailure {
    #[serde(skip_serializing_if = "is_default")]
    kind: FailureKind,
    message: String,
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    error_type: String,
    #[serde(skip_serializing_if = "is_default")]
    non_retryable: bool,
    #[serde(skip_serializing_if = "is_default")]
    next_retry_delay_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    category: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<Placed>,
    #[serde(skip_serializing_if = "is_default")]
    stack_trace: String,
    #[serde(skip_serializing_if = "is_default")]
    activity_type: String,
    #[serde(skip_serializing_if = "is_default")]
    activity_id: String,
    #[serde(skip_serializing_if = "is_default")]
    retry_state: String,
    #[serde(skip_serializing_if = "is_default")]
    workflow_type: String,
    #[serde(skip_serializing_if = "is_default")]
    workflow_id: String,
    #[serde(skip_serializing_if = "is_default")]
    run_id: String,
    #[serde(skip_serializing_if = "is_default")]
    timeout_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<Box<PlacedFailure>>,
}

#[derive(Default, Serialize)]
pub(super) struct Command<'a> {
    pub(super) command: &'static str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) id: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) update_id: &'a str,
    #[serde(rename = "type", skip_serializing_if = "is_default")]
    pub(super) kind: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) args: Vec<Placed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) options: Option<Options<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ms: Option<u64>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) summary: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) workflow_id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) run_id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) namespace: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) child_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<Placed>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) failure: Option<PlacedFailure>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) details: Vec<Placed>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) memo: BTreeMap<&'a str, Placed>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) search_attributes: BTreeMap<&'a str, SearchAttribute>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) signals: Vec<Handler<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) queries: Vec<Handler<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) updates: Vec<Handler<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
}

#[derive(Serialize)]
pub(super) struct SearchAttribute {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<Placed>,
}

#[derive(Serialize)]
pub(super) struct Handler<'a> {
    pub(super) name: &'a str,
}

/// The options of all that a workflow begins.
#[derive(Default, Serialize)]
pub(super) struct Options<'a> {
    #[serde(skip_serializing_if = "is_default")]
    pub(super) activity_id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) workflow_id: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) namespace: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) task_queue: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) schedule_to_close_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) schedule_to_start_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) start_to_close_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) heartbeat_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) execution_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) run_timeout_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) task_timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry_policy: Option<WireRetryPolicy<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) cancellation_type: &'static str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) disable_eager: bool,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) parent_close_policy: &'static str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) id_reuse_policy: &'static str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) cron_schedule: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) memo: BTreeMap<&'a str, Placed>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) summary: &'a str,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) details: &'a str,
}

#[derive(Serialize)]
pub(super) struct WireRetryPolicy<'a> {
    #[serde(skip_serializing_if = "is_default")]
    initial_interval_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    backoff_coefficient: f64,
    #[serde(skip_serializing_if = "is_default")]
    maximum_interval_ms: u64,
    #[serde(skip_serializing_if = "is_default")]
    maximum_attempts: u32,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    non_retryable_error_types: &'a [String],
}

impl<'a> WireRetryPolicy<'a> {
    pub(super) fn of(policy: &'a RetryPolicy) -> WireRetryPolicy<'a> {
        WireRetryPolicy {
            initial_interval_ms: milliseconds(policy.initial_interval),
            backoff_coefficient: policy.backoff_coefficient,
            maximum_interval_ms: policy.maximum_interval.map_or(0, milliseconds),
            maximum_attempts: policy.maximum_attempts,
            non_retryable_error_types: &policy.non_retryable_error_types,
        }
    }
}
