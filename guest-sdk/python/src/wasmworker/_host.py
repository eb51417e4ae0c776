"""Passthrough functions, wherever they come from: the interpreter, or a test."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Protocol

from wasmworker.exceptions import PassthroughError


class Caller(Protocol):
    def call(
        self, module: str, function: str, request: bytes, body: bytes = b"", /
    ) -> bytes | tuple[bytes, bytes]: ...


try:
    import _wasmworker
except ImportError:  # natively
    _default: Caller | None = None
else:
    _default = _wasmworker

_instead: ContextVar[Caller | None] = ContextVar("host", default=None)


@contextlib.contextmanager
def instead(caller: Caller) -> Iterator[None]:
    """Has another host answer."""
    token = _instead.set(caller)
    try:
        yield
    finally:
        _instead.reset(token)


def _call(module: str, function: str, request: bytes, body: bytes) -> Any:
    caller: Caller | None = _instead.get() or _default
    if caller is None:
        raise RuntimeError(
            f"{module}.{function} can be called in wasmworker's sandbox only: in tests, give "
            "wasmworker.testing.ActivityEnvironment what stands for it"
        )
    try:
        return caller.call(module, function, request, body)
    except OSError as error:
        raise PassthroughError(error.errno or 29, error.strerror or str(error)) from None


def call(module: str, function: str, request: bytes) -> bytes:
    """Calls a function whose request and response are bytes."""
    response = _call(module, function, request, b"")
    if isinstance(response, tuple):
        raise TypeError(f"{module}.{function} exchanges frames")
    return bytes(response)


def exchange(
    module: str, function: str, head: dict[str, Any] | bytes, body: bytes = b""
) -> tuple[dict[str, Any], bytes]:
    """Calls a function whose request and response are frames: a head in JSON, and bytes."""
    request = head if isinstance(head, bytes) else _head(head)
    response = _call(module, function, request, body)
    if not isinstance(response, tuple):
        response = (response, b"")
    text, answer = response
    return json.loads(text) if text else {}, bytes(answer)


def _head(head: dict[str, Any]) -> bytes:
    return json.dumps({name: value for name, value in head.items() if value is not None}).encode()
