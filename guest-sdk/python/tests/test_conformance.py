"""The cases of testdata/conformance, natively, with a host in memory.

`make test-python` of the checkout runs the same cases against the built module.
"""

from __future__ import annotations

import importlib
import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

import fakehost
from wasmworker import _registry, _run
from wasmworker.exceptions import PassthroughError
from wasmworker.testing import ActivityEnvironment, HTTPRequest, HTTPResponse

CONFORMANCE = Path(__file__).parents[3] / "testdata/conformance"
CASES = json.loads((CONFORMANCE / "cases.json").read_text())
# What the operator's policies decide, and interruption: of the host alone.
OF_THE_HOST = ("spin", "files", "secret")


def load() -> dict[str, _registry.Definition]:
    sys.path.insert(0, str(CONFORMANCE / "python"))
    before = list(_registry.definitions)
    _registry.definitions.clear()
    try:
        importlib.import_module("app")
        for definition in _registry.definitions:
            definition.prepare()
        return {d.name: d for d in _registry.definitions}
    finally:
        _registry.definitions[:] = before
        sys.path.pop(0)
        sys.modules.pop("app", None)


ACTIVITIES = load()


def repeated(value: Any) -> Any:
    if isinstance(value, dict) and "$repeat" in value:
        text, n = value["$repeat"]
        return repeated(value.get("before", "")) + text * n + value.get("after", "")
    if isinstance(value, dict):
        return {name: repeated(item) for name, item in value.items()}
    return [repeated(item) for item in value] if isinstance(value, list) else value


def payload(value: dict[str, Any]) -> fakehost.Payload:
    if value.get("null"):
        return b"", "binary/null"
    if "json" in value:
        text = json.dumps(repeated(value["json"]), ensure_ascii=False, separators=(",", ":"))
        return text.encode(), "json/plain"
    if "count" in value:
        return bytes(i % 256 for i in range(value["count"])), value.get("encoding")
    return value.get("text", "").encode(), value.get("encoding")


def answer(request: HTTPRequest) -> HTTPResponse:
    path = request.url.removeprefix("http://origin")
    if path.startswith("/echo"):
        text = "\n".join([request.method, path, request.headers.get("X-Test", ""), ""])
        plain = {"Content-Type": "text/plain; charset=utf-8"}
        return HTTPResponse(200, text.encode() + request.body, plain)
    if path.startswith("/status/"):
        return HTTPResponse(int(path.rpartition("/")[2]))
    raise PassthroughError(2, f"denied: no rule has {path}")


def environment() -> ActivityEnvironment:
    env = ActivityEnvironment()
    env.http = answer
    env.config = {"greeting": "Grüße, 世界 👩‍🚀", "empty": ""}
    env.buckets = {"box": {}}
    db = env.databases["db"] = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE ledger (entry TEXT)")
    env.passthrough["conformance.upper"] = lambda text: text.decode().upper().encode()

    def deny(request: bytes) -> bytes:
        raise PassthroughError(2, "the policy says no")

    env.passthrough["conformance.deny"] = deny
    return env


def runs(case: dict[str, Any]) -> bool:
    if case["activity"] in OF_THE_HOST or case.get("denied") or "native" in case.get("except", ()):
        return False
    if "languages" in case and "python" not in case["languages"]:
        return False
    text = json.dumps(case)
    return not any(word in text for word in ("FROM kinds", "elsewhere", "out//", "/token", "/large/", "denied.example", '"nowhere"', "BEGIN"))  # fmt: skip


@pytest.mark.parametrize("case", [c for c in CASES if runs(c)], ids=lambda c: c["name"])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_case(case: dict[str, Any]) -> None:
    args = json.loads(json.dumps(case.get("args", ())).replace("$ORIGIN", "http://origin"))
    host = fakehost.Host(
        *[payload(arg) for arg in args],
        details=tuple(payload(detail) for detail in case.get("details", ())),
        activity_type=case["activity"],
        attempt=3,
        namespace="conformance",
        task_queue="queue ☃",
        workflow_id="order-17",
        workflow_type="Order",
        heartbeat_timeout_ms=30000,
    )
    if "flags_after" in case:
        host.flags_after = (case["flags_after"]["heartbeats"], case["flags_after"]["flags"])
    env = environment()
    with fakehost.logging_to(host), env.host():
        status = _run.run(host, ACTIVITIES[case["activity"]])
    check(case["want"], status, host)


def check(want: dict[str, Any], status: int, host: fakehost.Host) -> None:
    if "failure" in want:
        assert status == 1, host.result
        check_failure(want["failure"], host.failure)
    elif "canceled" in want:
        assert status == 2, host.failure
        assert host.value == want["canceled"]["json"]
    else:
        assert status == 0, host.failure
        check_result(want["result"], host)
    if "heartbeats" in want:
        assert host.sent == [[d["json"] for d in details] for details in want["heartbeats"]]
    if "logs" in want:
        levels = {"DEBUG": -4, "INFO": 0, "WARN": 4, "ERROR": 8}
        assert host.logs == [(levels[r["level"]], r["message"], r["attrs"]) for r in want["logs"]]


def check_result(want: dict[str, Any], host: fakehost.Host) -> None:
    if want.get("none") or want.get("json", 0) is None:
        assert host.result is None
    elif "json" in want:
        assert host.value == repeated(want["json"])
    else:
        assert host.result is not None
        data, encoding = payload(want)
        assert (host.result[0], host.result[1] or None) == (data, encoding)


def check_failure(want: dict[str, Any], got: dict[str, Any]) -> None:
    assert want.get("contains", "") in json.dumps(got, ensure_ascii=False)
    for name, value in want.items():
        if name == "cause":
            check_failure(value, got["cause"])
        elif name != "contains":
            assert got.get(name, False if name == "non_retryable" else None) == value
