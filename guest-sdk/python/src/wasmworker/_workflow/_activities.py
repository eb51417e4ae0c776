"""Activities of workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any, TypedDict, TypeVar, Unpack, overload

from wasmworker import _registry
from wasmworker._workflow import _definitions, _wire
from wasmworker._workflow._run import Operation, Run, current
from wasmworker.common import Payload, Priority, RetryPolicy
from wasmworker.exceptions import ActivityError, CancelledError, FailureError, RetryState

R = TypeVar("R")

UNSET: Any = object()


class ActivityCancellationType(IntEnum):
    """What the cancellation of an activity waits for."""

    TRY_CANCEL = 0
    """Nothing: it is asked for, and the activity's error is there at once."""
    WAIT_CANCELLATION_COMPLETED = 1
    """The activity's own end."""
    ABANDON = 2
    """Nothing, and the activity is not told."""


_CANCELLATION = {
    ActivityCancellationType.TRY_CANCEL: "try_cancel",
    ActivityCancellationType.WAIT_CANCELLATION_COMPLETED: "wait",
    ActivityCancellationType.ABANDON: "abandon",
}


class ActivityConfig(TypedDict, total=False):
    """The options of an activity. One of the first and the third of the timeouts is needed."""

    task_queue: str | None
    schedule_to_close_timeout: timedelta | None
    schedule_to_start_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    heartbeat_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    cancellation_type: ActivityCancellationType
    activity_id: str | None
    summary: str | None
    priority: Priority


class LocalActivityConfig(TypedDict, total=False):
    """The options of a local activity."""

    schedule_to_close_timeout: timedelta | None
    start_to_close_timeout: timedelta | None
    retry_policy: RetryPolicy | None
    summary: str | None


class ActivityHandle(Operation):
    """An activity that has begun: await it for its result.

    It is a future. ``cancel()`` asks for the activity's cancellation, whose end is an
    `exceptions.ActivityError`.
    """

    type = ""

    def resolve(self, result: Payload | None, error: FailureError | None) -> None:
        if error is not None and not isinstance(error, ActivityError):
            cause, cancelled = error, isinstance(error, CancelledError)
            error = ActivityError(
                "Activity cancelled" if cancelled else "Activity task failed",
                activity_type=self.type,
                activity_id=str(self.number),
                retry_state=RetryState.CANCEL_REQUESTED if cancelled else None,
            )
            error.__cause__ = cause
        super().resolve(result, error)


def arguments(arg: Any, args: Sequence[Any]) -> Sequence[Any]:
    if arg is UNSET:
        return args
    if args:
        raise ValueError("give one argument as arg, or any number of them as args")
    return (arg,)


def priority(given: Priority) -> dict[str, Any]:
    fields = ("priority_key", "fairness_key", "fairness_weight")
    return {n: v for n in fields if (v := getattr(given, n)) is not None}


_TIMEOUTS = {
    "schedule_to_close_timeout": "schedule_to_close_timeout_ms",
    "schedule_to_start_timeout": "schedule_to_start_timeout_ms",
    "start_to_close_timeout": "start_to_close_timeout_ms",
    "heartbeat_timeout": "heartbeat_timeout_ms",
}


def _options(config: Mapping[str, Any], local: bool) -> dict[str, Any]:
    made: dict[str, Any] = {}
    known = LocalActivityConfig if local else ActivityConfig
    for name, value in config.items():
        if name not in known.__annotations__:
            what = "a local activity" if local else "an activity"
            raise TypeError(
                f"{what} has no option {name}: there are {', '.join(known.__annotations__)}"
            )
        if value is None:
            continue
        if name in _TIMEOUTS:
            made[_TIMEOUTS[name]] = _wire.milliseconds(value)
        elif name == "retry_policy":
            made[name] = _wire.retry_policy(value)
        elif name == "cancellation_type":
            made[name] = _CANCELLATION[value]
        elif name == "priority":
            if fields := priority(value):
                made[name] = fields
        else:
            made[name] = value
    if "start_to_close_timeout_ms" not in made and "schedule_to_close_timeout_ms" not in made:
        raise ValueError("Activity must have start_to_close_timeout or schedule_to_close_timeout")
    return made


def _begin(
    activity: Any,
    arg: Any,
    args: Sequence[Any],
    result_type: Any,
    config: Mapping[str, Any],
    local: bool = False,
) -> ActivityHandle:
    run: Run = current()
    if isinstance(activity, str):
        name, hint = activity, result_type
    else:
        definition = _registry.of(activity) or _registry.of(getattr(activity, "__call__", None))  # noqa: B004
        if definition is None:
            raise ValueError(
                f"{activity!r} is no activity: @activity.defn makes it one, or give its name"
            )
        name, hint = definition.name, result_type or _definitions.result_of(activity)
    options = _options(config, local)
    handle = ActivityHandle(run, hint)
    handle.type = name
    run.must_change("begin an activity")
    run.begin(
        handle,
        {
            "command": "local_activity" if local else "activity",
            "type": name,
            "args": run.commands.payloads(arguments(arg, args)),
            "options": options,
        },
    )
    return handle


@overload
def start_activity(
    activity: Callable[..., Awaitable[R]],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[ActivityConfig],
) -> ActivityHandle: ...
@overload
def start_activity(
    activity: str | Callable[..., Any],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[ActivityConfig],
) -> ActivityHandle: ...
def start_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[ActivityConfig],
) -> ActivityHandle:
    """Begins an activity of a name, or of a function that `activity.defn` decorates.

    :param arg: its argument; several are ``args``
    :param result_type: the type of the result; by default what the function returns
    :raises ValueError: there is no timeout, or what is given is no activity
    """
    return _begin(activity, arg, args, result_type, config)


@overload
async def execute_activity(
    activity: Callable[..., Awaitable[R]],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[ActivityConfig],
) -> R: ...
@overload
async def execute_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: type[R],
    **config: Unpack[ActivityConfig],
) -> R: ...
@overload
async def execute_activity(
    activity: str,
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: None = ...,
    **config: Unpack[ActivityConfig],
) -> Any: ...
@overload
async def execute_activity(
    activity: Callable[..., R],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[ActivityConfig],
) -> R: ...
async def execute_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[ActivityConfig],
) -> Any:
    """Begins an activity as `start_activity` does, and waits for its result.

    :raises ActivityError: it has failed: ``cause`` tells why
    """
    return await _begin(activity, arg, args, result_type, config)


@overload
async def execute_local_activity(
    activity: Callable[..., Awaitable[R]],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[LocalActivityConfig],
) -> R: ...
@overload
async def execute_local_activity(
    activity: str | Callable[..., Any],
    arg: Any = ...,
    *,
    args: Sequence[Any] = ...,
    result_type: Any = ...,
    **config: Unpack[LocalActivityConfig],
) -> Any: ...
async def execute_local_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[LocalActivityConfig],
) -> Any:
    """Runs an activity on the worker that has the workflow, and waits for its result."""
    return await _begin(activity, arg, args, result_type, config, local=True)


def start_local_activity(
    activity: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[LocalActivityConfig],
) -> ActivityHandle:
    """Begins an activity on the worker that has the workflow."""
    return _begin(activity, arg, args, result_type, config, local=True)


start_activity_method = start_activity_class = start_activity
execute_activity_method = execute_activity_class = execute_activity
start_local_activity_method = start_local_activity_class = start_local_activity
execute_local_activity_method = execute_local_activity_class = execute_local_activity
