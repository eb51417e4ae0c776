"""What the interpreter calls: once to boot the bundle, and once for each activity, or for
each activation of a workflow.

Everything that can be prepared is prepared by `boot`, since each activity and each run of a
workflow begins with the memory that it left.
"""

from __future__ import annotations

import gc
import json
import sys
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import _wasmworker

from wasmworker import _bundle, _failure, _logging, _registry, _rehearsal, _run, _sandbox, _seeds
from wasmworker._registry import Definition

host: _run.Host = _wasmworker
_by_name: dict[str, Definition] = {}
_rehearsed: dict[str, dict[str, Any]] = {}
_workflows: list[Any] = []  # of _workflow._definitions, which most apps do not need

# How many objects there are between collections, while the app is imported and later.
_BOOT_THRESHOLD = 100_000
_threshold = gc.get_threshold()


def boot(bundle: bytes) -> None:
    """Imports the app of a bundle, and prepares what it defines.

    What goes wrong is raised: SyntaxError and what an import raises as they are, and
    `_bundle.BundleError` for a bundle that cannot be read.
    """
    # Hardly anything of an import is garbage. The interpreter has begun without collections.
    gc.set_threshold(_BOOT_THRESHOLD)
    gc.enable()
    sys.excepthook = _print_exception
    _sandbox.install()
    _logging.install(host)
    archive = _bundle.install(bundle)
    settings = json.loads(archive.read("bundle.json"))
    building = settings.get("compile")
    if building:
        _bundle.keep_compiled()
    entry = settings["entry"]
    __import__(entry)
    if "wasmworker._workflow._definitions" in sys.modules:
        from wasmworker._workflow import _boot

        _workflows.extend(_boot.prepare(host))
    if not _registry.definitions and not _workflows:
        raise _bundle.BundleError(
            f"{entry} defines no activity and no workflow: put @activity.defn before a function, "
            "or @workflow.defn before a class, and import its module there"
        )
    if not _workflows:
        _prepare_activities(settings, bool(building))
    _seeds.keep()
    gc.set_threshold(*_threshold)
    gc.freeze()


def _prepare_activities(settings: dict[str, Any], building: bool) -> None:
    for definition in _registry.definitions:
        definition.prepare()
        if definition.is_async:
            _run.loop()
        _by_name[definition.name] = definition
    _rehearsal.warm(any(d.is_async for d in _registry.definitions))
    _rehearsed.update(rehearse(settings.get("rehearsal", ()), watch=building))
    for name, seen in _rehearsed.items():
        if failure := seen.get("failure"):
            text = f"{failure.get('type', 'Error')}: {failure['message']}"
            print(f"the rehearsal of activity {name} failed: {text}", file=sys.stderr)


def compiled() -> bytes:
    """The code of the app's modules that were imported, if its bundle asks for it."""
    return _bundle.compiled()


def notes() -> list[str]:
    """What the app's author should know, in a start that `wasmworker build` makes: what
    activities import within a call, and examples that fail.
    """
    from wasmworker import _imports

    found = []
    for name, seen in _rehearsed.items():
        if failure := seen.get("failure"):
            text = f"{failure.get('type', 'Error')}: {failure['message']}"
            found.append(f"the example of activity {name} fails: {text}")
        found += [
            f"activity {name} imports {what}: its example keeps that for all calls, and an import "
            "at the top of the file keeps it whatever the example does"
            for what in dict.fromkeys(seen["imports"])
        ]
    for definition in _registry.definitions:
        found += [
            f"activity {definition.name} imports {what}, and each call does so anew: import it at "
            "the top of the file, or give the activity an example that does"
            for what in _imports.written_in(definition.fn)
        ]
    return found


def activities() -> list[str]:
    """The names of the activities, in the order in which they were defined."""
    return list(_by_name)


def exports() -> dict[str, list[str]]:
    """The names of activities and workflows. An app with workflows only names activities."""
    return {
        "activities": [d.name for d in _registry.definitions],
        "workflows": [w.name for w in _workflows],
    }


def run(which: int | str) -> int:
    """Runs an activity, by its index or its name, and returns its status.

    Of a bundle of workflows it is an activation of the workflow with this index.
    """
    if _workflows and isinstance(which, int):
        from wasmworker._workflow import _boot

        return _boot.activate(host, _workflows[which])
    definition = _by_name[which] if isinstance(which, str) else _registry.definitions[which]
    _seeds.reseed(host)
    return _run.run(host, definition)


def rehearse(
    cases: Sequence[dict[str, Any]] = (), watch: bool = False
) -> dict[str, dict[str, Any]]:
    """Runs activities with example inputs on a host that does nothing.

    A case is ``{"activity": name, "args": [values]}``; the examples of `activity.defn` come
    first. What is imported and cached stays. Returns for each activity the modules that it
    imported (``imported``), its ``status``, and the ``failure`` if it has one; and if it is
    to watch them, which of these imports files of the bundle make, and where (``imports``).
    """
    examples = [
        {"activity": d.name, "args": d.example}
        for d in _registry.definitions
        if d.example is not None
    ]
    cases = [*examples, *cases]
    if watch:
        from wasmworker._imports import watched

        return _rehearsal.rehearse(cases, _by_name, watched)
    return _rehearsal.rehearse(cases, _by_name)


def _print_exception(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """The traceback of an app that cannot be imported: from its own first frame on."""
    first = trace
    while first is not None and _failure.is_internal(first):
        first = first.tb_next
    traceback.print_exception(kind, error, first)
