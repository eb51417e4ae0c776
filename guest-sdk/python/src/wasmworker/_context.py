"""One attempt of an activity: what it is told, and how it sees that it should stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from wasmworker import _abi
from wasmworker.exceptions import CancelledError

if TYPE_CHECKING:
    import asyncio

    from wasmworker.activity import ActivityCancellationDetails, Info
    from wasmworker.converter import PayloadConverter

current: ContextVar[Context] = ContextVar("activity")

# How long a wait goes on before the host is asked again, in seconds.
POLL = 0.1


def get() -> Context:
    """The attempt that runs.

    :raises RuntimeError: none does
    """
    context = current.get(None)
    if context is None:
        raise RuntimeError("Not in activity context: this works while an activity runs only")
    return context


class Context:
    """What is the same in the sandbox and in tests.

    ``task`` is the task of an ``async def`` activity.
    ``raises`` says whether a synchronous one is told of its cancellation by an exception.
    """

    payload_converter: PayloadConverter

    def __init__(self, *, raises: bool) -> None:
        self.task: asyncio.Task[Any] | None = None
        self.wake: Callable[[], None] | None = None
        self._raises = raises
        self._shields = 0
        self._seen = 0  # the flags that were acted on
        self._cancellation: ActivityCancellationDetails | None = None

    def info(self) -> Info:
        raise NotImplementedError

    def send_heartbeat(self, details: Sequence[Any]) -> int:
        """Sends a heartbeat, and returns the flags."""
        raise NotImplementedError

    def status(self) -> int:
        """The flags."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> None:
        """Waits for at most so long, and may return earlier if a flag was set."""
        time.sleep(seconds)

    def heartbeat(self, details: Sequence[Any]) -> None:
        self.see(self.send_heartbeat(details))
        self._raise()

    def see(self, flags: int) -> None:
        """Acts on flags: cancels the task, or has the next heartbeat raise, once."""
        new = flags & ~self._seen
        if not new:
            return
        ends = new & _abi.ENDS and not self._seen & _abi.ENDS
        self._seen |= flags
        if ends:
            self._cancellation = _details(flags)
            if self.task is not None:
                self.task.cancel()
            else:
                self._pending = self._raises
        if self.wake is not None:
            self.wake()

    _pending = False

    def _raise(self) -> None:
        if self._pending and self._shields == 0:
            self._pending = False
            raise CancelledError

    def poll(self) -> int:
        """Asks for the flags and acts on them, but for raising."""
        flags = self.status()
        self.see(flags)
        return flags

    def wait(self, flags: int, seconds: float | None) -> None:
        """Blocks until one of the flags is set, or for so long."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.poll() & flags:
            left = POLL if end is None else end - time.monotonic()
            if left <= 0:
                return
            self.sleep(min(left, POLL))

    async def wait_async(self, flags: int) -> None:
        """Waits until one of the flags is set. The event loop asks for them."""
        import asyncio

        if self.task is None:
            raise RuntimeError("not in async activity")
        while not self.poll() & flags:
            await asyncio.sleep(POLL)

    @contextlib.contextmanager
    def shield(self) -> Iterator[None]:
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
            if self.task is None:
                self.poll()
                self._raise()

    def cancellation_details(self) -> ActivityCancellationDetails | None:
        self.poll()
        return self._cancellation


def _details(flags: int) -> ActivityCancellationDetails:
    from wasmworker.activity import ActivityCancellationDetails

    return ActivityCancellationDetails(
        not_found=bool(flags & _abi.GONE),
        cancel_requested=bool(flags & _abi.CANCEL_REQUESTED),
        paused=bool(flags & _abi.PAUSED),
        reset=bool(flags & _abi.RESET),
        worker_shutdown=bool(flags & _abi.WORKER_STOPPING),
    )
