"""An event loop for a place with neither threads nor sockets: it runs callbacks and sleeps.

Each turn asks the host whether the activity should stop.
"""

from __future__ import annotations

import asyncio
import asyncio.base_events
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from wasmworker import _context


class _Selector:
    """What the loop waits with: there are no files, only time."""

    def select(self, timeout: float | None = None) -> tuple[()]:
        context = _context.current.get(None)
        if context is None:
            if timeout is None:
                raise RuntimeError("nothing is scheduled that could end the wait")
            _context.Context.sleep(None, timeout)  # type: ignore[arg-type]
            return ()
        before = context._seen
        context.poll()
        if context._seen == before and (timeout is None or timeout > 0):
            # Forever, if nothing is scheduled: until the activity is canceled, or times
            # out, as it would with any other loop.
            context.sleep(_context.POLL if timeout is None else min(timeout, _context.POLL))
            context.poll()
        return ()

    def close(self) -> None:
        pass


class Loop(asyncio.base_events.BaseEventLoop):
    _ready: deque[asyncio.Handle]
    _asyncgens: weakref.WeakSet[Any]

    def __init__(self) -> None:
        super().__init__()
        self._selector = _Selector()
        self._clock_resolution = 1e-9

    def _process_events(self, event_list: Any) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # it wakes a loop that another thread calls

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Calls the function at once, since there are no threads (asyncio.to_thread, too)."""
        future = self.create_future()
        try:
            result = func(*args)
        except StopIteration as error:
            future.set_exception(RuntimeError(f"the function raised {error!r}"))
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def begin(self, main: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs a coroutine up to where it waits, or to its end: most need no turn."""
        if self.get_task_factory() is not None or sys.version_info < (3, 12):
            return self.create_task(main)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        self._thread_id = threading.get_ident()
        asyncio._set_running_loop(self)
        try:
            return asyncio.Task(main, loop=self, eager_start=True)
        finally:
            asyncio._set_running_loop(None)
            self._thread_id = None
            sys.set_asyncgen_hooks(*hooks)

    def left(self) -> bool:
        """Whether there may be tasks or asynchronous generators that have not ended."""
        return bool(self._ready or self._asyncgens or self.get_task_factory() is not None)

    def drop(self) -> None:
        """Cancels what has not ended."""
        if tasks := asyncio.all_tasks(self):
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        if self._asyncgens:
            self.run_until_complete(self.shutdown_asyncgens())

    async def getaddrinfo(self, *args: Any, **kwargs: Any) -> Any:
        from wasmworker import _sandbox

        raise OSError(_sandbox.NO_SOCKETS)

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        from wasmworker import _sandbox

        raise OSError(_sandbox.NO_SOCKETS)

    async def create_server(self, *args: Any, **kwargs: Any) -> Any:
        from wasmworker import _sandbox

        raise OSError(_sandbox.NO_SOCKETS)


async def _main(context: _context.Context, main: Coroutine[Any, Any, Any]) -> Any:
    context.task = asyncio.current_task()
    return await main


def run(loop: Loop, context: _context.Context, main: Coroutine[Any, Any, Any]) -> Any:
    """Runs an activity's coroutine to its end, and drops what it has left behind."""
    asyncio.set_event_loop(loop)
    try:
        task = loop.begin(_main(context, main))
        if task.done() and not loop.left():
            return task.result()
        try:
            return loop.run_until_complete(task)
        finally:
            context.task = None
            loop.drop()
    finally:
        context.task = None
        asyncio.set_event_loop(None)
