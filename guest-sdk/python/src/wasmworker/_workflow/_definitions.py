"""The workflows of the module, in the order in which they are defined."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from wasmworker import _registry

RUN = "__wasmworker_workflow_run__"
INIT = "__wasmworker_workflow_init__"
HANDLER = "__wasmworker_workflow_handler__"
WORKFLOW = "__wasmworker_workflow__"


class HandlerUnfinishedPolicy(IntEnum):
    """What the end of a run does about a handler that has not ended."""

    WARN_AND_ABANDON = 1
    ABANDON = 2


@dataclass
class Handler:
    """A handler of signals, queries or updates. The dynamic one has no name."""

    kind: str
    name: str | None
    fn: Callable[..., Any]
    method: bool
    description: str = ""
    policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON
    validator: Callable[..., Any] | None = None
    arguments: _registry.Definition | None = None
    is_async: bool = False

    def prepare(self) -> Handler:
        if self.arguments is None:
            what = self.name or f"the dynamic {self.kind}"
            self.arguments = arguments_of(self.fn, self.kind, what, self.method)
            self.is_async = inspect.iscoroutinefunction(self.fn)
        return self


@dataclass
class Workflow:
    name: str
    cls: type
    run: Callable[..., Any]
    takes_arguments: bool  # __init__ does
    failures: Sequence[type[BaseException]]
    where: str
    handlers: list[Handler] = field(default_factory=list)
    arguments: _registry.Definition | None = None
    result: Any = None

    def prepare(self) -> None:
        """Looks at the hints: when all is imported, so that they can name what comes later."""
        if self.arguments is None:
            self.arguments = arguments_of(self.run, "workflow", self.name, True)
            self.result = result_of(self.run)
            for handler in self.handlers:
                handler.prepare()


workflows: list[Workflow] = []


def arguments_of(fn: Any, kind: str, name: str, method: bool) -> _registry.Definition:
    """What `_run.arguments` wants to know of a function."""
    bound = types.MethodType(fn, object()) if method else fn
    definition = _registry.Definition(
        name=name,
        fn=bound,
        is_async=False,
        raises=False,
        example=None,
        where=_registry._where(fn),
        kind=kind,
    )
    definition.parameters, definition.rest = _registry._parameters(definition)
    return definition


_results: dict[Any, Any] = {}


def result_of(fn: Any) -> Any:
    """The type that a function returns, or None where it does not say so."""
    if fn not in _results:
        target = fn if inspect.isroutine(fn) else type(fn).__call__
        try:
            _results[fn] = typing.get_type_hints(target).get("return")
        except NameError:
            _results[fn] = None
    return _results[fn]


def add(
    cls: Any, name: str | None, failures: Sequence[type[BaseException]], sandboxed: bool
) -> Any:
    if not isinstance(cls, type):
        raise TypeError(f"workflow.defn is for classes, and {cls!r} is none")
    name = name or cls.__name__
    if problem := _registry._problem(name):
        raise ValueError(f"{name!r} cannot be the name of a workflow: {problem}")
    run = _run_of(cls)
    where = _registry._where(run)
    workflow = Workflow(
        name=name,
        cls=cls,
        run=run,
        takes_arguments=_takes_arguments(cls, run),
        failures=tuple(failures),
        where=where,
        handlers=_handlers_of(cls),
    )
    for other in workflows:
        if other.name == name:
            raise ValueError(f"{other.where} and {where} both define workflow {name}")
    workflows.append(workflow)
    setattr(cls, WORKFLOW, workflow)
    setattr(run, WORKFLOW, workflow)
    return cls


def of(given: Any) -> Workflow | None:
    """The workflow of a class, or of its method that `workflow.run` decorates."""
    found = getattr(given, WORKFLOW, None)
    return found if isinstance(found, Workflow) else None


def name_of(given: Any) -> str:
    """The type of a workflow: of its name, its class, or its run method."""
    if isinstance(given, str):
        return given
    if found := of(given):
        return found.name
    raise ValueError(f"{given!r} is no workflow: give its name, or its method with @workflow.run")


def handler_name(given: Any, kind: str) -> str:
    if isinstance(given, str):
        return given
    handler = getattr(given, HANDLER, None)
    if not isinstance(handler, Handler) or handler.kind != kind:
        raise ValueError(
            f"{given!r} is no {kind}: give its name, or a method with @workflow.{kind}"
        )
    if handler.name is None:
        raise ValueError(f"the dynamic {kind} has no name: give that of the {kind}")
    return handler.name


def _run_of(cls: type) -> Callable[..., Any]:
    runs = [v for _, v in inspect.getmembers(cls) if RUN in getattr(v, "__dict__", {})]
    if len(runs) != 1:
        many = "no method" if not runs else "more than one method"
        raise ValueError(f"workflow {cls.__name__} has {many} with @workflow.run: it needs one")
    run: Callable[..., Any] = runs[0]
    if not inspect.iscoroutinefunction(run):
        raise ValueError(f"{_registry._where(run)}: a method with @workflow.run is an `async def`")
    return run


def _takes_arguments(cls: Any, run: Any) -> bool:
    made_by: Any = cls.__init__
    if made_by is object.__init__:
        return False
    if not getattr(made_by, INIT, False):
        required = [
            p
            for p in list(inspect.signature(made_by).parameters.values())[1:]
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if required:
            raise ValueError(
                f"workflow {cls.__name__}: __init__ has parameters: it needs @workflow.init, and "
                "those of the method with @workflow.run"
            )
        return False
    mine, its = (list(inspect.signature(f).parameters)[1:] for f in (made_by, run))
    if len(mine) != len(its):
        raise ValueError(
            f"workflow {cls.__name__}: __init__ with @workflow.init has other parameters than "
            "the method with @workflow.run"
        )
    return True


def _handlers_of(cls: type) -> list[Handler]:
    seen: dict[tuple[str, str | None], Handler] = {}
    # In the order of the source, those of base classes first.
    for base in reversed(cls.__mro__):
        for attribute in base.__dict__:
            handler = getattr(getattr(cls, attribute, None), HANDLER, None)
            if not isinstance(handler, Handler):
                continue
            key = handler.kind, handler.name
            if key in seen and seen[key] is not handler and seen[key].fn.__name__ != attribute:
                what = handler.name or "without a name"
                raise ValueError(f"workflow {cls.__name__} has two {handler.kind} handlers {what}")
            seen[key] = handler
    return list(seen.values())
