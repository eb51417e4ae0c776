"""Names and numbers are those of abi/abi.json."""

from __future__ import annotations

import ast
import json
from pathlib import Path

from wasmworker import _abi

ROOT = Path(__file__).parents[3]
ABI = json.loads((ROOT / "abi/abi.json").read_text())


def test_numbers() -> None:
    assert {e["name"]: e["number"] for e in ABI["errnos"]} == _abi.ERRNOS
    for flag in ABI["flags"]:
        assert getattr(_abi, flag["name"]) == flag["bit"]
    assert sum(f["bit"] for f in ABI["flags"] if f["ends"]) == _abi.ENDS
    for status in ABI["statuses"]:
        assert getattr(_abi, status["name"].upper()) == status["number"]
    for level in ABI["log_levels"]:
        assert getattr(_abi, level["name"].upper()) == level["number"]
    limits = {limit["name"]: limit["value"] for limit in ABI["limits"]}
    assert limits["MaxCauseDepth"] == _abi.MAX_CAUSE_DEPTH


def test_names() -> None:
    encodings = {e["value"] for e in ABI["encodings"]}
    assert {_abi.JSON, _abi.PROTO_JSON, _abi.BINARY, _abi.NULL} < encodings
    types = {t["name"] for t in ABI["failure_types"]}
    assert {
        _abi.TYPE_INVALID_INPUT,
        _abi.TYPE_OUTPUT_TOO_LARGE,
        _abi.TYPE_UNEXPECTED_CANCEL,
        _abi.TYPE_WORKER_SHUTDOWN,
    } <= types
    assert ABI["category_benign"] == _abi.CATEGORY_BENIGN


def test_every_field_of_info_is_read() -> None:
    source = (ROOT / "guest-sdk/python/src/wasmworker/_run.py").read_text()
    texts = {n.value for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Constant)}
    for record in ABI["records"]:
        if record["name"] in ("Info", "RetryPolicy", "Priority"):
            for field in record["fields"]:
                # temporalio's Info has no deadline: started_time and the timeouts say it.
                assert field["name"] in texts or field["name"] == "deadline", field["name"]
