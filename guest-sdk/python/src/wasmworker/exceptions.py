"""Exceptions of activities, with the names and meanings of ``temporalio.exceptions``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any

__all__ = [
    "ApplicationError",
    "ApplicationErrorCategory",
    "CancelledError",
    "FailureError",
    "PassthroughError",
    "TemporalError",
    "is_cancelled_exception",
]


class TemporalError(Exception):
    """Base of all exceptions that Temporal has a meaning for."""

    @property
    def cause(self) -> BaseException | None:
        """The exception that this one was raised from."""
        return self.__cause__


class FailureError(TemporalError):
    """Base of the exceptions that tell more of a failure than its message."""

    def __init__(self, message: str, *, exc_args: tuple[Any, ...] | None = None) -> None:
        super().__init__(*((message,) if exc_args is None else exc_args))
        self._message = message

    @property
    def message(self) -> str:
        """The message alone: ``str()`` has the type before it, if there is one."""
        return self._message

    @property
    def failure(self) -> None:
        """None: an activity's failure is made of the exception when the activity has ended."""
        return None


class ApplicationErrorCategory(IntEnum):
    """How grave an error is."""

    UNSPECIFIED = 0
    BENIGN = 1
    """Expected: Temporal neither counts nor logs it as an error."""


class ApplicationError(FailureError):
    """Fails the activity with a type, details, and what is to become of its retries.

    :param message: the failure's message
    :param details: any number of values that JSON can be made of
    :param type: what retry policies and workflows compare with; none by default
    :param non_retryable: the activity is not tried again
    :param next_retry_delay: replaces the retry policy's delay; 0 or more
    :param category: ``BENIGN`` for what is expected
    """

    def __init__(
        self,
        message: str,
        *details: Any,
        type: str | None = None,
        non_retryable: bool = False,
        next_retry_delay: timedelta | None = None,
        category: ApplicationErrorCategory = ApplicationErrorCategory.UNSPECIFIED,
    ) -> None:
        super().__init__(message, exc_args=(f"{type}: {message}" if type else message,))
        self._details = details
        self._type = type
        self._non_retryable = non_retryable
        self._next_retry_delay = next_retry_delay
        self._category = category

    @property
    def details(self) -> Sequence[Any]:
        return self._details

    @property
    def type(self) -> str | None:
        return self._type

    @property
    def non_retryable(self) -> bool:
        return self._non_retryable

    @property
    def next_retry_delay(self) -> timedelta | None:
        return self._next_retry_delay

    @property
    def category(self) -> ApplicationErrorCategory:
        return self._category


class CancelledError(FailureError):
    """Ends the activity as canceled, with details, when it was asked to stop."""

    def __init__(self, message: str = "Cancelled", *details: Any) -> None:
        super().__init__(message)
        self._details = details

    @property
    def details(self) -> Sequence[Any]:
        return self._details


class PassthroughError(Exception):
    """A function of a host module failed.

    ``str()`` is the host's sentence, ``errno`` its number, and ``code`` the name of that:
    ``"EACCES"`` says that the operator's policy denies it.
    The numbers are those of WASI, which other systems number differently: compare ``code``.
    """

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno
        self.code = _code(errno)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.errno, str(self))


def _code(errno: int) -> str:
    from wasmworker._abi import ERRNOS

    for name, number in ERRNOS.items():
        if number == errno:
            return name
    return f"errno {errno}"


def is_cancelled_exception(exception: BaseException) -> bool:
    """Whether an exception says that something was cancelled: asyncio's, or this module's."""
    asyncio = sys.modules.get("asyncio")  # which is not imported for this alone
    return isinstance(exception, CancelledError) or (
        asyncio is not None and isinstance(exception, asyncio.CancelledError)
    )
