"""Decorators of classes and methods of workflows, and handlers that are set in a run."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, Protocol, TypeVar, cast, overload

from wasmworker._workflow import _definitions
from wasmworker._workflow._definitions import Handler, HandlerUnfinishedPolicy
from wasmworker._workflow._run import current

C = TypeVar("C", bound=type)
F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)


@overload
def defn(cls: C) -> C: ...
@overload
def defn(
    *,
    name: str | None = None,
    dynamic: bool = False,
    sandboxed: bool = True,
    failure_exception_types: Sequence[type[BaseException]] = (),
) -> Callable[[C], C]: ...
def defn(
    cls: Any = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    sandboxed: bool = True,
    failure_exception_types: Sequence[type[BaseException]] = (),
) -> Any:
    """Makes a class a workflow of the module. One of its methods has `run`.

    :param name: the Temporal workflow type, by default the class's name.
        1 to 1,000 bytes of UTF-8, without control characters, not beginning with ``_``
    :param dynamic: refused: a module's workflows are known by their names
    :param sandboxed: without effect: all workflows are in a sandbox
    :param failure_exception_types: exceptions that fail the workflow, beside those of
        `exceptions`. Any other fails the workflow task, which the server gives out again
    :raises ValueError: the name is not valid, another workflow has it, or a method is missing
    """
    if dynamic:
        raise NotImplementedError(
            "wasmworker has no dynamic workflows: a workflow is an export of the module, by its "
            "name. Define one for each name."
        )

    def decorate(cls: Any) -> Any:
        return _definitions.add(cls, name, failure_exception_types, sandboxed)

    return decorate if cls is None else decorate(cls)


def run(fn: F) -> F:
    """Makes an ``async`` method the workflow's main one."""
    setattr(fn, _definitions.RUN, True)
    return fn


def init(fn: F) -> F:
    """Has ``__init__`` take the workflow's arguments, as the main method does."""
    if fn.__name__ != "__init__":
        raise ValueError("@workflow.init is for __init__")
    setattr(fn, _definitions.INIT, True)
    return fn


def _decorate(
    kind: str,
    fn: Any,
    name: str | None,
    dynamic: bool,
    description: str | None,
    policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
) -> Any:
    if name is not None and dynamic:
        raise ValueError(f"a dynamic {kind} handler has no name")

    def decorate(fn: Any) -> Any:
        if kind == "query" and inspect.iscoroutinefunction(fn):
            raise ValueError(f"query {fn.__name__} is an `async def`: queries cannot wait")
        setattr(
            fn,
            _definitions.HANDLER,
            Handler(
                kind=kind,
                name=None if dynamic else name or fn.__name__,
                fn=fn,
                method=True,
                description=description or inspect.getdoc(fn) or "",
                policy=policy,
            ),
        )
        return fn

    return decorate if fn is None else decorate(fn)


@overload
def signal(fn: F) -> F: ...
@overload
def signal(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = ...,
    description: str | None = None,
) -> Callable[[F], F]: ...
def signal(
    fn: Any = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Makes a method the handler of a signal, by default of its own name.

    :param dynamic: for all signals without a handler: it is given the name, and a list of
        `RawValue`
    """
    return _decorate("signal", fn, name, dynamic, description, unfinished_policy)


@overload
def query(fn: F) -> F: ...
@overload
def query(
    *, name: str | None = None, dynamic: bool = False, description: str | None = None
) -> Callable[[F], F]: ...
def query(
    fn: Any = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    description: str | None = None,
) -> Any:
    """Makes a method the handler of a query. What it changes is undone."""
    return _decorate("query", fn, name, dynamic, description)


class UpdateMethod(Protocol[P, R_co]):
    """A method that `update` decorates."""

    def __get__(self, instance: Any, owner: Any = None) -> Any: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...
    def validator(self, fn: Callable[..., None]) -> Callable[..., None]:
        """Makes a method the validator: what it raises refuses the update."""
        ...


@overload
def update(fn: Callable[P, R_co]) -> UpdateMethod[P, R_co]: ...
@overload
def update(
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = ...,
    description: str | None = None,
) -> Callable[[Callable[P, R_co]], UpdateMethod[P, R_co]]: ...
def update(
    fn: Any = None,
    *,
    name: str | None = None,
    dynamic: bool = False,
    unfinished_policy: HandlerUnfinishedPolicy = HandlerUnfinishedPolicy.WARN_AND_ABANDON,
    description: str | None = None,
) -> Any:
    """Makes a method the handler of an update. Its attribute ``validator`` is a decorator."""

    def decorate(fn: Any) -> Any:
        _decorate("update", fn, name, dynamic, description, unfinished_policy)
        handler: Handler = getattr(fn, _definitions.HANDLER)

        def validator(check: Callable[..., None]) -> Callable[..., None]:
            if inspect.iscoroutinefunction(check):
                raise ValueError(f"{check.__name__} is an `async def`: validators cannot wait")
            handler.validator = check
            return check

        fn.validator = validator
        return fn

    return decorate if fn is None else decorate(fn)


def _set(kind: str, name: str | None, fn: Any, validator: Any = None) -> None:
    handler = None if fn is None else Handler(kind, name, fn, method=False, validator=validator)
    current().set_handler(handler, kind, name)


def _get(kind: str, name: str | None) -> Callable[..., Any] | None:
    run = current()
    handler = run.handlers.get((kind, name))
    if handler is None:
        return None
    if handler.method:
        return cast("Callable[..., Any]", handler.fn.__get__(run.instance))
    return handler.fn


def set_signal_handler(name: str, handler: Callable[..., Any] | None) -> None:
    """Sets the handler of a signal, and gives it those that have waited for one."""
    _set("signal", name, handler)


def get_signal_handler(name: str) -> Callable[..., Any] | None:
    return _get("signal", name)


def set_dynamic_signal_handler(handler: Callable[..., Any] | None) -> None:
    """Sets the handler of all signals that have no other: of a name, and a list of `RawValue`."""
    _set("signal", None, handler)


def get_dynamic_signal_handler() -> Callable[..., Any] | None:
    return _get("signal", None)


def set_query_handler(name: str, handler: Callable[..., Any] | None) -> None:
    _set("query", name, handler)


def get_query_handler(name: str) -> Callable[..., Any] | None:
    return _get("query", name)


def set_dynamic_query_handler(handler: Callable[..., Any] | None) -> None:
    _set("query", None, handler)


def get_dynamic_query_handler() -> Callable[..., Any] | None:
    return _get("query", None)


def set_update_handler(
    name: str,
    handler: Callable[..., Any] | None,
    *,
    validator: Callable[..., Any] | None = None,
) -> None:
    _set("update", name, handler, validator)


def get_update_handler(name: str) -> Callable[..., Any] | None:
    return _get("update", name)


def set_dynamic_update_handler(
    handler: Callable[..., Any] | None, *, validator: Callable[..., Any] | None = None
) -> None:
    _set("update", None, handler, validator)


def get_dynamic_update_handler() -> Callable[..., Any] | None:
    return _get("update", None)
