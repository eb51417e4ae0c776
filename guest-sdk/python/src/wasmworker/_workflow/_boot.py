"""What the boot code does with the workflows of an app."""

from __future__ import annotations

from typing import Any

from wasmworker import _bundle, _registry, _seeds
from wasmworker._workflow import _definitions, _run
from wasmworker._workflow._definitions import Workflow


def prepare(host: Any) -> list[Workflow]:
    """Prepares the workflows that are defined, and refuses what cannot be in one bundle."""
    for workflow in _definitions.workflows:
        module = workflow.cls.__module__
        for activity in _registry.definitions:
            if activity.fn.__module__ == module:
                raise _bundle.BundleError(
                    f"{activity.where} and {workflow.where} define activity {activity.name} and "
                    f"workflow {workflow.name} in one file, and a module has activities or "
                    "workflows: put them into two files and build each. Workflows may import the "
                    "activities' file for its names: `wasmworker build workflows.py "
                    "--dependencies .`"
                )
        workflow.prepare()
    if _definitions.workflows:
        for activity in _registry.definitions:
            _definitions.result_of(activity.fn)
    return _definitions.workflows


def activate(host: Any, workflow: Workflow) -> int:
    return _run.activate(host, workflow, lambda: _seeds.reseed(host))
