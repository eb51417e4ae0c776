"""The console script."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from wasmworker import _command


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program that writes its arguments and fails with status 3."""
    path = tmp_path / "wasmworker"
    path.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(tmp_path / 'args')!r}, 'w').write(json.dumps(sys.argv[1:]))\nsys.exit(3)\n"
    )
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("WASMWORKER", raising=False)
    monkeypatch.delenv("WASMWORKER_INTERPRETER", raising=False)
    return path


def test_build(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    carried = program.parent / "python.wasm"
    monkeypatch.setattr(_command, "interpreter", lambda: carried)
    assert _command.main(["build", "app.py", "-o", "a.wasm"]) == 3
    args = json.loads((program.parent / "args").read_text())
    options = ["--interpreter", str(carried), "--python", sys.executable]
    assert args == ["build", *options, "app.py", "-o", "a.wasm"]


def test_build_with_another_interpreter(program: Path) -> None:
    assert _command.main(["build", "--interpreter=x.wasm", "--python", "p", "app.py"]) == 3
    args = json.loads((program.parent / "args").read_text())
    assert args == ["build", "--interpreter=x.wasm", "--python", "p", "app.py"]


def test_without(
    program: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_command, "interpreter", lambda: None)
    assert _command.main(["build", "app.py"]) == 1
    assert "make python" in capsys.readouterr().err
    assert _command.main(["interpreter"]) == 1
    assert "make python" in capsys.readouterr().err
    program.unlink()
    assert _command.main(["build", "app.py"]) == 1
    assert "is not on the PATH" in capsys.readouterr().err
    assert _command.main(["serve"]) == 1
    assert "there is no command 'serve'" in capsys.readouterr().err
    assert _command.main([]) == 0
    assert "wasmworker-python build" in capsys.readouterr().out
