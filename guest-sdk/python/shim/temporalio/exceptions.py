"""``temporalio.exceptions`` on wasmworker."""

from wasmworker.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    FailureError,
    TemporalError,
    is_cancelled_exception,
)

__all__ = [
    "ApplicationError",
    "ApplicationErrorCategory",
    "CancelledError",
    "FailureError",
    "TemporalError",
    "is_cancelled_exception",
]
