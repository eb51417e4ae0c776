"""What stands for the interpreter's module ``_wasmworker``: the guest contract in memory."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import logging
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

Payload = tuple[bytes, str | None]


def payload(value: Any) -> Payload:
    return json.dumps(value).encode(), "json/plain"


class Host(ModuleType):
    """``args`` and ``details`` are payloads. ``calls`` answers passthrough functions."""

    def __init__(self, *args: Payload, details: tuple[Payload, ...] = (), **info: Any) -> None:
        super().__init__("_wasmworker")
        self.args = args
        self.details = details
        self.given = {"activity_id": "17", "attempt": 1, **info}
        self.flags = 0
        self.flags_after: tuple[int, int] | None = None  # heartbeats, flags
        self.limit = 2 << 20
        self.failure_limit = 256 << 10
        self.calls: dict[str, Callable[..., Any]] = {}
        self.metadata: dict[int, dict[str, str]] = {}
        self.sent: list[list[Any]] = []
        self.logs: list[tuple[int, str, dict[str, Any]]] = []
        self.result: tuple[bytes, str, bytes] | None = None
        self.failure: Any = None
        self._random = itertools.count(1)

    def arg_count(self) -> int:
        return len(self.args)

    def arg(self, index: int, /) -> bytes:
        return self.args[index][0]

    def arg_encoding(self, index: int, /) -> str | None:
        return self.args[index][1]

    def arg_metadata(self, index: int, /) -> bytes:
        encoding = self.args[index][1]
        metadata = dict(self.metadata.get(index, {}))
        if encoding is not None:
            metadata["encoding"] = encoding
        return json.dumps(metadata).encode()

    def output(self, data: bytes, encoding: str, metadata: bytes = b"", /) -> None:
        assert type(data) is bytes and type(encoding) is str and type(metadata) is bytes
        if len(data) > self.limit:
            raise OSError(35, "the output is above the limit")
        self.result = (data, encoding, metadata)

    def fail(self, failure: bytes, /) -> None:
        if len(failure) > self.failure_limit:
            raise OSError(35, "the failure is too long")
        self.failure = json.loads(failure)

    def info(self) -> bytes:
        return json.dumps(self.given).encode()

    def status(self) -> int:
        return self.flags

    def heartbeat(self, details: list[tuple[bytes, str]], /) -> int:
        if sum(len(data) for data, _ in details) > self.limit:
            raise OSError(35, "the details are above the limit")
        self.sent.append([json.loads(d) if e == "json/plain" else (d, e) for d, e in details])
        if self.flags_after is not None and len(self.sent) >= self.flags_after[0]:
            self.flags |= self.flags_after[1]
        return self.flags

    def detail_count(self) -> int:
        return len(self.details)

    def detail(self, index: int, /) -> bytes:
        return self.details[index][0]

    def detail_encoding(self, index: int, /) -> str | None:
        return self.details[index][1]

    def log(self, level: int, message: str, attributes: bytes, /) -> None:
        self.logs.append((level, message, json.loads(attributes) if attributes else {}))

    def call(self, module: str, function: str, request: bytes, body: bytes = b"", /) -> Any:
        f = self.calls.get(f"{module}.{function}")
        if f is None:
            raise OSError(52, "no such function")
        return f(request, body)

    def random(self, n: int, /) -> bytes:
        return next(self._random).to_bytes(n, "little")

    @property
    def value(self) -> Any:
        assert self.result is not None and self.result[1] == "json/plain", self.result
        return json.loads(self.result[0])


def bundle(files: dict[str, str | bytes], **settings: Any) -> bytes:
    """A bundle as `wasmworker build` makes it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bundle.json", json.dumps({"entry": "app", **settings}))
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


@contextlib.contextmanager
def logging_to(host: Host) -> Iterator[None]:
    """Has Python's logging write to a host, as it does in the sandbox."""
    from wasmworker import _logging

    handler, root = _logging.Handler(host), logging.getLogger()
    loud = logging.getLogger("wasmworker.activity")
    levels = root.level, loud.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    loud.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(levels[0])
        loud.setLevel(levels[1])


def install() -> None:
    """Has ``import _wasmworker`` find a host, as the boot code does first."""
    sys.modules.setdefault("_wasmworker", Host())


if __name__ == "__main__":
    # Runs an app as the interpreter does, in a process of its own: python fakehost.py
    # BUNDLE ACTIVITY JSON…
    install()
    sys.path.insert(0, os.environ["WASMWORKER_SRC"])
    from wasmworker import _boot

    with open(sys.argv[1], "rb") as file:
        _boot.boot(file.read())
    names = _boot.notes() if sys.argv[2:] == ["--notes"] else _boot.activities()
    if sys.argv[2:] != ["--notes"] and len(sys.argv) > 2:
        host = sys.modules["_wasmworker"]
        assert isinstance(host, Host)
        host.args = tuple((arg.encode(), "json/plain") for arg in sys.argv[3:])
        status = _boot.run(names.index(sys.argv[2]))
        names = {  # type: ignore[assignment]
            "status": status,
            "result": host.result and host.result[0].decode(),
            "encoding": host.result and host.result[1],
            "failure": host.failure,
            "logs": host.logs,
            "sent": host.sent,
        }
    print(json.dumps(names))
