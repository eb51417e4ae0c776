"""What activities are defined with, and what they call, as ``temporalio.activity`` has it.

Functions that ask about the attempt raise RuntimeError where no activity runs.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar, overload

from wasmworker import _abi, _context, _registry
from wasmworker.common import Priority, RetryPolicy

if TYPE_CHECKING:
    from wasmworker.converter import PayloadConverter

__all__ = [
    "ActivityCancellationDetails",
    "Info",
    "LoggerAdapter",
    "cancellation_details",
    "client",
    "defn",
    "heartbeat",
    "in_activity",
    "info",
    "is_cancelled",
    "is_worker_shutdown",
    "logger",
    "metric_meter",
    "payload_converter",
    "raise_complete_async",
    "shield_thread_cancel_exception",
    "wait_for_cancelled",
    "wait_for_cancelled_sync",
    "wait_for_worker_shutdown",
    "wait_for_worker_shutdown_sync",
]

F = TypeVar("F", bound=Callable[..., Any])


@overload
def defn(fn: F) -> F: ...
@overload
def defn(
    *,
    name: str | None = None,
    no_thread_cancel_exception: bool = False,
    dynamic: bool = False,
    example: Sequence[Any] | None = None,
) -> Callable[[F], F]: ...
def defn(
    fn: Any = None,
    *,
    name: str | None = None,
    no_thread_cancel_exception: bool = False,
    dynamic: bool = False,
    example: Sequence[Any] | None = None,
) -> Any:
    """Makes a function or a method, synchronous or ``async``, an activity of the module.

    :param name: the Temporal activity type, by default the function's name.
        1 to 1,000 bytes of UTF-8, without control characters, not beginning with ``_``
    :param no_thread_cancel_exception: a synchronous activity that is canceled finds no
        `exceptions.CancelledError` raised by its heartbeats
    :param dynamic: refused: a module's activities are known by their names
    :param example: arguments with which the activity is called once when the module is
        initialized, so that what it imports and caches is there in each call.
        Nothing that it does then reaches anybody
    :raises ValueError: the name is not valid, or another activity has it
    :raises TypeError: it is not callable, or has parameters by keyword alone
    """
    if dynamic:
        raise NotImplementedError(
            "wasmworker has no dynamic activities: an activity is an export of the module, "
            "by its name. Define one for each name."
        )

    def decorate(fn: Any) -> Any:
        return _registry.add(fn, name, no_thread_cancel_exception, example)

    return decorate if fn is None else decorate(fn)


@dataclass(frozen=True)
class Info:
    """What is known of the attempt.

    Times are in UTC. What does not apply is None: an activity that was not started by a
    workflow has no ``workflow_…``.
    """

    activity_id: str
    activity_type: str
    attempt: int
    """1 in the first one."""
    current_attempt_scheduled_time: datetime
    """As ``scheduled_time``: the host is not told more."""
    heartbeat_details: Sequence[Any]
    """The details of the last heartbeat of the attempt before, decoded when they are read.

    What cannot be decoded then raises an ApplicationError of type ``InvalidInput``.
    """
    heartbeat_timeout: timedelta | None
    is_local: bool
    namespace: str
    schedule_to_close_timeout: timedelta | None
    scheduled_time: datetime
    start_to_close_timeout: timedelta | None
    started_time: datetime
    task_queue: str
    task_token: bytes
    """Empty: an activity here cannot be completed from elsewhere."""
    workflow_id: str | None
    workflow_namespace: str | None
    workflow_run_id: str | None
    workflow_type: str | None
    priority: Priority
    retry_policy: RetryPolicy | None
    """None where the server did not send it."""
    activity_run_id: str | None = None
    """The run of a standalone activity. None in a workflow."""

    @property
    def in_workflow(self) -> bool:
        """Whether a workflow has started the activity."""
        return self.workflow_id is not None


@dataclass(frozen=True)
class ActivityCancellationDetails:
    """Why the activity should stop."""

    not_found: bool = False
    """Temporal does not wait for this attempt any more: timed out, terminated, closed."""
    cancel_requested: bool = False
    paused: bool = False
    reset: bool = False
    timed_out: bool = False
    """False always: the host tells of it by ``not_found``."""
    worker_shutdown: bool = False


def in_activity() -> bool:
    """Whether an activity runs."""
    return _context.current.get(None) is not None


def info() -> Info:
    """About the attempt. It does not change."""
    return _context.get().info()


def heartbeat(*details: Any) -> None:
    """Tells Temporal that the activity is alive, with details for the next attempt.

    The host throttles what it sends: call it as often as you like.

    :raises wasmworker.exceptions.CancelledError: the activity is synchronous, and should
        stop. It is raised once. In an ``async def`` one the next ``await`` raises
        ``asyncio.CancelledError``
    :raises wasmworker.exceptions.ApplicationError: a detail is not JSON (type
        ``InvalidOutput``)
    :raises ValueError: the details are longer than the operator allows
    """
    _context.get().heartbeat(details)


def is_cancelled() -> bool:
    """Whether the activity should stop: canceled, paused, reset, or given up by Temporal."""
    return bool(_context.get().poll() & _abi.ENDS)


def cancellation_details() -> ActivityCancellationDetails | None:
    """Why the activity should stop, or None. It does not change."""
    return _context.get().cancellation_details()


async def wait_for_cancelled() -> None:
    """Waits until the activity should stop.

    :raises RuntimeError: the activity is not an ``async def`` one
    """
    await _context.get().wait_async(_abi.ENDS)


def wait_for_cancelled_sync(timeout: timedelta | float | None = None) -> None:
    """Blocks until the activity should stop, or for so many seconds."""
    _context.get().wait(_abi.ENDS, _seconds(timeout))


def is_worker_shutdown() -> bool:
    """Whether the worker is shutting down. The activity may finish in its graceful timeout."""
    return bool(_context.get().poll() & _abi.WORKER_STOPPING)


async def wait_for_worker_shutdown() -> None:
    """Waits until the worker is shutting down.

    :raises RuntimeError: the activity is not an ``async def`` one
    """
    await _context.get().wait_async(_abi.WORKER_STOPPING)


def wait_for_worker_shutdown_sync(timeout: timedelta | float | None = None) -> None:
    """Blocks until the worker is shutting down, or for so many seconds."""
    _context.get().wait(_abi.WORKER_STOPPING, _seconds(timeout))


def _seconds(timeout: timedelta | float | None) -> float | None:
    return timeout.total_seconds() if isinstance(timeout, timedelta) else timeout


@contextmanager
def shield_thread_cancel_exception() -> Iterator[None]:
    """Within it heartbeats do not raise CancelledError; its end does, if they would have."""
    with _context.get().shield():
        yield


def raise_complete_async() -> NoReturn:
    """Refused: raises NotImplementedError."""
    raise NotImplementedError(
        "an activity in wasmworker cannot be completed from elsewhere: it has no task token. "
        "Return the result, or let the workflow wait for a signal."
    )


def client() -> NoReturn:
    """Refused: raises RuntimeError."""
    raise RuntimeError(
        "there is no Temporal client in the sandbox: an activity reaches only what the "
        "operator grants, see wasmworker.http"
    )


def metric_meter() -> NoReturn:
    """Refused: raises RuntimeError."""
    raise RuntimeError(
        "activities in wasmworker have no meter of their own: the worker counts calls, "
        "failures and times of each activity. Log what you want to count."
    )


def payload_converter() -> PayloadConverter:
    """What converts payloads, such as those of RawValue."""
    return _context.get().payload_converter


class LoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """Logs with ``extra`` as the attributes of the host's record, whatever their names.

    The host adds the activity to each record, so all three are False, unlike Temporal's:

    ``activity_info_on_message`` adds it to the message,
    ``activity_info_on_extra`` as the attribute ``temporal_activity``, and
    ``full_activity_info_on_extra`` all of `Info` as ``activity_info``.
    """

    def __init__(self, logger: logging.Logger, extra: Mapping[str, Any] | None) -> None:
        super().__init__(logger, extra or {})
        self.activity_info_on_message = False
        self.activity_info_on_extra = False
        self.full_activity_info_on_extra = False

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        extra = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        if in_activity():
            if self.activity_info_on_message:
                msg = f"{msg} ({_brief(info())})"
            if self.activity_info_on_extra:
                extra["temporal_activity"] = _brief(info())
            if self.full_activity_info_on_extra:
                extra["activity_info"] = info()
        if extra:
            kwargs["extra"] = _allowed(extra)
        return msg, kwargs

    @property
    def base_logger(self) -> logging.Logger:
        """The logger behind it, for handlers and levels."""
        return self.logger


# What a record of logging has itself: an extra of such a name is a KeyError there.
_RESERVED = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
}


def _allowed(extra: dict[str, Any]) -> dict[str, Any]:
    taken = {name: value for name, value in extra.items() if name in _RESERVED}
    if not taken:
        return extra
    rest = {name: value for name, value in extra.items() if name not in taken}
    return {**rest, "wasmworker_attributes": taken}


_BRIEF = (
    "activity_id",
    "activity_type",
    "attempt",
    "namespace",
    "task_queue",
    "workflow_id",
    "workflow_run_id",
    "workflow_type",
)


def _brief(info: Info) -> dict[str, Any]:
    return {name: getattr(info, name) for name in _BRIEF}


logger = LoggerAdapter(logging.getLogger("wasmworker.activity"), None)
"""Writes records of the host's log, from level debug on."""
