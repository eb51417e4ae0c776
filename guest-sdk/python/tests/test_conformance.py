"""The conformance module, natively. `make test-python` of the checkout runs all its cases
against the built module.
"""

from __future__ import annotations

import importlib
import re
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

import fakehost
from fakehost import payload
from wasmworker import _registry, _run
from wasmworker.exceptions import PassthroughError
from wasmworker.testing import ActivityEnvironment, HTTPResponse

CONFORMANCE = Path(__file__).parents[3] / "testdata/conformance"


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


def test_has_every_activity() -> None:
    text = (CONFORMANCE / "README.md").read_text()
    table = text[text.index("| activity | arguments") : text.index("What `fail` does")]
    assert re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE) == list(ACTIVITIES)


def environment() -> ActivityEnvironment:
    env = ActivityEnvironment()
    plain = {"Content-Type": "text/plain"}
    env.http = lambda r: HTTPResponse(201, r.method.encode() + r.body, plain)
    env.config = {"greeting": "Grüße"}
    env.secrets = {"key": "☃"}
    env.buckets = {"box": {}}
    db = env.databases["db"] = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE ledger (entry TEXT)")
    env.passthrough["conformance.upper"] = lambda text: text.decode().upper().encode()

    def deny(request: bytes) -> bytes:
        raise PassthroughError(2, "the policy says no")

    env.passthrough["conformance.deny"] = deny
    return env


OBJECT = {"key": "out/a", "text": "0123456789", "offset": 3, "length": 4}
STREAM = {
    "size": 3,
    "content_type": "text/plain; charset=utf-8",
    "made": "by hand",
    "text": "aö",
    "keys": ["out/a"],
}


@pytest.mark.parametrize(
    ("name", "args", "want"),
    [
        ("greet", [{"name": "Zoë", "more": 1}], {"greeting": "Hello, Zoë!"}),
        ("add", [40, 2.5], 42.5),
        ("arguments", ["a", [1]], ['json/plain:"a"', "json/plain:[1]"]),
        ("echo", [{"a": 1}], {"a": 1}),
        ("steps", [3], 0),
        ("upper", ["größe"], "GRÖSSE"),
        ("denied", [], {"errno": 2, "message": "the policy says no"}),
        ("config", ["greeting"], "Grüße"),
        ("config", ["missing"], None),
        ("secret", ["key"], "☃"),
        (
            "http",
            [{"url": "http://a", "method": "PUT", "body": "ö"}],
            {"status": 201, "content_type": "text/plain", "body": "PUTö"},
        ),
        (
            "sql",
            [{"sql": "SELECT 1 AS a, ? AS b UNION ALL SELECT 2, ''", "args": [{"hex": "00ff"}]}],
            {"columns": ["a", "b"], "rows": [[1, {"hex": "00ff"}], [2, ""]]},
        ),
        (
            "sql",
            [{"sql": "VALUES (1), (2), (3)", "batch": 1, "limit": 2}],
            {"columns": ["column1"], "rows": [[1], [2]]},
        ),
        ("transaction", [{"entry": "x", "end": "commit"}], {"affected": 1, "count": 1}),
        ("transaction", [{"entry": "x", "end": "rollback"}], {"affected": 1, "count": 0}),
        ("transaction", [{"entry": "x", "end": "none"}], {"affected": 1, "count": 1}),
        ("stream", [{"key": "out/a", "parts": ["a", "", "ö"]}], STREAM),
        ("object", [OBJECT], {"exists": True, "range": "3456"}),
        ("exists", ["out/nowhere", "open"], False),
    ],
)
def test_activity(name: str, args: list[Any], want: Any) -> None:
    host = fakehost.Host(*map(payload, args))
    env = environment()
    with env.host():
        assert _run.run(host, ACTIVITIES[name]) == 0, host.failure
    env.databases["db"].close()
    assert (host.value if host.result else None) == want
