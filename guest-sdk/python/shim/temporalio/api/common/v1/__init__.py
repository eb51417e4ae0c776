"""``temporalio.api.common.v1`` on wasmworker."""

from wasmworker.common import Payload

__all__ = ["Payload"]
