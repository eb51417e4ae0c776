"""An event loop whose timers are the run's durable ones, and which never waits itself."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from contextvars import Context
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from wasmworker._workflow._run import Run

_NO_THREADS = "workflows have neither threads nor executors: have an activity do it"


class Timer(asyncio.TimerHandle):
    """A timer, by the number of the command that began it."""

    number = 0


class Loop(asyncio.AbstractEventLoop):
    def __init__(self, run: Run) -> None:
        self._run = run
        self._ready: deque[asyncio.Handle] = deque()

    def run_ready(self) -> None:
        """Runs callbacks until there are none."""
        asyncio._set_running_loop(self)
        try:
            while self._ready:
                handle = self._ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            asyncio._set_running_loop(None)

    def time(self) -> float:
        return self._run.time()

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.timer(delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.timer(when - self.time(), callback, *args, context=context)

    def timer(
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Context | None = None,
        summary: str | None = None,
    ) -> Timer:
        timer = Timer(self.time() + delay, callback, args, self, context)
        if delay <= 0:
            self._ready.append(timer)
        else:
            # A sum of seconds since the epoch is exact to less than 1 microsecond.
            self._run.begin_timer(timer, max(1, math.ceil(round(delay * 1000, 2))), summary)
        return timer

    def fire(self, timer: Timer) -> None:
        self._ready.append(timer)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, Timer) and handle.number:
            self._run.cancel_timer(handle)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        return asyncio.Task(coro, loop=self, **options)

    def get_task_factory(self) -> None:
        return None

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        from wasmworker._workflow._run import logger

        error = context.get("exception")
        logger.error("%s", context.get("message", "an exception nobody handles"), exc_info=error)

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)

    def get_exception_handler(self) -> None:
        return None

    async def shutdown_asyncgens(self) -> None:
        pass

    def run_until_complete(self, future: Any) -> NoReturn:
        raise RuntimeError("the workflow's own loop runs: await it")

    def run_forever(self) -> NoReturn:
        raise RuntimeError("the workflow's own loop runs")

    def call_soon_threadsafe(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> NoReturn:
        raise RuntimeError(_NO_THREADS)

    def run_in_executor(self, *args: Any) -> NoReturn:  # type: ignore[override]
        raise RuntimeError(_NO_THREADS)
