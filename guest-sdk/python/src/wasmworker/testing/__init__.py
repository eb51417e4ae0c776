"""Runs activities natively, in tests, as ``temporalio.testing`` does.

    env = ActivityEnvironment()
    env.config["region"] = "eu"
    assert env.run(greet, Name("Ada")) == Greeting("Hello, Ada!")

Arguments and results are not converted here: `wasmworker test` runs the built module with
JSON.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any, ParamSpec, TypeVar, cast

from wasmworker import _abi, _context, _host, _registry
from wasmworker.activity import ActivityCancellationDetails, Info
from wasmworker.common import Priority
from wasmworker.converter import PayloadConverter
from wasmworker.exceptions import PassthroughError
from wasmworker.testing._fakes import Fakes, HTTPRequest, HTTPResponse

__all__ = ["ActivityEnvironment", "HTTPRequest", "HTTPResponse", "PassthroughError"]

P = ParamSpec("P")
R = TypeVar("R")

_ASKED = ActivityCancellationDetails(cancel_requested=True)


class ActivityEnvironment(Fakes):
    """What an activity finds in a test.

    ``info`` is what `activity.info` returns: change it by ``dataclasses.replace``.
    ``on_heartbeat`` is called with the details of each heartbeat.
    ``payload_converter`` is what `activity.payload_converter` returns.

    What stands for the host modules:

    ``config`` and ``secrets`` have the values of names;
    ``http`` is called with each `HTTPRequest` and returns an `HTTPResponse`;
    ``databases`` has connections of Python's ``sqlite3`` by their names;
    ``buckets`` has a dictionary for each bucket, from keys to bytes;
    ``passthrough`` has other functions, such as ``"weather.forecast"``, which take and return
    bytes, and raise `PassthroughError`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.info = self.default_info()
        self.on_heartbeat: Callable[..., None] = lambda *details: None
        self.payload_converter = PayloadConverter.default
        self._flags = 0
        self._cancellation: ActivityCancellationDetails | None = None
        self._contexts: set[_TestContext] = set()

    @staticmethod
    def default_info() -> Info:
        """The info of an environment that nobody has changed."""
        zero = datetime.fromtimestamp(0, timezone.utc)
        return Info(
            activity_id="test",
            activity_type="unknown",
            attempt=1,
            current_attempt_scheduled_time=zero,
            heartbeat_details=[],
            heartbeat_timeout=None,
            is_local=False,
            namespace="default",
            schedule_to_close_timeout=timedelta(seconds=1),
            scheduled_time=zero,
            start_to_close_timeout=timedelta(seconds=1),
            started_time=zero,
            task_queue="test",
            task_token=b"test",
            workflow_id="test",
            workflow_namespace="default",
            workflow_run_id="test-run",
            workflow_type="test",
            priority=Priority.default,
            retry_policy=None,
        )

    def cancel(self, cancellation_details: ActivityCancellationDetails = _ASKED) -> None:
        """Asks activities to stop, those that run and those that begin later. Once."""
        if self._cancellation is None:
            self._cancellation = cancellation_details
            flags = (
                _abi.CANCEL_REQUESTED * cancellation_details.cancel_requested
                | _abi.PAUSED * cancellation_details.paused
                | _abi.RESET * cancellation_details.reset
                | _abi.GONE * (cancellation_details.not_found or cancellation_details.timed_out)
            )
            self._set(flags or _abi.CANCEL_REQUESTED)

    def worker_shutdown(self) -> None:
        """Tells activities that the worker is shutting down."""
        self._set(_abi.WORKER_STOPPING)

    def _set(self, flags: int) -> None:
        self._flags |= flags
        for context in list(self._contexts):
            context.tell()

    def run(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls a function as an activity, and returns its result: of an ``async def`` one
        what has to be awaited.
        """
        definition = _registry.of(fn)
        context = _TestContext(self, raises=definition is None or definition.raises)
        if inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
            getattr(fn, "__call__", None)  # noqa: B004
        ):
            main: Any = fn(*args, **kwargs)
            running: Any = self._run_async(context, main)
            return cast("R", running)
        with self._running(context):
            context.poll()
            return fn(*args, **kwargs)

    async def _run_async(self, context: _TestContext, main: Coroutine[Any, Any, R]) -> R:
        with self._running(context):
            context.loop = asyncio.get_running_loop()
            context.task = context.loop.create_task(main)
            context.poll()
            try:
                result: R = await context.task
                return result
            finally:
                context.task.cancel()

    @contextmanager
    def host(self) -> Iterator[None]:
        """What stands for the host modules, for code that runs outside of `run`."""
        with _host.instead(self):
            yield

    @contextmanager
    def _running(self, context: _TestContext) -> Iterator[None]:
        token = _context.current.set(context)
        self._contexts.add(context)
        try:
            with self.host():
                yield
        finally:
            self._contexts.discard(context)
            _context.current.reset(token)


class _TestContext(_context.Context):
    def __init__(self, env: ActivityEnvironment, *, raises: bool) -> None:
        super().__init__(raises=raises)
        self._env = env
        self.payload_converter = env.payload_converter
        self.loop: asyncio.AbstractEventLoop | None = None

    def info(self) -> Info:
        return self._env.info

    def send_heartbeat(self, details: Sequence[Any]) -> int:
        self._env.on_heartbeat(*details)
        return self._env._flags

    def status(self) -> int:
        return self._env._flags

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        return self._env._cancellation

    def tell(self) -> None:
        """What the event loop of the sandbox does in each turn."""
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.poll)
        else:
            self.poll()
