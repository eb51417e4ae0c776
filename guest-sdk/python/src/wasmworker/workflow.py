"""What workflows are defined with, and what they call, as ``temporalio.workflow`` has it.

A workflow is a class. Its code runs on an event loop whose timers are durable, so that
``asyncio.sleep``, ``gather``, ``wait_for``, ``timeout``, ``TaskGroup``, queues, locks and
events are the ordinary ones. Functions that ask about the run raise RuntimeError where no
workflow runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random as _random_module
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, TypeVar

from wasmworker._workflow import _info, _run, _wire
from wasmworker._workflow._activities import (
    ActivityCancellationType,
    ActivityConfig,
    ActivityHandle,
    LocalActivityConfig,
    execute_activity,
    execute_activity_class,
    execute_activity_method,
    execute_local_activity,
    execute_local_activity_class,
    execute_local_activity_method,
    start_activity,
    start_activity_class,
    start_activity_method,
    start_local_activity,
    start_local_activity_class,
    start_local_activity_method,
)
from wasmworker._workflow._children import (
    ChildWorkflowCancellationType,
    ChildWorkflowConfig,
    ChildWorkflowHandle,
    ExternalWorkflowHandle,
    ParentClosePolicy,
    continue_as_new,
    execute_child_workflow,
    get_external_workflow_handle,
    get_external_workflow_handle_for,
    start_child_workflow,
)
from wasmworker._workflow._definitions import HandlerUnfinishedPolicy
from wasmworker._workflow._handlers import (
    UpdateMethod,
    defn,
    get_dynamic_query_handler,
    get_dynamic_signal_handler,
    get_dynamic_update_handler,
    get_query_handler,
    get_signal_handler,
    get_update_handler,
    init,
    query,
    run,
    set_dynamic_query_handler,
    set_dynamic_signal_handler,
    set_dynamic_update_handler,
    set_query_handler,
    set_signal_handler,
    set_update_handler,
    signal,
    update,
)
from wasmworker._workflow._info import Info, ParentInfo, RootInfo
from wasmworker._workflow._run import (
    ContinueAsNewError,
    NotInWorkflowError,
    ReadOnlyContextError,
    UpdateInfo,
)
from wasmworker.common import SearchAttributeUpdate
from wasmworker.converter import PayloadConverter

__all__ = [
    "ActivityCancellationType",
    "ActivityConfig",
    "ActivityHandle",
    "ChildWorkflowCancellationType",
    "ChildWorkflowConfig",
    "ChildWorkflowHandle",
    "ContinueAsNewError",
    "ExternalWorkflowHandle",
    "HandlerUnfinishedPolicy",
    "Info",
    "LocalActivityConfig",
    "LoggerAdapter",
    "NotInWorkflowError",
    "ParentClosePolicy",
    "ParentInfo",
    "ReadOnlyContextError",
    "RootInfo",
    "UpdateInfo",
    "UpdateMethod",
    "all_handlers_finished",
    "as_completed",
    "continue_as_new",
    "current_update_info",
    "defn",
    "deprecate_patch",
    "execute_activity",
    "execute_activity_class",
    "execute_activity_method",
    "execute_child_workflow",
    "execute_local_activity",
    "execute_local_activity_class",
    "execute_local_activity_method",
    "get_current_details",
    "get_dynamic_query_handler",
    "get_dynamic_signal_handler",
    "get_dynamic_update_handler",
    "get_external_workflow_handle",
    "get_external_workflow_handle_for",
    "get_last_completion_result",
    "get_query_handler",
    "get_signal_handler",
    "get_update_handler",
    "has_last_completion_result",
    "in_workflow",
    "info",
    "init",
    "instance",
    "is_failure_exception",
    "logger",
    "memo",
    "memo_value",
    "new_random",
    "now",
    "patched",
    "payload_converter",
    "query",
    "random",
    "run",
    "set_current_details",
    "set_dynamic_query_handler",
    "set_dynamic_signal_handler",
    "set_dynamic_update_handler",
    "set_query_handler",
    "set_signal_handler",
    "set_update_handler",
    "signal",
    "sleep",
    "start_activity",
    "start_activity_class",
    "start_activity_method",
    "start_child_workflow",
    "start_local_activity",
    "start_local_activity_class",
    "start_local_activity_method",
    "time",
    "time_ns",
    "unsafe",
    "update",
    "upsert_memo",
    "upsert_search_attributes",
    "uuid4",
    "wait",
    "wait_condition",
]

T = TypeVar("T")


def in_workflow() -> bool:
    """Whether a workflow runs."""
    return _run.in_workflow()


def info() -> Info:
    """What is known of the run."""
    found: Info = _run.current().info
    return found


def instance() -> Any:
    """The object of the workflow's class."""
    return _run.current().instance


def now() -> datetime:
    """The workflow's time, in UTC. ``datetime.now`` and ``time.time`` have it, too."""
    return _run.current().now.astimezone(timezone.utc)


def time() -> float:
    """The workflow's time in seconds since the epoch."""
    return _run.current().time()


def time_ns() -> int:
    """The workflow's time in nanoseconds since the epoch, in whole microseconds."""
    since = _run.current().now - datetime.fromtimestamp(0, timezone.utc)
    return since // timedelta(microseconds=1) * 1000


def random() -> _random_module.Random:
    """A generator of the run's own. Module ``random`` is seeded from the run, too."""
    return _run.current().random


def new_random() -> _random_module.Random:
    """Another generator, seeded from the run's `random`."""
    return _random_module.Random(random().getrandbits(256))


def uuid4() -> uuid.UUID:
    """A UUID of the run's `random`."""
    return uuid.UUID(int=random().getrandbits(128), version=4)


async def sleep(duration: float | timedelta, *, summary: str | None = None) -> None:
    """Waits for so long, in seconds: a durable timer, as that of ``asyncio.sleep`` is.

    :param summary: what tools show beside the timer
    """
    seconds = duration.total_seconds() if isinstance(duration, timedelta) else duration
    loop = _run.current().loop
    if seconds <= 0:
        await asyncio.sleep(0)
        return
    future = loop.create_future()

    def wake() -> None:
        if not future.done():
            future.set_result(None)

    timer = loop.timer(seconds, wake, summary=summary)
    try:
        await future
    finally:
        timer.cancel()


async def wait_condition(
    fn: Callable[[], bool],
    *,
    timeout: timedelta | float | None = None,
    timeout_summary: str | None = None,
) -> None:
    """Waits until a function returns True. It is called after whatever happens in the run.

    :raises TimeoutError: the timeout, in seconds, has passed before
    """
    running = _run.current()
    if fn():
        return
    future = running.condition(fn)
    if timeout is None:
        await future
        return
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout

    def late() -> None:
        if not future.done():
            future.set_exception(TimeoutError())

    timer = running.loop.timer(seconds, late, summary=timeout_summary)
    try:
        await future
    finally:
        timer.cancel()


async def wait(
    fs: Iterable[Any],
    *,
    timeout: float | None = None,
    return_when: str = asyncio.ALL_COMPLETED,
) -> tuple[list[Any], list[Any]]:
    """As ``asyncio.wait``, with lists in the order of ``fs``."""
    given = list(dict.fromkeys(fs))
    done, _ = await asyncio.wait(given, timeout=timeout, return_when=return_when)
    return [f for f in given if f in done], [f for f in given if f not in done]


def as_completed(fs: Iterable[Any], *, timeout: float | None = None) -> Iterator[Any]:
    """As ``asyncio.as_completed``."""
    return iter(asyncio.as_completed(list(fs), timeout=timeout))


def memo() -> Mapping[str, Any]:
    """The memo as it is now, whose values have no types: see `memo_value`."""
    return {name: _wire.value(p, None) for name, p in _run.current().memo.items()}


_MISSING: Any = object()


def memo_value(key: str, default: Any = _MISSING, *, type_hint: Any = None) -> Any:
    """A value of the memo, of a type.

    :raises KeyError: there is none, and no default
    """
    payload = _run.current().memo.get(key)
    if payload is None:
        if default is _MISSING:
            raise KeyError(f"Memo does not have a value for key {key}")
        return default
    return _wire.value(payload, type_hint)


def upsert_memo(updates: Mapping[str, Any]) -> None:
    """Changes fields of the memo. None takes one away."""
    _info.upsert_memo(_run.current(), updates)


def upsert_search_attributes(attributes: Sequence[SearchAttributeUpdate[Any]]) -> None:
    """Changes search attributes: updates are made by ``SearchAttributeKey.value_set``."""
    if isinstance(attributes, Mapping):
        raise TypeError("give updates as SearchAttributeKey.for_keyword(name).value_set(value)")
    _info.upsert_attributes(_run.current(), attributes)


def has_last_completion_result() -> bool:
    """Whether a run before, of a schedule or of cron, has left a result."""
    return info().last_result is not None


def get_last_completion_result(type_hint: Any = None) -> Any:
    """The result of the run before, or None."""
    return _wire.value(info().last_result, type_hint)


def patched(id: str) -> bool:
    """Whether the change of this id applies to the run.

    It does where the run gets here for the first time, which is recorded.
    """
    return _run.current().host.patched(id)


def deprecate_patch(id: str) -> None:
    """Says that no run is left that was begun before the change of this id."""
    _run.current().host.patched(id)


def all_handlers_finished() -> bool:
    """Whether no handler of a signal or an update runs."""
    return not _run.current().in_progress


def current_update_info() -> UpdateInfo | None:
    """The update whose handler runs, or None."""
    return _run.update_info.get()


def set_current_details(details: str) -> None:
    """What tools show of the run, as Markdown."""
    running = _run.current()
    running.send({"command": "current_details", "text": details}, "set details")
    running.current_details = details


def get_current_details() -> str:
    return _run.current().current_details


def is_failure_exception(exception: BaseException) -> bool:
    """Whether an exception fails the workflow, and not the workflow task."""
    return _run.current().is_failure(exception)


def payload_converter() -> PayloadConverter:
    """What converts the values of this run."""
    return PayloadConverter.default


class unsafe:  # noqa: N801
    """What workflows of ``temporalio`` ask of their own sandbox, which this one has not."""

    @staticmethod
    def is_replaying() -> bool:
        """False: a run is not told. What it logs in a replay is dropped all the same."""
        return False

    @staticmethod
    def is_replaying_history_events() -> bool:
        """False, as `is_replaying`."""
        return False

    @staticmethod
    def is_read_only() -> bool:
        """Whether a query handler or a validator runs."""
        return _run.in_workflow() and _run.current().read_only is not None

    @staticmethod
    def in_sandbox() -> bool:
        """False: modules are not loaded again for each run."""
        return False

    @staticmethod
    @contextlib.contextmanager
    def imports_passed_through() -> Iterator[None]:
        """Does nothing: all modules are imported once, when the module is initialized."""
        yield

    @staticmethod
    @contextlib.contextmanager
    def sandbox_unrestricted() -> Iterator[None]:
        """Does nothing: nothing is restricted but by the host."""
        yield


class LoggerAdapter(logging.LoggerAdapter[logging.Logger]):
    """The logger of workflows, whose ``extra`` may have any names."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        if extra := kwargs.get("extra"):
            kwargs["extra"] = {"wasmworker_attributes": dict(extra)}
        return msg, kwargs


logger = LoggerAdapter(_run.logger, None)
