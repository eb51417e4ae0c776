"""``wasmworker-python``: builds apps with the interpreter that the wheel carries."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

USAGE = """\
wasmworker-python build [OPTIONS] APP     as `wasmworker build`, with the interpreter of this
                                          package and the pip of this Python
wasmworker-python interpreter             prints where the interpreter is

`wasmworker build --help` lists the options. WASMWORKER names the program, if it is not on the
PATH as wasmworker.
"""


_NONE = (
    "this package was made without an interpreter: make one with `make python` in a checkout of "
    "wasmworker and then the wheel with `make -C guest-sdk/python wheel`, or give "
    "--interpreter python.wasm"
)


def interpreter() -> Path | None:
    """The interpreter that the package carries, if it does."""
    path = Path(__file__).parent / "_interpreter" / "python.wasm"
    return path if path.is_file() else None


def _fail(text: str) -> int:
    print(f"wasmworker-python: {text}", file=sys.stderr)
    return 1


def main(args: Sequence[str] | None = None) -> int:
    args = sys.argv[1:] if args is None else args
    if not args or args[0] in ("-h", "--help", "help"):
        print(USAGE, end="")
        return 0
    if args[0] not in ("build", "interpreter"):
        return _fail(f"there is no command {args[0]!r}: use build or interpreter")
    carried = interpreter()
    if args[0] == "interpreter":
        if carried is None:
            return _fail(_NONE)
        print(carried)
        return 0
    program = shutil.which(os.environ.get("WASMWORKER") or "wasmworker")
    if program is None:
        return _fail(
            "the program wasmworker is not on the PATH: put it there, or name it in the "
            "environment variable WASMWORKER"
        )
    given = any(arg.partition("=")[0] == "--interpreter" for arg in args)
    options: list[str] = []
    if not given and "WASMWORKER_INTERPRETER" not in os.environ:
        if carried is None:
            return _fail(_NONE)
        options += ["--interpreter", str(carried)]
    if not any(arg.partition("=")[0] == "--python" for arg in args):
        options += ["--python", sys.executable]
    return subprocess.run([program, "build", *options, *args[1:]], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
