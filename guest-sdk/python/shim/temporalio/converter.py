"""``temporalio.converter`` on wasmworker."""

from wasmworker.converter import PayloadConverter, value_to_type

__all__ = ["PayloadConverter", "value_to_type"]
