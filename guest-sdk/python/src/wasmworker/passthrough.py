"""Host modules that the operator's own program has."""

from __future__ import annotations

import json
from typing import Any

from wasmworker import _host
from wasmworker.exceptions import PassthroughError

__all__ = ["PassthroughError", "call", "call_json"]


def call(module: str, function: str, request: bytes | str = b"") -> bytes:
    """Calls a function of a host module by its short name: ``call("weather", "forecast", …)``.

    The bundle has to ask for it: ``wasmworker build --passthrough weather.forecast``. A
    version other than 1 is a part of the module's name, ``"weather/v2"``.

    :raises PassthroughError: what the function answers with, or ``ENOSYS`` if the bundle did
        not ask for it
    :raises ValueError: it is a module of wasmworker's own, which has no such function
    """
    return _host.call(module, function, request.encode() if isinstance(request, str) else request)


def call_json(module: str, function: str, request: Any = None) -> Any:
    """As `call`, with JSON both ways. None is no bytes."""
    text = b"" if request is None else json.dumps(request).encode()
    response = call(module, function, text)
    return json.loads(response) if response else None
