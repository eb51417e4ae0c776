"""What a run is told of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from wasmworker import _run
from wasmworker._workflow import _wire
from wasmworker.common import (
    Payload,
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

if TYPE_CHECKING:
    from wasmworker._workflow._run import Run


@dataclass(frozen=True)
class ParentInfo:
    """The workflow that has started this one as its child."""

    namespace: str
    run_id: str
    workflow_id: str


@dataclass(frozen=True)
class RootInfo:
    """The first of the workflows that have started each other."""

    run_id: str
    workflow_id: str


@dataclass(frozen=True)
class Info:
    """What is known of the run. What does not apply is None."""

    attempt: int
    continued_run_id: str | None
    cron_schedule: str | None
    execution_timeout: timedelta | None
    first_execution_run_id: str
    headers: Mapping[str, Payload]
    namespace: str
    original_execution_run_id: str
    parent: ParentInfo | None
    root: RootInfo | None
    priority: Priority
    raw_memo: Mapping[str, Payload]
    retry_policy: RetryPolicy | None
    run_id: str
    run_timeout: timedelta | None
    start_time: datetime
    task_queue: str
    task_timeout: timedelta
    workflow_id: str
    workflow_start_time: datetime
    workflow_type: str
    last_result: Payload | None = field(repr=False, default=None)
    """The result of the run before, of a schedule or of cron."""

    @property
    def search_attributes(self) -> Mapping[str, Sequence[Any]]:
        """The search attributes as they are now, each as a list."""
        values = _current().search_attributes
        return {k: v.value if isinstance(v.value, list) else [v.value] for k, v in values.items()}

    @property
    def typed_search_attributes(self) -> TypedSearchAttributes:
        """The search attributes as they are now."""
        return TypedSearchAttributes(list(_current().search_attributes.values()))

    def get_current_history_length(self) -> int:
        """How many events the history has."""
        return int(_current().activation.history.get("length", 0))

    def get_current_history_size(self) -> int:
        """How many bytes the history has."""
        return int(_current().activation.history.get("size", 0))

    def is_continue_as_new_suggested(self) -> bool:
        """Whether the history is so long that the workflow should continue as new."""
        return bool(_current().activation.history.get("continue_as_new_suggested", False))


def _current() -> Run:
    from wasmworker._workflow._run import current

    return current()


def make(run: Run, job: Mapping[str, Any]) -> Info:
    i = job.get("info") or {}
    activation = run.activation
    run.memo = {k: activation.payload(p) for k, p in (i.get("memo") or {}).items()}
    run.search_attributes = _attributes(run, i.get("search_attributes") or {})
    parent, root, policy, priority = (
        i.get(name) for name in ("parent", "root", "retry_policy", "priority")
    )
    started = _wire.time(i["start_time"]) if i.get("start_time") else run.now
    last = i.get("last_result")
    return Info(
        attempt=i.get("attempt", 1),
        continued_run_id=i.get("continued_run_id") or None,
        cron_schedule=i.get("cron_schedule") or None,
        execution_timeout=_run._duration(i.get("execution_timeout_ms")),
        first_execution_run_id=i.get("first_run_id", ""),
        headers={k: activation.payload(p) for k, p in (job.get("headers") or {}).items()},
        namespace=i.get("namespace", ""),
        original_execution_run_id=i.get("original_run_id", ""),
        parent=ParentInfo(
            parent.get("namespace", ""), parent.get("run_id", ""), parent.get("workflow_id", "")
        )
        if parent
        else None,
        root=RootInfo(root.get("run_id", ""), root.get("workflow_id", "")) if root else None,
        priority=_run._priority(priority) if priority else Priority.default,
        raw_memo=run.memo,
        retry_policy=_run._retry_policy(policy) if policy else None,
        run_id=i.get("run_id", ""),
        run_timeout=_run._duration(i.get("run_timeout_ms")),
        start_time=started,
        task_queue=i.get("task_queue", ""),
        task_timeout=timedelta(milliseconds=i.get("task_timeout_ms", 0)),
        workflow_id=i.get("workflow_id", ""),
        workflow_start_time=started,
        workflow_type=i.get("workflow_type", ""),
        last_result=activation.payload(last) if last is not None else None,
    )


def _attributes(run: Run, given: Mapping[str, Any]) -> dict[str, SearchAttributePair[Any]]:
    found = {}
    for name, attribute in given.items():
        key = SearchAttributeKey.of_type(name, attribute.get("type", ""))
        if key is not None and attribute.get("value") is not None:
            value = _wire.value(run.activation.payload(attribute["value"]), None)
            if key.value_type is datetime and isinstance(value, str):
                value = datetime.fromisoformat(value)
            found[name] = SearchAttributePair(key, value)
    return found


def encode_attributes(
    commands: _wire.Commands,
    attributes: TypedSearchAttributes | Sequence[SearchAttributeUpdate[Any]],
) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for attribute in attributes:
        entry: dict[str, Any] = {"type": attribute.key.indexed_value_type.wire}
        made[attribute.key.name] = entry
        if attribute.value is not None:
            entry["value"] = commands.payload(attribute.value)
    return made


def upsert_attributes(run: Run, updates: Sequence[SearchAttributeUpdate[Any]]) -> None:
    run.send(
        {
            "command": "upsert_search_attributes",
            "search_attributes": encode_attributes(run.commands, updates),
        },
        "upsert search attributes",
    )
    for update in updates:
        if update.value is None:
            run.search_attributes.pop(update.key.name, None)
        else:
            run.search_attributes[update.key.name] = SearchAttributePair(update.key, update.value)


def upsert_memo(run: Run, updates: Mapping[str, Any]) -> None:
    from wasmworker.converter import PayloadConverter

    run.send(
        {"command": "upsert_memo", "memo": run.commands.named(updates)},
        "upsert a memo",
    )
    for name, value in updates.items():
        if value is None:
            run.memo.pop(name, None)
        else:
            run.memo[name] = PayloadConverter.default.to_payload(value)
