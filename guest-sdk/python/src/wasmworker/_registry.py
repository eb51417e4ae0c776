"""The activities of the module, in the order in which they are defined."""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wasmworker import _hints
from wasmworker.common import RawValue

_ATTRIBUTE = "__wasmworker_activity__"

# Exports that toolchains add, which the host takes for none of ours.
_TAKEN = {"memory", "malloc", "free", "realloc", "calloc", "go_scheduler", "hs_init"}


@dataclass
class Parameter:
    """``decode`` is None where a value is taken as it comes."""

    name: str
    hint: Any
    decode: _hints.Decoder | None
    raw: bool
    accepts_none: bool
    required: bool


@dataclass
class Definition:
    name: str
    fn: Callable[..., Any]
    is_async: bool
    raises: bool
    example: Sequence[Any] | None
    where: str
    kind: str = "activity"
    parameters: list[Parameter] = dataclasses.field(default_factory=list)
    rest: Parameter | None = None
    prepared: bool = False

    def prepare(self) -> None:
        """Looks at the hints: when all is imported, so that they can name what comes later."""
        if not self.prepared:
            self.fn = _bound(self)
            self.parameters, self.rest = _parameters(self)
            self.prepared = True


definitions: list[Definition] = []


def add(fn: Any, name: str | None, no_raise: bool, example: Sequence[Any] | None) -> Any:
    if not callable(fn):
        raise TypeError(f"activity.defn is for functions, and {fn!r} is none")
    if hasattr(fn, _ATTRIBUTE):
        raise ValueError(f"{_where(fn)}: the function is an activity already")
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
            raise TypeError(
                f"{_where(fn)}: activities have arguments by position: "
                f"{parameter.name} can be given by keyword alone"
            )
    if example is not None and (isinstance(example, str) or not isinstance(example, Sequence)):
        raise TypeError(f"{_where(fn)}: example is a list of arguments, one for each parameter")
    name = name or fn.__name__
    problem = _problem(name)
    if problem:
        raise ValueError(f"{_where(fn)}: {name!r} cannot be the name of an activity: {problem}")
    definition = Definition(
        name=name,
        fn=fn,
        is_async=inspect.iscoroutinefunction(fn)
        or inspect.iscoroutinefunction(getattr(fn, "__call__", None)),  # noqa: B004
        raises=not no_raise,
        example=example,
        where=_where(fn),
    )
    for other in definitions:
        if other.name == name:
            raise ValueError(f"{other.where} and {definition.where} both define activity {name}")
    definitions.append(definition)
    setattr(fn, _ATTRIBUTE, definition)
    return fn


def of(fn: Any) -> Definition | None:
    """The definition of a function or method, or None."""
    definition = getattr(fn, _ATTRIBUTE, None)
    return definition if isinstance(definition, Definition) else None


def _where(fn: Any) -> str:
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code else repr(fn)


def _problem(name: str) -> str:
    if len(name.encode("utf-8", "surrogatepass")) > 1000:
        return "it has more than 1,000 bytes"
    if name.startswith("_"):
        return "it begins with _, which is for what is no activity"
    if name in _TAKEN or name.startswith(("asyncify_", "cabi_")):
        return "toolchains have the name for functions of theirs"
    for character in name:
        if unicodedata.category(character) in ("Cc", "Cf", "Zl", "Zp", "Cs"):
            return f"it has the character U+{ord(character):04X}, which is not seen"
    return ""


def _bound(definition: Definition) -> Callable[..., Any]:
    """A method's function with the instance that its class has in a module.

    Temporal's worker is given methods of instances. Here the module is all that there is.
    """
    fn = definition.fn
    owner = _owner(fn)
    if owner is None:
        return fn
    instances = {
        id(value): value
        for module in list(sys.modules.values())
        for value in list(getattr(module, "__dict__", {}).values())
        if isinstance(value, owner)
    }
    if len(instances) > 1:
        raise TypeError(
            f"{definition.where}: activity {definition.name} is a method of {owner.__name__}, "
            f"of which modules have {len(instances)} instances: keep one in a global variable"
        )
    if instances:
        instance = next(iter(instances.values()))
    else:
        try:
            instance = owner()
        except Exception as error:
            raise TypeError(
                f"{definition.where}: activity {definition.name} is a method: keep an instance "
                f"of {owner.__name__} in a global variable. {owner.__name__}() fails: {error}"
            ) from error
    return typing.cast("Callable[..., Any]", fn.__get__(instance))


def _owner(fn: Any) -> type | None:
    names = getattr(fn, "__qualname__", "").split(".")[:-1]
    if not names or "<locals>" in names:
        return None
    value: Any = sys.modules.get(fn.__module__)
    for name in names:
        value = getattr(value, name, None)
    return value if isinstance(value, type) else None


def _parameters(definition: Definition) -> tuple[list[Parameter], Parameter | None]:
    fn = definition.fn
    target = fn if inspect.isroutine(fn) else type(fn).__call__
    try:
        hints = typing.get_type_hints(target)
    except Exception as error:
        raise TypeError(
            f"{definition.where}: the hints of {definition.kind} {definition.name} cannot be read: {error}"
        ) from error
    positional: list[Parameter] = []
    rest = None
    for parameter in inspect.signature(fn).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            continue
        hint = hints.get(parameter.name, Any)
        raw = hint is RawValue
        made = Parameter(
            name=parameter.name,
            hint=hint,
            decode=None if hint is Any or raw else _hints.decoder(hint),
            raw=raw,
            accepts_none=_hints.accepts_none(hint) or parameter.default is None,
            required=parameter.default is inspect.Parameter.empty,
        )
        if isinstance(made.decode, _hints._Dataclass):
            made.decode.prepare()
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = made
        else:
            positional.append(made)
    return positional, rest
