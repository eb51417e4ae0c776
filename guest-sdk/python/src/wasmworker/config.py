"""Values that the operator gives the module: the grant ``config``.

Functions raise `wasmworker.exceptions.PassthroughError`, as all host modules do.
"""

from __future__ import annotations

from typing import TypeVar, overload

from wasmworker import _host
from wasmworker.exceptions import PassthroughError

__all__ = ["get"]

T = TypeVar("T")


@overload
def get(name: str) -> str | None: ...
@overload
def get(name: str, default: T) -> str | T: ...
def get(name: str, default: T | None = None) -> str | T | None:
    """The value of a name, or the default if the operator gave none."""
    try:
        return _host.call("config", "get", name.encode()).decode()
    except PassthroughError as error:
        if error.code == "ENOENT":
            return default
        raise
