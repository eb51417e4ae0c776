"""``temporalio.common`` on wasmworker."""

from wasmworker.common import Priority, RawValue, RetryPolicy

__all__ = ["Priority", "RawValue", "RetryPolicy"]
