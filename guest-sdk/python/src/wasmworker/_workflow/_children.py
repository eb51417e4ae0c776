"""Other workflows: children, those that exist already, and the next run of this one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any, NoReturn, TypedDict, Unpack

from wasmworker._workflow import _definitions, _wire
from wasmworker._workflow._activities import UNSET, arguments, priority
from wasmworker._workflow._info import encode_attributes
from wasmworker._workflow._run import ContinueAsNewError, Operation, Run, current
from wasmworker.common import (
    Payload,
    Priority,
    RetryPolicy,
    TypedSearchAttributes,
    WorkflowIDReusePolicy,
)
from wasmworker.exceptions import CancelledError, ChildWorkflowError, FailureError, RetryState


class ChildWorkflowCancellationType(IntEnum):
    """What the cancellation of a child waits for."""

    ABANDON = 0
    TRY_CANCEL = 1
    WAIT_CANCELLATION_COMPLETED = 2
    WAIT_CANCELLATION_REQUESTED = 3


class ParentClosePolicy(IntEnum):
    """What becomes of a child when its parent ends."""

    UNSPECIFIED = 0
    TERMINATE = 1
    ABANDON = 2
    REQUEST_CANCEL = 3


_CANCELLATION = {
    ChildWorkflowCancellationType.ABANDON: "abandon",
    ChildWorkflowCancellationType.TRY_CANCEL: "try_cancel",
    ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED: "wait",
    ChildWorkflowCancellationType.WAIT_CANCELLATION_REQUESTED: "wait_requested",
}


class ChildWorkflowConfig(TypedDict, total=False):
    """The options of a child workflow."""

    id: str | None
    task_queue: str | None
    cancellation_type: ChildWorkflowCancellationType
    parent_close_policy: ParentClosePolicy
    execution_timeout: timedelta | None
    run_timeout: timedelta | None
    task_timeout: timedelta | None
    id_reuse_policy: WorkflowIDReusePolicy
    retry_policy: RetryPolicy | None
    cron_schedule: str
    memo: Mapping[str, Any] | None
    search_attributes: TypedSearchAttributes | None
    static_summary: str | None
    static_details: str | None
    priority: Priority


class _Started(asyncio.Future[None]):
    """The start of a child. Its cancellation is the child's."""

    def __init__(self, child: ChildWorkflowHandle) -> None:
        super().__init__(loop=child.run.loop)
        self._child = child

    def cancel(self, msg: Any = None) -> bool:
        return not self.done() and self._child.cancel()


class ChildWorkflowHandle(Operation):
    """A child workflow that has started: await it for its result. It is a future."""

    def __init__(self, run: Run, hint: Any, id: str, type: str) -> None:
        super().__init__(run, hint)
        self._id = id
        self._type = type
        self._run_id: str | None = None
        self._start = _Started(self)

    @property
    def id(self) -> str:
        return self._id

    @property
    def first_execution_run_id(self) -> str | None:
        return self._run_id

    def started(self, run_id: str) -> None:
        self._run_id = run_id
        if not self._start.done():
            self._start.set_result(None)

    def resolve(self, result: Payload | None, error: FailureError | None) -> None:
        if error is not None and not isinstance(error, ChildWorkflowError):
            cause, cancelled = error, isinstance(error, CancelledError)
            error = ChildWorkflowError(
                f"Child Workflow execution {'cancelled' if cancelled else 'failed'}",
                workflow_id=self._id,
                run_id=self._run_id or "",
                workflow_type=self._type,
                retry_state=RetryState.CANCEL_REQUESTED if cancelled else None,
            )
            error.__cause__ = cause
        super().resolve(result, error)
        if not self._start.done():
            if error is None:
                self._start.set_result(None)
            else:
                self._start.set_exception(error)
                self._start._log_traceback = False

    async def signal(self, signal: Any, arg: Any = UNSET, *, args: Sequence[Any] = ()) -> None:
        """Sends a signal of a name, or of a method that `workflow.signal` decorates."""
        await _signal(self._id, None, signal, arguments(arg, args), child=True)


def _options(run: Run, config: Mapping[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {"cancellation_type": "wait"}
    for name, value in config.items():
        if name not in ChildWorkflowConfig.__annotations__:
            known = ", ".join(ChildWorkflowConfig.__annotations__)
            raise TypeError(f"a child workflow has no option {name}: there are {known}")
        if value is None or value == "":
            continue
        if name.endswith("_timeout"):
            made[f"{name}_ms"] = _wire.milliseconds(value)
        elif name == "retry_policy":
            made[name] = _wire.retry_policy(value)
        elif name == "cancellation_type":
            made[name] = _CANCELLATION[value]
        elif name == "parent_close_policy":
            if value != ParentClosePolicy.UNSPECIFIED:
                made[name] = value.name.lower()
        elif name == "id_reuse_policy":
            made[name] = value.name.lower()
        elif name == "memo":
            made[name] = run.commands.named(value)
        elif name == "search_attributes":
            made[name] = encode_attributes(run.commands, value)
        elif name == "priority":
            if fields := priority(value):
                made[name] = fields
        else:
            renamed = {
                "id": "workflow_id",
                "static_summary": "summary",
                "static_details": "details",
            }
            made[renamed.get(name, name)] = value
    return made


async def start_child_workflow(
    workflow: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[ChildWorkflowConfig],
) -> ChildWorkflowHandle:
    """Starts a child workflow, and waits until it has started.

    :param workflow: its name, or a method that `workflow.run` decorates
    :param id: its workflow id, by default a new UUID
    :raises ChildWorkflowError: it cannot start
    """
    run = current()
    run.must_change("start a workflow")
    definition = _definitions.of(workflow)
    hint = result_type or (_definitions.result_of(definition.run) if definition else None)
    if not config.get("id"):
        from wasmworker.workflow import uuid4

        config["id"] = str(uuid4())
    options = _options(run, config)
    name = _definitions.name_of(workflow)
    handle = ChildWorkflowHandle(run, hint, options["workflow_id"], name)
    run.begin(
        handle,
        {
            "command": "child",
            "type": name,
            "args": run.commands.payloads(arguments(arg, args)),
            "options": options,
        },
    )
    await handle._start
    return handle


async def execute_child_workflow(
    workflow: Any,
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    result_type: Any = None,
    **config: Unpack[ChildWorkflowConfig],
) -> Any:
    """Starts a child workflow as `start_child_workflow` does, and waits for its result.

    :raises ChildWorkflowError: it has failed: ``cause`` tells why
    """
    return await (
        await start_child_workflow(workflow, arg, args=args, result_type=result_type, **config)
    )


async def _signal(
    workflow_id: str, run_id: str | None, signal: Any, args: Sequence[Any], child: bool
) -> None:
    run = current()
    run.must_change("signal a workflow")
    command: dict[str, Any] = {
        "command": "signal_external",
        "workflow_id": workflow_id,
        "name": _definitions.handler_name(signal, "signal"),
        "args": run.commands.payloads(args),
    }
    if run_id:
        command["run_id"] = run_id
    if child:
        command["child_only"] = True
    operation = Operation(run)
    run.begin(operation, command)
    await operation


class ExternalWorkflowHandle:
    """A workflow that is known by its id."""

    def __init__(self, id: str, run_id: str | None) -> None:
        self._id, self._run_id = id, run_id

    @property
    def id(self) -> str:
        return self._id

    @property
    def run_id(self) -> str | None:
        return self._run_id

    async def signal(self, signal: Any, arg: Any = UNSET, *, args: Sequence[Any] = ()) -> None:
        """Sends a signal of a name, or of a method that `workflow.signal` decorates.

        :raises ApplicationError: there is no such workflow
        """
        await _signal(self._id, self._run_id, signal, arguments(arg, args), child=False)

    async def cancel(self) -> None:
        """Asks for the workflow's cancellation."""
        run = current()
        command: dict[str, Any] = {"command": "cancel_external", "workflow_id": self._id}
        if self._run_id:
            command["run_id"] = self._run_id
        operation = Operation(run)
        run.begin(operation, command)
        await operation


def get_external_workflow_handle(
    workflow_id: str, *, run_id: str | None = None
) -> ExternalWorkflowHandle:
    """The handle of a workflow, whose latest run is meant without a run id."""
    return ExternalWorkflowHandle(workflow_id, run_id)


def get_external_workflow_handle_for(
    workflow: Any, workflow_id: str, *, run_id: str | None = None
) -> ExternalWorkflowHandle:
    """As `get_external_workflow_handle`, for a workflow of a known type."""
    return ExternalWorkflowHandle(workflow_id, run_id)


def continue_as_new(
    arg: Any = UNSET,
    *,
    args: Sequence[Any] = (),
    workflow: Any = None,
    task_queue: str | None = None,
    run_timeout: timedelta | None = None,
    task_timeout: timedelta | None = None,
    retry_policy: RetryPolicy | None = None,
    memo: Mapping[str, Any] | None = None,
    search_attributes: TypedSearchAttributes | None = None,
) -> NoReturn:
    """Ends the run, and begins another one with these arguments.

    It raises what must not be caught, and is called in the workflow's main method.

    :param workflow: the type of the next run, by default this one's
    """
    current().must_change("continue as new")
    options: dict[str, Any] = {"memo": memo, "search_attributes": search_attributes}
    if workflow is not None:
        options["type"] = _definitions.name_of(workflow)
    if task_queue:
        options["task_queue"] = task_queue
    if run_timeout is not None:
        options["run_timeout_ms"] = _wire.milliseconds(run_timeout)
    if task_timeout is not None:
        options["task_timeout_ms"] = _wire.milliseconds(task_timeout)
    if retry_policy is not None:
        options["retry_policy"] = _wire.retry_policy(retry_policy)
    raise ContinueAsNewError(options, arguments(arg, args))
