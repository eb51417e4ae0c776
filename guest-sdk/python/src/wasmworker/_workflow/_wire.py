"""Frames of the guest contract: activations that come, and commands that go."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from wasmworker import _abi, _failure, _hints, _run
from wasmworker.common import Payload, RawValue, RetryPolicy
from wasmworker.converter import decode, encode
from wasmworker.exceptions import (
    ActivityError,
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    ChildWorkflowError,
    FailureError,
    RetryState,
    ServerError,
    TerminatedError,
    TimeoutError,
    TimeoutType,
)

Head = dict[str, Any]


class Activation:
    """A frame from the host."""

    def __init__(self, frame: bytes) -> None:
        size = int.from_bytes(frame[:4], "little")
        head: Head = json.loads(frame[4 : 4 + size])
        self.now: str = head["now"]
        self.history: Mapping[str, Any] = head.get("history") or {}
        self.jobs: Sequence[Head] = head["jobs"]
        self._body = frame[4 + size :]

    def payload(self, p: Head) -> Payload:
        metadata = {}
        if encoding := p.get("encoding", _abi.JSON):
            metadata["encoding"] = encoding.encode()
        for name, value in (p.get("metadata") or {}).items():
            if isinstance(value, str):
                metadata[name] = value.encode()
            else:  # bytes that are not text
                metadata[name] = base64.b64decode(value["base64"])
        return Payload(metadata, self.data(p))

    def payloads(self, list_: Iterable[Head] | None) -> list[Payload]:
        return [self.payload(p) for p in list_ or ()]

    def data(self, p: Head) -> bytes:
        at, size = p.get("bytes") or (0, 0)
        return self._body[at : at + size]


class Arguments:
    """Payloads as the arguments of an activity are read."""

    def __init__(self, payloads: Sequence[Payload]) -> None:
        self._payloads = payloads

    def arg_count(self) -> int:
        return len(self._payloads)

    def arg(self, index: int, /) -> bytes:
        return self._payloads[index].data

    def arg_encoding(self, index: int, /) -> str | None:
        return self._payloads[index].encoding

    def arg_metadata(self, index: int, /) -> bytes:
        return _run._metadata(self._payloads[index])


def value(payload: Payload | None, hint: Any) -> Any:
    """The value of a result. Raises TypeError or ValueError."""
    if payload is None:
        return None
    if hint is RawValue:
        return RawValue(payload)
    encoding = payload.encoding
    got = decode(payload.data, encoding)
    if hint is None or hint is Any or encoding in (_abi.NULL, _abi.BINARY):
        return got
    return _hints.decoder(hint)(got)


class Commands:
    """The frame for the host, as it grows in an activation."""

    def __init__(self) -> None:
        self.list: list[Head] = []
        self._body = bytearray()

    def __bool__(self) -> bool:
        return bool(self.list)

    def pack(self) -> bytes:
        head = json.dumps({"commands": self.list}).encode()
        return len(head).to_bytes(4, "little") + head + self._body

    def payload(self, given: Any) -> Head:
        """Raises TypeError, ValueError, or RecursionError, when a value is not JSON."""
        if isinstance(given, Payload):
            return self._raw(given)
        if isinstance(given, RawValue):
            return self._raw(given.payload)
        data, encoding = encode(given)
        made: Head = {"bytes": [len(self._body), len(data)]}
        if encoding != _abi.JSON:
            made["encoding"] = encoding
        self._body += data
        return made

    def payloads(self, values: Iterable[Any]) -> list[Head]:
        return [self.payload(v) for v in values]

    def named(self, values: Mapping[str, Any]) -> dict[str, Head]:
        return {name: self.payload(v) for name, v in values.items()}

    def _raw(self, payload: Payload) -> Head:
        made: Head = {"bytes": [len(self._body), len(payload.data)], "encoding": payload.encoding}
        others = json.loads(_run._metadata(payload))
        others.pop("encoding", None)
        if others:
            made["metadata"] = others
        self._body += payload.data
        return made

    def failure(self, error: BaseException, depth: int = 0) -> Head:
        """The failure of anything that was raised."""
        cause, others = _failure._causes(error)
        made: Head = {"message": _failure._listed(_failure.message(error), others, [4096])}
        if (trace := _failure.stack(error.__traceback__)) or (
            trace := getattr(error, "_stack_trace", "")
        ):
            made["stack_trace"] = trace
        self._describe(error, made)
        if cause is not None and depth < _abi.MAX_CAUSE_DEPTH:
            made["cause"] = self.failure(cause, depth + 1)
        return made

    def _describe(self, error: BaseException, made: Head) -> None:
        details: Sequence[Any] = ()
        if isinstance(error, ApplicationError):
            details = error.details
            if error.type:
                made["type"] = error.type
            if error.non_retryable:
                made["non_retryable"] = True
            if error.next_retry_delay:
                made["next_retry_delay_ms"] = milliseconds(error.next_retry_delay)
            if error.category == ApplicationErrorCategory.BENIGN:
                made["category"] = _abi.CATEGORY_BENIGN
        elif _run._is_cancelled(error):
            made["kind"] = "canceled"
            details = getattr(error, "details", ())
            made["message"] = made["message"] or "Cancelled"
        elif isinstance(error, TimeoutError):
            made["kind"] = "timeout"
            if error.type is not None:
                made["timeout_type"] = error.type.name.lower()
            details = error.last_heartbeat_details
        elif isinstance(error, ActivityError):
            made |= {
                "kind": "activity",
                "activity_type": error.activity_type,
                "activity_id": error.activity_id,
            }
            if error.retry_state is not None:
                made["retry_state"] = error.retry_state.name.lower()
        elif isinstance(error, ChildWorkflowError):
            made |= {
                "kind": "child",
                "workflow_type": error.workflow_type,
                "workflow_id": error.workflow_id,
                "run_id": error.run_id,
            }
            if error.retry_state is not None:
                made["retry_state"] = error.retry_state.name.lower()
        elif isinstance(error, TerminatedError):
            made["kind"] = "terminated"
        elif isinstance(error, ServerError):
            made["kind"] = "server"
            if error.non_retryable:
                made["non_retryable"] = True
        elif not isinstance(error, FailureError):
            made["type"] = type(error).__name__
        if details:
            made["details"] = [self.detail(d) for d in details]

    def detail(self, detail: Any) -> Head:
        # A detail that is not JSON must not hide the failure that it belongs to.
        try:
            return self.payload(detail)
        except Exception:
            return self.payload(repr(detail))


def exception(f: Head, activation: Activation) -> FailureError:
    """The exception of a failure."""
    error = _exception(f, activation)
    error._stack_trace = f.get("stack_trace", "")  # type: ignore[attr-defined]
    if cause := f.get("cause"):
        error.__cause__ = exception(cause, activation)
    return error


def _exception(f: Head, activation: Activation) -> FailureError:
    message: str = f.get("message", "")
    kind = f.get("kind", "application")
    details = [_detail(activation.payload(p)) for p in f.get("details") or ()]
    if kind == "application":
        delay = f.get("next_retry_delay_ms")
        return ApplicationError(
            message,
            *details,
            type=f.get("type") or None,
            non_retryable=f.get("non_retryable", False),
            next_retry_delay=timedelta(milliseconds=delay) if delay else None,
            category=ApplicationErrorCategory.BENIGN
            if f.get("category") == _abi.CATEGORY_BENIGN
            else ApplicationErrorCategory.UNSPECIFIED,
        )
    if kind == "canceled":
        return CancelledError(message, *details)
    if kind == "timeout":
        return TimeoutError(
            message, type=_named(TimeoutType, f.get("timeout_type")), last_heartbeat_details=details
        )
    if kind == "activity":
        return ActivityError(
            message,
            activity_type=f.get("activity_type", ""),
            activity_id=f.get("activity_id", ""),
            retry_state=_named(RetryState, f.get("retry_state")),
        )
    if kind == "child":
        return ChildWorkflowError(
            message,
            workflow_id=f.get("workflow_id", ""),
            run_id=f.get("run_id", ""),
            workflow_type=f.get("workflow_type", ""),
            retry_state=_named(RetryState, f.get("retry_state")),
        )
    if kind == "terminated":
        return TerminatedError(message, *details)
    if kind == "server":
        return ServerError(message, non_retryable=f.get("non_retryable", False))
    return FailureError(message)


def _named(enum: Any, name: str | None) -> Any:
    return enum.__members__.get((name or "").upper())


def _detail(payload: Payload) -> Any:
    try:
        return value(payload, None)
    except ValueError:
        return RawValue(payload)


def milliseconds(delay: timedelta) -> int:
    return _failure._milliseconds(delay)


def retry_policy(policy: RetryPolicy) -> Head:
    made: Head = {
        "initial_interval_ms": milliseconds(policy.initial_interval),
        "backoff_coefficient": policy.backoff_coefficient,
        "maximum_attempts": policy.maximum_attempts,
    }
    if policy.maximum_interval is not None:
        made["maximum_interval_ms"] = milliseconds(policy.maximum_interval)
    if policy.non_retryable_error_types:
        made["non_retryable_error_types"] = list(policy.non_retryable_error_types)
    return made


def time(text: str) -> datetime:
    """A time as the host writes it, whose nanoseconds Python has no room for."""
    if "." in text:
        whole, _, fraction = text.rstrip("Z").partition(".")
        text = f"{whole}.{fraction[:6]:0<6}+00:00"
    return datetime.fromisoformat(text)
