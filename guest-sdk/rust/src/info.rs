// A native build only has the fake of `testing`, which needs no JSON.
#![cfg_attr(not(target_family = "wasm"), allow(dead_code))]

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer};

/// What is known about the attempt that runs. See [`info`](crate::info).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Info {
    /// The activity's ID.
    pub activity_id: String,
    /// The activity's type, by which a workflow calls it.
    pub activity_type: String,
    /// 1 for the first attempt, 2 for the next.
    pub attempt: u32,
    /// The activity's namespace.
    pub namespace: String,
    /// The task queue that the activity came from.
    pub task_queue: String,
    /// The workflow that started the activity; `None` for a standalone activity.
    pub workflow: Option<WorkflowInfo>,
    /// The run ID of a standalone activity; empty otherwise.
    pub activity_run_id: String,
    /// Whether it is a local activity.
    pub is_local_activity: bool,
    /// The longest time between two heartbeats; `None` for no limit.
    pub heartbeat_timeout: Option<Duration>,
    /// The limit for this attempt; `None` for no limit.
    pub start_to_close_timeout: Option<Duration>,
    /// The limit for all attempts together; `None` for no limit.
    pub schedule_to_close_timeout: Option<Duration>,
    /// When the activity was scheduled.
    pub scheduled_time: Option<SystemTime>,
    /// When this attempt started.
    pub started_time: Option<SystemTime>,
    /// When this attempt times out; `None` for never.
    pub deadline: Option<SystemTime>,
    /// The retry policy, if the server sent one.
    pub retry_policy: Option<RetryPolicy>,
    /// The priority, if the server sent one.
    pub priority: Option<Priority>,
}

/// The workflow that started an activity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkflowInfo {
    /// The workflow's ID.
    pub id: String,
    /// The ID of its run.
    pub run_id: String,
    /// Its type.
    pub workflow_type: String,
}

/// How Temporal tries an activity again.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The delay before the second attempt.
    #[serde(rename = "initial_interval_ms", deserialize_with = "duration")]
    pub initial_interval: Duration,
    /// What each further delay is multiplied by.
    pub backoff_coefficient: f64,
    /// The longest delay; `None` for no limit.
    #[serde(rename = "maximum_interval_ms", deserialize_with = "limit")]
    pub maximum_interval: Option<Duration>,
    /// The most attempts; 0 for no limit.
    pub maximum_attempts: u32,
    /// Types of failures that are not retried.
    pub non_retryable_error_types: Vec<String>,
}

/// In which order Temporal hands out activities.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Priority {
    /// A lower number comes first; 0 is the server's default.
    pub priority_key: i32,
    /// Activities of different keys take turns.
    pub fairness_key: String,
    /// The share of the key.
    pub fairness_weight: f32,
}

/// `Info` as the host writes it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Wire<'a> {
    activity_id: String,
    activity_type: String,
    attempt: u32,
    namespace: String,
    task_queue: String,
    workflow_id: String,
    workflow_run_id: String,
    workflow_type: String,
    activity_run_id: String,
    is_local_activity: bool,
    heartbeat_timeout_ms: i64,
    start_to_close_timeout_ms: i64,
    schedule_to_close_timeout_ms: i64,
    #[serde(borrow)]
    scheduled_time: &'a str,
    started_time: &'a str,
    deadline: &'a str,
    retry_policy: Option<RetryPolicy>,
    priority: Option<Priority>,
}

impl Info {
    pub(crate) fn from_json(json: &[u8]) -> serde_json::Result<Info> {
        let wire: Wire<'_> = serde_json::from_slice(json)?;
        let limit = |ms: i64| Some(milliseconds(ms)).filter(|limit| !limit.is_zero());
        Ok(Info {
            workflow: (!wire.workflow_id.is_empty()).then_some(WorkflowInfo {
                id: wire.workflow_id,
                run_id: wire.workflow_run_id,
                workflow_type: wire.workflow_type,
            }),
            activity_id: wire.activity_id,
            activity_type: wire.activity_type,
            attempt: wire.attempt,
            namespace: wire.namespace,
            task_queue: wire.task_queue,
            activity_run_id: wire.activity_run_id,
            is_local_activity: wire.is_local_activity,
            heartbeat_timeout: limit(wire.heartbeat_timeout_ms),
            start_to_close_timeout: limit(wire.start_to_close_timeout_ms),
            schedule_to_close_timeout: limit(wire.schedule_to_close_timeout_ms),
            scheduled_time: parse_time(wire.scheduled_time),
            started_time: parse_time(wire.started_time),
            deadline: parse_time(wire.deadline),
            retry_policy: wire.retry_policy,
            priority: wire.priority,
        })
    }
}

fn milliseconds(ms: i64) -> Duration {
    Duration::from_millis(ms.try_into().unwrap_or(0))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    i64::deserialize(deserializer).map(milliseconds)
}

/// Zero is no limit.
fn limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Some(duration(deserializer)?).filter(|limit| !limit.is_zero()))
}

/// Reads a time of RFC 3339 in UTC. Times before 1970 are none: the host has no use for them but Go's zero time.
pub(crate) fn parse_time(text: &str) -> Option<SystemTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years from March to February end with the leap day, which makes the days before a month a simple function.
    let (y, m) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
    let nanos = fraction.bytes().chain(std::iter::repeat(b'0')).take(9);
    let mut nanos = nanos.map(|digit| digit.is_ascii_digit().then(|| u32::from(digit - b'0')));
    let nanos = nanos.try_fold(0, |nanos, digit| Some(nanos * 10 + digit?))?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let mut numbers = text.split(separator).map(|number| {
        // `parse` would take a sign.
        if number.bytes().all(|c| c.is_ascii_digit()) { number.parse().ok() } else { None }
    });
    let found = [numbers.next()??, numbers.next()??, numbers.next()??];
    numbers.next().is_none().then_some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let seconds = |text| parse_time(text).map(|time| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(seconds("2026-01-02T15:04:05.125Z"), Some(1_767_366_245.125));
        assert_eq!(seconds("2024-02-29T23:59:59Z"), Some(1_709_251_199.0));
        assert_eq!(seconds("2000-03-01T00:00:00.5Z"), Some(951_868_800.5));
        for bad in [
            "",
            "0001-01-01T00:00:00Z",
            "2026-01-02",
            "2026-01-02T15:04:05",
            "2026-+1-02T15:04:05Z",
            "2026-13-02T15:04:05Z",
            "2026-01-02T15:04:05.xZ",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_example_of_the_contract() {
        let info = Info::from_json(
            br#"{
              "activity_id": "5", "activity_type": "Greet", "attempt": 1, "namespace": "default", "task_queue": "wasmworker",
              "workflow_type": "Order", "workflow_id": "order-17", "workflow_run_id": "0197", "activity_run_id": "",
              "is_local_activity": false, "new_field": [{}],
              "heartbeat_timeout_ms": 30000, "start_to_close_timeout_ms": 60000, "schedule_to_close_timeout_ms": 0,
              "scheduled_time": "2026-01-02T15:04:05.123Z", "deadline": "2026-01-02T15:05:05.123Z",
              "retry_policy": {"initial_interval_ms": 1000, "backoff_coefficient": 2, "maximum_interval_ms": 100000,
                               "maximum_attempts": 3, "non_retryable_error_types": ["BadOrder"]},
              "priority": {"priority_key": 1, "fairness_key": "tenant-a", "fairness_weight": 1}
            }"#,
        )
        .unwrap();
        assert_eq!(info.attempt, 1);
        assert_eq!(info.heartbeat_timeout, Some(Duration::from_secs(30)));
        assert_eq!(info.schedule_to_close_timeout, None);
        assert_eq!(info.started_time, None);
        assert_eq!(info.deadline.unwrap().duration_since(info.scheduled_time.unwrap()).unwrap(), Duration::from_secs(60));
        assert_eq!(info.workflow.unwrap().workflow_type, "Order");
        assert_eq!(info.retry_policy.unwrap().maximum_interval, Some(Duration::from_secs(100)));
        assert_eq!(info.priority.unwrap().fairness_key, "tenant-a");
    }

    #[test]
    fn standalone() {
        let info = Info::from_json(br#"{"activity_id": "5", "attempt": 2, "activity_run_id": "r"}"#).unwrap();
        assert_eq!((info.workflow, info.attempt, &*info.activity_run_id), (None, 2, "r"));
    }
}
