"""The run of a workflow, from its activations to its commands."""

from __future__ import annotations

import asyncio
import logging
import random
import traceback
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from wasmworker import _run
from wasmworker._workflow import _wire
from wasmworker._workflow._definitions import Handler, HandlerUnfinishedPolicy, Workflow
from wasmworker._workflow._loop import Loop, Timer
from wasmworker._workflow._wire import Activation, Arguments, Commands, Head
from wasmworker.common import Payload, RawValue
from wasmworker.exceptions import (
    ApplicationError,
    CancelledError,
    FailureError,
    TemporalError,
    is_cancelled_exception,
)

logger = logging.getLogger("wasmworker.workflow")


class Host(Protocol):
    """What workflows have of the module ``_wasmworker``."""

    def activation(self) -> bytes: ...
    def commands(self, frame: bytes, /) -> int: ...
    def patched(self, id: str, /) -> bool: ...
    def random(self, n: int, /) -> bytes: ...


class NotInWorkflowError(TemporalError, RuntimeError):
    """What works in a workflow only was called elsewhere."""


class ReadOnlyContextError(TemporalError, RuntimeError):
    """A query handler or a validator tried to change something."""


class ContinueAsNewError(BaseException):
    """Ends the run, and begins another one: `workflow.continue_as_new` raises it."""

    def __init__(self, options: Head, args: Sequence[Any]) -> None:
        super().__init__("Workflow continue as new")
        self.options = options
        self.args_given = args


@dataclass(frozen=True)
class UpdateInfo:
    """The update whose handler runs."""

    id: str
    name: str


update_info: ContextVar[UpdateInfo | None] = ContextVar("update", default=None)


class Operation(asyncio.Future[Any]):
    """What a command has begun. Its cancellation is asked for, and its end then tells."""

    def __init__(self, run: Run, hint: Any = None) -> None:
        super().__init__(loop=run.loop)
        self.run = run
        self.number = 0
        self.hint = hint
        self._cancel_sent = False

    def cancel(self, msg: Any = None) -> bool:
        if self.done():
            return False
        if not self._cancel_sent:
            self._cancel_sent = True
            self.run.send({"command": "cancel", "id": self.number}, "cancel anything")
        return True

    def started(self, run_id: str) -> None:
        pass

    def resolve(self, result: Payload | None, error: FailureError | None) -> None:
        if self.done():
            return
        if error is None:
            try:
                self.set_result(_wire.value(result, self.hint))
                return
            except (TypeError, ValueError) as wrong:
                self.set_exception(RuntimeError(f"the result {wrong}"))
        else:
            self.set_exception(error)
        self._log_traceback = False  # one that nobody waits for is nobody's concern


class Run:
    """The state of a run, of which an instance has one."""

    def __init__(self, host: Host, definition: Workflow) -> None:
        self.host = host
        self.definition = definition
        self.loop = Loop(self)  # type: ignore[abstract]  # others than these are for sockets
        self.activation: Activation
        self.now: datetime
        self.start: Head = {}
        self.info: Any = None
        self.memo: dict[str, Payload] = {}
        self.search_attributes: dict[str, Any] = {}
        self.random: random.Random
        self.commands = Commands()
        self.instance: Any = None
        self.current_details = ""
        self.handlers: dict[tuple[str, str | None], Handler] = {}
        self.in_progress: dict[asyncio.Task[Any], tuple[str, Handler]] = {}
        self.read_only: str | None = None
        self.ended = False
        self.cancelled = False
        self._operations: dict[int, Operation | Timer] = {}
        self._last_number = 0
        self._conditions: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []
        self._buffered: dict[str, list[list[Payload]]] = {}
        self._main: asyncio.Task[None] | None = None
        self._end: Head | None = None
        self._failed: BaseException | None = None  # which fails the workflow task
        self._described = False

    # Commands.

    def send(self, command: Head, what: str) -> None:
        self.must_change(what)
        if not self.ended:
            self.commands.list.append(command)

    def must_change(self, what: str) -> None:
        if self.read_only is not None:
            raise ReadOnlyContextError(f"{self.read_only} cannot {what}: it must change nothing")

    def begin(self, operation: Operation, command: Head) -> None:
        self._last_number += 1
        operation.number = self._last_number
        self.send({**command, "id": self._last_number}, "begin anything")
        self._operations[self._last_number] = operation

    def begin_timer(self, timer: Timer, ms: int, summary: str | None) -> None:
        self._last_number += 1
        command: Head = {"command": "timer", "id": self._last_number, "ms": ms}
        if summary:
            command["summary"] = summary
        self.send(command, "begin a timer")
        timer.number = self._last_number
        self._operations[self._last_number] = timer

    def cancel_timer(self, timer: Timer) -> None:
        if self._operations.pop(timer.number, None) is not None:
            self.send({"command": "cancel", "id": timer.number}, "cancel anything")

    # Time and conditions.

    def time(self) -> float:
        return self.now.timestamp()

    def condition(self, fn: Callable[[], bool]) -> asyncio.Future[bool]:
        self.must_change("wait")
        future: asyncio.Future[bool] = self.loop.create_future()
        self._conditions.append((fn, future))
        return future

    def _check_conditions(self) -> None:
        left = []
        for fn, future in self._conditions:
            if future.done():
                continue
            try:
                if fn():
                    future.set_result(True)
                    continue
            except Exception as error:
                future.set_exception(error)
                continue
            left.append((fn, future))
        self._conditions = left

    def _run_all(self) -> None:
        while True:
            self.loop.run_ready()
            self._check_conditions()
            if not self.loop._ready:
                return

    # Activations.

    def activate(self, activation: Activation) -> int:
        self.activation = activation
        self.now = _wire.time(activation.now)
        self.commands = Commands()
        first = activation.jobs[0]["job"]
        if first in ("query", "validate"):
            self._answer(activation.jobs[0])
        else:
            for job in activation.jobs:
                self._job(job)
            if self._main is None and self._failed is None and self.instance is not None:
                self._main = self.loop.create_task(self._run_main())
                if self.cancelled:  # once it has begun, so that it sees it
                    self.loop.call_soon(self._main.cancel)
            self._run_all()
        if self._failed is not None:
            failed, self._failed = self._failed, None
            return self.fail_task(failed)
        if self._end is not None:
            if not self._main_ended_before:
                self.commands.list.append(self._end)
            self._main_ended_before = True
        if self.commands:
            self.host.commands(self.commands.pack())
        return 0

    _main_ended_before = False

    def fail_task(self, error: BaseException) -> int:
        self.commands = Commands()
        failure = self.commands.failure(error)
        failure.setdefault("type", type(error).__name__)
        failure.pop("kind", None)
        self.commands.list.append({"command": "fail_task", "failure": failure})
        self.host.commands(self.commands.pack())
        return 1

    def _job(self, job: Head) -> None:
        kind = job["job"]
        if kind == "resolve":
            operation = self._operations.pop(job["id"], None)
            if isinstance(operation, Timer):
                self.loop.fire(operation)
            elif operation is not None:
                result, failure = job.get("result"), job.get("failure")
                operation.resolve(
                    self.activation.payload(result) if result is not None else None,
                    _wire.exception(failure, self.activation) if failure is not None else None,
                )
        elif kind == "signal":
            self._signal(job["name"], self.activation.payloads(job.get("args")))
        elif kind == "update":
            self._update(job)
        elif kind == "start":
            self._start(job)
        elif kind == "started":
            child = self._operations.get(job["id"])
            if isinstance(child, Operation):
                child.started(job.get("run_id", ""))
        elif kind == "cancel":
            self.cancelled = True
            if self._main is not None:
                self._main.cancel()

    def _start(self, job: Head) -> None:
        from wasmworker._workflow._info import make

        self.start = job
        self.info = make(self, job)
        self.random = random.Random(int.from_bytes(self.host.random(32), "little"))
        for handler in self.definition.handlers:
            self.handlers[handler.kind, handler.name] = handler
        self._describe()
        try:
            args = self._arguments(self.definition.arguments, self._start_arguments())
            cls = self.definition.cls
            self.instance = cls(*args) if self.definition.takes_arguments else cls()
        except BaseException as error:
            self._ended_with(error)

    def _start_arguments(self) -> list[Payload]:
        return self.activation.payloads(self.start.get("args"))

    def _arguments(self, definition: Any, payloads: Sequence[Payload]) -> list[Any]:
        return _run.arguments(Arguments(payloads), definition)  # type: ignore[arg-type]

    # The main task.

    async def _run_main(self) -> None:
        try:
            args = self._arguments(self.definition.arguments, self._start_arguments())
            self.start = {}
            result = await self.definition.run(self.instance, *args)
            end: Head = {"command": "complete"}
            if result is not None:
                end["result"] = self._encode(result, "the result")
            self._finish(end)
        except BaseException as error:
            self._ended_with(error)

    def _encode(self, value: Any, what: str) -> Head:
        try:
            return self.commands.payload(value)
        except RecursionError:
            raise TypeError(f"{what} cannot be encoded: it is nested too deeply") from None
        except (TypeError, ValueError) as error:
            raise TypeError(f"{what} cannot be encoded: {error}") from error

    def _finish(self, end: Head) -> None:
        self._end, self.ended = end, True
        left = {
            f"{handler.kind} {name}"
            for name, handler in self.in_progress.values()
            if handler.policy is HandlerUnfinishedPolicy.WARN_AND_ABANDON
        }
        if left and end["command"] != "fail":
            logger.warning(
                "the workflow has ended before these handlers have: %s. Wait for "
                "workflow.all_handlers_finished() first",
                ", ".join(sorted(left)),
            )

    def _ended_with(self, error: BaseException) -> None:
        if self.ended:
            return
        try:
            self._finish_with(error)
        except BaseException as wrong:  # nobody waits for the task that this is in
            self._failed = wrong

    def _finish_with(self, error: BaseException) -> None:
        if isinstance(error, ContinueAsNewError):
            args = [self._encode(a, f"argument {i + 1}") for i, a in enumerate(error.args_given)]
            self._finish({**self._continue(error), "args": args})
        elif self.cancelled and is_cancelled_exception(error):
            details = error.details if isinstance(error, CancelledError) else ()
            told = [self.commands.detail(d) for d in details]
            self._finish({"command": "canceled", "details": told})
        elif self.is_failure(error):
            self._finish({"command": "fail", "failure": self.commands.failure(error)})
        else:
            self._failed = error

    def _continue(self, error: ContinueAsNewError) -> Head:
        options = dict(error.options)
        if memo := options.pop("memo", None):
            options["memo"] = self.commands.named(memo)
        if attributes := options.pop("search_attributes", None):
            from wasmworker._workflow._info import encode_attributes

            options["search_attributes"] = encode_attributes(self.commands, attributes)
        command: Head = {"command": "continue_as_new", "options": options}
        if type_ := options.pop("type", None):
            command["type"] = type_
        return command

    def is_failure(self, error: BaseException) -> bool:
        """Whether an exception fails the workflow, and not its task."""
        ours = FailureError, asyncio.TimeoutError, asyncio.CancelledError
        return isinstance(error, (*ours, *self.definition.failures))

    # Handlers.

    def handler(self, kind: str, name: str) -> Handler | None:
        return self.handlers.get((kind, name)) or self.handlers.get((kind, None))

    def set_handler(self, handler: Handler | None, kind: str, name: str | None) -> None:
        self.must_change("set a handler")
        if handler is None:
            self.handlers.pop((kind, name), None)
        else:
            self.handlers[kind, name] = handler.prepare()
        self._describe()
        if handler is not None and kind == "signal":
            names = list(self._buffered) if name is None else [name]
            for buffered in names:
                for payloads in self._buffered.pop(buffered, ()):
                    self._signal(buffered, payloads)

    def _describe(self) -> None:
        described: Head = {"command": "describe", "signals": [], "queries": [], "updates": []}
        places = {"signal": "signals", "query": "queries", "update": "updates"}
        for (kind, name), handler in self.handlers.items():
            if name is not None:
                described[places[kind]].append({"name": name, "description": handler.description})
        self.commands.list[:] = [c for c in self.commands.list if c["command"] != "describe"]
        self.send(described, "set a handler")

    def _call(self, handler: Handler, name: str, payloads: Sequence[Payload]) -> list[Any]:
        """The arguments of a handler: with the instance, if it is a method."""
        own = [self.instance] if handler.method else []
        if handler.name is None:
            return [*own, name, [RawValue(p) for p in payloads]]
        return [*own, *self._arguments(handler.arguments, payloads)]

    def _task(self, handler: Handler, name: str, main: Coroutine[Any, Any, None]) -> None:
        task = self.loop.create_task(main)
        self.in_progress[task] = name, handler
        task.add_done_callback(self._handled)

    def _handled(self, task: asyncio.Task[Any]) -> None:
        self.in_progress.pop(task, None)

    def _signal(self, name: str, payloads: list[Payload]) -> None:
        handler = self.handler("signal", name)
        if handler is None:
            self._buffered.setdefault(name, []).append(payloads)
            return
        try:
            args = self._call(handler, name, payloads)
        except ApplicationError as error:
            logger.error("the signal %s was dropped: %s", name, error.message)
            return
        self._task(handler, name, self._run_signal(handler, args))

    async def _run_signal(self, handler: Handler, args: list[Any]) -> None:
        try:
            result = handler.fn(*args)
            if handler.is_async:
                await result
        except BaseException as error:
            self._ended_with(error)

    def _update(self, job: Head) -> None:
        id_, name = job["update_id"], job["name"]
        handler = self.handler("update", name)
        payloads = self.activation.payloads(job.get("args"))
        try:
            if handler is None:
                raise self._unknown("update", name)
            args = self._call(handler, name, payloads)
        except ApplicationError as error:
            failure = self.commands.failure(error)
            self.commands.list.append({"command": "updated", "update_id": id_, "failure": failure})
            return
        self._task(handler, name, self._run_update(handler, name, id_, args))

    async def _run_update(self, handler: Handler, name: str, id_: str, args: list[Any]) -> None:
        update_info.set(UpdateInfo(id_, name))
        command: Head = {"command": "updated", "update_id": id_}
        try:
            result = handler.fn(*args)
            if handler.is_async:
                result = await result
            if result is not None:
                command["result"] = self._encode(result, "the result")
        except BaseException as error:
            if isinstance(error, ContinueAsNewError) or not self.is_failure(error):
                self._ended_with(error)
                return
            try:
                command["failure"] = self.commands.failure(error)
            except BaseException as wrong:
                self._failed = wrong
                return
        if self._main_ended_before:
            return
        self.commands.list.append(command)

    def _unknown(self, kind: str, name: str) -> ApplicationError:
        known = ", ".join(sorted(n for k, n in self.handlers if k == kind and n)) or "none"
        plural = {"query": "queries", "update": "updates"}[kind]
        return ApplicationError(
            f"the workflow has no {kind} {name}; {plural} that there are: {known}",
            type=f"Unknown{kind.capitalize()}",
        )

    def _answer(self, job: Head) -> None:
        """Answers a query, or a validation."""
        kind = "query" if job["job"] == "query" else "update"
        name = job["name"]
        what = f"query {name}" if kind == "query" else f"the validator of update {name}"
        answer: Head = {"command": "answer"}
        self.read_only = what
        try:
            result = self._answer_of(kind, name, job)
            if result is not None:
                answer["result"] = self._encode(result, "the answer")
        except BaseException as error:
            answer["failure"] = self.commands.failure(error)
        finally:
            self.read_only = None
        self.commands.list[:] = [answer]

    def _answer_of(self, kind: str, name: str, job: Head) -> Any:
        handler = self.handler(kind, name)
        payloads = self.activation.payloads(job.get("args"))
        if handler is None:
            if name == "__stack_trace":
                return self.stacks()
            raise self._unknown(kind, name)
        args = self._call(handler, name, payloads)
        if kind == "query":
            return handler.fn(*args)
        if handler.validator is not None:
            token = update_info.set(UpdateInfo(job["update_id"], name))
            try:
                handler.validator(*args)
            finally:
                update_info.reset(token)
        return None

    def stacks(self) -> str:
        """What all tasks wait in."""
        texts: list[str] = []
        tasks: Iterable[asyncio.Task[Any]] = asyncio.all_tasks(self.loop)
        for task in sorted(tasks, key=lambda t: t.get_name()):
            frames = [
                line
                for frame in task.get_stack()
                for line in traceback.format_stack(frame)[-1:]
                if not str(frame.f_globals.get("__name__", "")).startswith("wasmworker._workflow.")
            ]
            inner: Any = task.get_coro()
            while inner is not None:
                inner = getattr(inner, "cr_await", None)
                frame = getattr(inner, "cr_frame", None)
                if frame is not None:
                    frames += traceback.format_stack(frame)[-1:]
            texts.append(f"{task.get_name()}:\n{''.join(frames)}")
        return "\n".join(texts)


_current: Run | None = None


def current() -> Run:
    """The run of this instance.

    :raises NotInWorkflowError: there is none
    """
    if _current is None:
        raise NotInWorkflowError("Not in workflow: this works while a workflow runs only")
    return _current


def in_workflow() -> bool:
    return _current is not None


def activate(host: Host, definition: Workflow, before: Callable[[], None] | None = None) -> int:
    """Runs an activation and returns its status. Nothing is raised.

    ``before`` is called before the first one of a run.
    """
    global _current
    try:
        activation = Activation(host.activation())
        if activation.jobs[0]["job"] == "start":
            if before is not None:
                before()
            _current = Run(host, definition)
        return current().activate(activation)
    except BaseException as error:
        failed = _current or Run(host, definition)
        failed.read_only = None
        return failed.fail_task(error)
    finally:
        _run._flush()
