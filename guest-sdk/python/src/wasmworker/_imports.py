"""What activities import within a call, for `wasmworker build` to tell.

A call's imports are undone when its instance is reset, so each call does them anew.
"""

from __future__ import annotations

import builtins
import importlib.util
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from wasmworker._bundle import ROOT


class Import(NamedTuple):
    module: str
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.module} within the call ({self.file}, line {self.line})"


@contextmanager
def watched() -> Iterator[list[Import]]:
    """Lists the modules that files of the bundle are the first to import meanwhile."""
    seen: list[Import] = []
    depth = 0

    def watch(original: Callable[..., Any]) -> Callable[..., Any]:
        def importing(name: str, *args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            before, depth = set(sys.modules), depth + 1
            try:
                return original(name, *args, **kwargs)
            finally:
                depth -= 1
                new = [module for module in sys.modules if module not in before]
                caller = sys._getframe(1)
                file = caller.f_code.co_filename
                # What a module imports at its top comes with the module.
                if new and depth == 0 and file.startswith(ROOT):
                    module = name if name in new else new[0]
                    seen.append(Import(module, file.removeprefix(ROOT), caller.f_lineno))

        return importing

    originals = builtins.__import__, importlib.import_module
    builtins.__import__ = watch(originals[0])
    importlib.import_module = watch(originals[1])
    try:
        yield seen
    finally:
        builtins.__import__, importlib.import_module = originals


def written_in(fn: Callable[..., Any]) -> list[Import]:
    """The modules that an activity's code would be the first to import.

    Followed are functions of the activity's own file or package, by the global names that
    they are called by, and no methods.
    """
    found: list[Import] = []
    known: set[CodeType] = set()
    todo: list[Any] = [fn]
    package = getattr(fn, "__module__", "").partition(".")[0]
    while todo:
        function = todo.pop(0)
        function = getattr(function, "__func__", function)
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if not isinstance(function, FunctionType) or function.__code__ in known:
            continue
        known.add(function.__code__)
        if function.__module__.partition(".")[0] != package:
            continue
        for code in _nested(function.__code__):
            found += _imports_of(code, function.__globals__)
            for name in code.co_names:
                value = function.__globals__.get(name)
                todo.append(value)
                if isinstance(value, ModuleType):
                    todo += [value.__dict__.get(attribute) for attribute in code.co_names]
    return list(dict.fromkeys(found))


def _nested(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _nested(constant)


def _imports_of(code: CodeType, names: dict[str, Any]) -> Iterator[Import]:
    import dis

    before: list[Any] = [0, None]
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, members = before
            name = instruction.argval
            if level:
                name = importlib.util.resolve_name("." * level + name, names["__package__"])
            modules = (name, *(f"{name}.{member}" for member in members or ()))
            module = next(filter(_would_be_first, modules), None)
            if module is not None:
                line = instruction.positions.lineno if instruction.positions else 0
                yield Import(module, code.co_filename.removeprefix(ROOT), line or 0)
        if instruction.opname != "EXTENDED_ARG":
            before = [before[1], instruction.argval]


def _would_be_first(module: str) -> bool:
    if module in sys.modules:
        return False
    package, _, member = module.rpartition(".")
    if package in sys.modules and hasattr(sys.modules[package], member):
        return False
    try:
        return importlib.util.find_spec(module) is not None
    except Exception:
        return False  # it is not there, and who imports it knows what to do
