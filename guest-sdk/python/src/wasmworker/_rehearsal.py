"""Runs activities once when the module is initialized, so that what they import and cache is
there in each call.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from wasmworker import _abi, _host, _run, activity
from wasmworker._registry import Definition
from wasmworker.converter import encode

_INFO = json.dumps(
    {
        "activity_id": "rehearsal",
        "attempt": 1,
        "namespace": "default",
        "task_queue": "rehearsal",
        "scheduled_time": "1970-01-01T00:00:00Z",
        "started_time": "1970-01-01T00:00:00Z",
    }
).encode()


# So often is run what all activities have in common: the interpreter has specialized that
# code then, which it would do in each activity otherwise.
_TIMES = 8


class SilentHost:
    """A host that has arguments, and that nothing comes out of."""

    def __init__(self, args: Iterable[Any]) -> None:
        self._args = [encode(arg) for arg in args]
        self.failure: dict[str, Any] | None = None

    def arg_count(self) -> int:
        return len(self._args)

    def arg(self, index: int, /) -> bytes:
        return self._args[index][0]

    def arg_encoding(self, index: int, /) -> str | None:
        return self._args[index][1]

    def arg_metadata(self, index: int, /) -> bytes:
        return json.dumps({"encoding": self._args[index][1]}).encode()

    def output(self, data: bytes, encoding: str, metadata: bytes = b"", /) -> None:
        pass

    def fail(self, failure: bytes, /) -> None:
        self.failure = json.loads(failure)

    def info(self) -> bytes:
        return _INFO

    def status(self) -> int:
        return 0

    def heartbeat(self, details: list[tuple[bytes, str]], /) -> int:
        return 0

    def detail_count(self) -> int:
        return 0

    def detail(self, index: int, /) -> bytes:
        raise IndexError(index)

    def detail_encoding(self, index: int, /) -> str | None:
        raise IndexError(index)

    def log(self, level: int, message: str, attributes: bytes, /) -> None:
        pass

    def call(self, module: str, function: str, request: bytes, body: bytes = b"", /) -> bytes:
        raise OSError(_abi.ERRNOS["EINVAL"], f"{module}.{function} cannot be called in a rehearsal")

    def random(self, n: int, /) -> bytes:
        return bytes(n)


@dataclass
class _Sample:
    text: str


def _sample(sample: _Sample) -> _Sample:
    activity.info()
    activity.heartbeat(1)
    activity.logger.debug("%s", sample.text, extra={"number": 1})
    return sample


async def _sample_async(sample: _Sample) -> _Sample:
    return sample


def warm(asynchronous: bool) -> None:
    """Runs what all activities have in common, of which most have no example."""
    for fn in (_sample, _sample_async) if asynchronous else (_sample,):
        definition = Definition("sample", fn, fn is not _sample, True, None, "")
        definition.prepare()
        for _ in range(_TIMES):
            _run.run(SilentHost([_Sample("text")]), definition)


def rehearse(
    cases: Iterable[Mapping[str, Any]],
    activities: Mapping[str, Definition],
    watched: Callable[[], AbstractContextManager[list[Any]]] = lambda: nullcontext([]),
) -> dict[str, dict[str, Any]]:
    report: dict[str, dict[str, Any]] = {}
    for case in cases:
        name = case["activity"]
        if name not in activities:
            known = ", ".join(activities)
            raise ValueError(f"rehearsal: there is no activity {name!r}: there are {known}")
        host = SilentHost(case.get("args", ()))
        before = set(sys.modules)
        with _host.instead(host), watched() as imports:
            status = _run.run(host, activities[name])
        seen = report.setdefault(name, {"imported": [], "imports": []})
        seen["imported"] += sorted(set(sys.modules) - before)
        seen["imports"] += imports
        seen["status"] = status
        if host.failure is not None:
            seen["failure"] = host.failure
    return report
