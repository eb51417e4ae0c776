"""Exceptions of activities and workflows, with the names and meanings of ``temporalio.exceptions``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import timedelta
from enum import IntEnum
from typing import Any

__all__ = [
    "ActivityError",
    "ApplicationError",
    "ApplicationErrorCategory",
    "CancelledError",
    "ChildWorkflowError",
    "FailureError",
    "PassthroughError",
    "RetryState",
    "ServerError",
    "TemporalError",
    "TerminatedError",
    "TimeoutError",
    "TimeoutType",
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


class TerminatedError(FailureError):
    """A workflow was terminated."""

    def __init__(self, message: str, *details: Any) -> None:
        super().__init__(message)
        self._details = details

    @property
    def details(self) -> Sequence[Any]:
        return self._details


class TimeoutType(IntEnum):
    """Which timeout it was."""

    START_TO_CLOSE = 1
    SCHEDULE_TO_START = 2
    SCHEDULE_TO_CLOSE = 3
    HEARTBEAT = 4


class TimeoutError(FailureError):  # noqa: A001
    """A timeout of an activity or a workflow has passed."""

    def __init__(
        self, message: str, *, type: TimeoutType | None, last_heartbeat_details: Sequence[Any]
    ) -> None:
        super().__init__(message)
        self._type = type
        self._last_heartbeat_details = last_heartbeat_details

    @property
    def type(self) -> TimeoutType | None:
        return self._type

    @property
    def last_heartbeat_details(self) -> Sequence[Any]:
        return self._last_heartbeat_details


class ServerError(FailureError):
    """The server failed, or refused something."""

    def __init__(self, message: str, *, non_retryable: bool = False) -> None:
        super().__init__(message)
        self._non_retryable = non_retryable

    @property
    def non_retryable(self) -> bool:
        return self._non_retryable


class RetryState(IntEnum):
    """Why something was not tried again."""

    IN_PROGRESS = 1
    NON_RETRYABLE_FAILURE = 2
    TIMEOUT = 3
    MAXIMUM_ATTEMPTS_REACHED = 4
    RETRY_POLICY_NOT_SET = 5
    INTERNAL_SERVER_ERROR = 6
    CANCEL_REQUESTED = 7


class ActivityError(FailureError):
    """An activity of a workflow has failed. ``cause`` tells why."""

    def __init__(
        self,
        message: str,
        *,
        scheduled_event_id: int = 0,
        started_event_id: int = 0,
        identity: str = "",
        activity_type: str,
        activity_id: str,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self._scheduled_event_id = scheduled_event_id
        self._started_event_id = started_event_id
        self._identity = identity
        self._activity_type = activity_type
        self._activity_id = activity_id
        self._retry_state = retry_state

    @property
    def scheduled_event_id(self) -> int:
        """0: workflows here are not told."""
        return self._scheduled_event_id

    @property
    def started_event_id(self) -> int:
        """0: workflows here are not told."""
        return self._started_event_id

    @property
    def identity(self) -> str:
        """Empty: workflows here are not told."""
        return self._identity

    @property
    def activity_type(self) -> str:
        return self._activity_type

    @property
    def activity_id(self) -> str:
        return self._activity_id

    @property
    def retry_state(self) -> RetryState | None:
        return self._retry_state


class ChildWorkflowError(FailureError):
    """A child workflow has failed. ``cause`` tells why."""

    def __init__(
        self,
        message: str,
        *,
        namespace: str = "",
        workflow_id: str,
        run_id: str,
        workflow_type: str,
        initiated_event_id: int = 0,
        started_event_id: int = 0,
        retry_state: RetryState | None,
    ) -> None:
        super().__init__(message)
        self._namespace = namespace
        self._workflow_id = workflow_id
        self._run_id = run_id
        self._workflow_type = workflow_type
        self._initiated_event_id = initiated_event_id
        self._started_event_id = started_event_id
        self._retry_state = retry_state

    @property
    def namespace(self) -> str:
        return self._namespace

    @property
    def workflow_id(self) -> str:
        return self._workflow_id

    @property
    def run_id(self) -> str:
        return self._run_id

    @property
    def workflow_type(self) -> str:
        return self._workflow_type

    @property
    def initiated_event_id(self) -> int:
        """0: workflows here are not told."""
        return self._initiated_event_id

    @property
    def started_event_id(self) -> int:
        """0: workflows here are not told."""
        return self._started_event_id

    @property
    def retry_state(self) -> RetryState | None:
        return self._retry_state


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
    """Whether an exception says that something was cancelled: asyncio's, or this module's.

    So does that of an activity or a child workflow that was cancelled.
    """
    asyncio = sys.modules.get("asyncio")  # which is not imported for this alone
    if isinstance(exception, (ActivityError, ChildWorkflowError)):
        return isinstance(exception.cause, CancelledError)
    return isinstance(exception, CancelledError) or (
        asyncio is not None and isinstance(exception, asyncio.CancelledError)
    )
