"""Decoders of type hints: what JSON has becomes what a function wants.

They accept and yield what the default payload converter of ``temporalio`` 1.35 does.
A hint is looked at once, when the module is initialized, since every activity begins with
what was prepared then. A decoder raises TypeError or ValueError.
"""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import enum
import inspect
import types
import typing
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

Decoder = Callable[[Any], Any]


class Mismatch(TypeError):
    """A value that a hint does not allow, with the path to it, such as ``items[2].price``."""

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(f"{path} {problem}" if path else problem)
        self.problem = problem
        self.path = path


def _within(step: str, error: Exception) -> Mismatch:
    if isinstance(error, Mismatch):
        separator = "" if not error.path or error.path.startswith("[") else "."
        return Mismatch(error.problem, f"{step}{separator}{error.path}")
    return Mismatch(f"is not valid: {error}", step)


_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a whole number",
    float: "a number",
    bytes: "bytes",
    type(None): "null",
}


def _is(value: Any) -> str:
    return f"and is {_NAMES.get(type(value), type(value).__name__)}"


def _must(what: str, value: Any) -> Mismatch:
    return Mismatch(f"must be {what}, {_is(value)}")


def name(hint: Any) -> str:
    """A hint as people write it."""
    return hint.__name__ if isinstance(hint, type) and not hasattr(hint, "__args__") else str(hint)


_decoders: dict[int, tuple[Any, Decoder]] = {}


def decoder(hint: Any) -> Decoder:
    """The decoder of a hint.

    They are kept by identity: ``list[int | str]`` equals ``list[str | int]``, which tries
    another type first.
    """
    known = _decoders.get(id(hint))
    if known is None:
        known = _decoders[id(hint)] = (hint, _make(hint))
    return known[1]


def accepts_none(hint: Any) -> bool:
    """Whether None is a value of a hint."""
    if hint is Any or hint is object or hint is type(None):
        return True
    if _origin(hint) is typing.Literal:
        return None in typing.get_args(hint)
    return _is_union(hint) and any(accepts_none(part) for part in typing.get_args(hint))


def _origin(hint: Any) -> Any:
    return getattr(hint, "__origin__", hint)


def _is_union(hint: Any) -> bool:
    return _origin(hint) is typing.Union or isinstance(hint, types.UnionType)


def _make(hint: Any) -> Decoder:
    simple = _SIMPLE.get(hint) if isinstance(hint, type) else None
    if simple is not None:
        return simple
    if hint is Any:
        return _any
    supertype = getattr(hint, "__supertype__", None)  # of NewType
    if supertype:
        return decoder(supertype)
    origin, args = _origin(hint), getattr(hint, "__args__", ())
    if origin is typing.Literal:
        return _literal(args)
    if _is_union(hint):
        return _union(hint, args)
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Mapping):
        return _mapping(hint, origin, args)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _Dataclass(hint)
    if isinstance(inspect.getattr_static(hint, "parse_obj", None), (classmethod, staticmethod)):
        return _parse_obj(hint)
    if inspect.isclass(hint) and issubclass(hint, enum.Enum) and issubclass(hint, (int, str)):
        return _enum(hint)
    if inspect.isclass(hint) and issubclass(hint, uuid.UUID):
        return _uuid(hint)
    if inspect.isclass(origin) and issubclass(origin, collections.abc.Iterable):
        return _iterable(origin, args)
    return _refused(f"is of type {name(hint)}, which cannot be made from JSON")


def _any(value: Any) -> Any:
    return value


def _refused(problem: str) -> Decoder:
    def decode(value: Any) -> Any:
        raise Mismatch(problem)

    return decode


def _datetime(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise _must("a time as ISO 8601 text", value)
    try:
        return datetime.fromisoformat(value)
    except ValueError as error:
        raise Mismatch(f"must be a time as ISO 8601 text: {error}") from None


def _int(value: Any) -> int:
    if not isinstance(value, (int, float)):
        raise _must("a whole number", value)
    return int(value)


def _float(value: Any) -> float:
    if not isinstance(value, (int, float)):
        raise _must("a number", value)
    return float(value)


def _bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _must("a boolean", value)
    return value


def _str(value: Any) -> str:
    if not isinstance(value, str):
        raise _must("a string", value)
    return value


def _bytes(value: Any) -> bytes:
    if isinstance(value, str):
        # temporalio refuses it as well: other SDKs have base64 here, and Python a list.
        raise _must("bytes, or a list of numbers from 0 to 255", value)
    if not isinstance(value, (bytes, list)):
        raise _must("bytes, or a list of numbers from 0 to 255", value)
    return bytes(value)


def _none(value: Any) -> None:
    if value is not None:
        raise _must("null", value)


_SIMPLE: dict[Any, Decoder] = {
    datetime: _datetime,
    int: _int,
    float: _float,
    bool: _bool,
    str: _str,
    bytes: _bytes,
    type(None): _none,
}


def _literal(args: tuple[Any, ...]) -> Decoder:
    allowed = ", ".join(repr(arg) for arg in args)

    def decode(value: Any) -> Any:
        if value not in args:
            raise _must(f"one of {allowed}", value)
        return value

    return decode


def _union(hint: Any, args: tuple[Any, ...]) -> Decoder:
    parts = [decoder(arg) for arg in args]
    others = [part for arg, part in zip(args, parts, strict=True) if arg is not type(None)]

    def decode(value: Any) -> Any:
        problem: Exception | None = None
        for part in parts:
            try:
                return part(value)
            except Exception as error:
                if part in others:
                    problem = error
        if len(others) == 1 and isinstance(problem, Mismatch):
            raise problem  # of T | None, which says more
        raise _must(str(hint), value)

    return decode


# How a key of another type than text is written in JSON.
_WORDS: dict[Any, dict[str, Any]] = {
    bool: {"true": True, "false": False},
    type(None): {"null": None},
}


def _key(hint: Any) -> Decoder:
    decode_key = decoder(hint)
    words = _WORDS.get(hint) if isinstance(hint, type) else None
    from_text: Decoder | None = None
    if hint is int or hint is float:
        from_text = hint
    elif inspect.isclass(hint) and issubclass(hint, enum.Enum) and issubclass(hint, int):
        from_text = int
    elif words is not None:
        from_text = words.__getitem__

    def decode(key: Any) -> Any:
        if isinstance(key, str) and from_text is not None:
            key = from_text(key)
        if not isinstance(hint, type) or not isinstance(key, hint):
            key = decode_key(key)
        return key

    return decode


def _mapping(hint: Any, origin: Any, args: tuple[Any, ...]) -> Decoder:
    keys: dict[str, Decoder] | None = None  # of a TypedDict
    required = getattr(origin, "__required_keys__", None)
    if required or getattr(origin, "__optional_keys__", None):
        try:
            keys = {key: decoder(of) for key, of in typing.get_type_hints(origin).items()}
        except Exception as error:
            return _refused(f"is of type {name(hint)}, whose hints cannot be read: {error}")

    def arg(i: int) -> Any:
        if len(args) <= i or args[i] is Any or isinstance(args[i], typing.TypeVar):
            return None
        return args[i]

    decode_key = _key(arg(0)) if arg(0) else None
    decode_value = decoder(arg(1)) if arg(1) else None

    def decode(value: Any) -> Any:
        if not isinstance(value, collections.abc.Mapping):
            raise _must("an object", value)
        out = {}
        for key, item in value.items():
            of = decode_value if keys is None else keys.get(key)
            if decode_key is not None:
                try:
                    key = decode_key(key)
                except Exception as error:
                    raise _within(f"key {key!r}", error) from error
            if of is not None:
                try:
                    item = of(item)
                except Exception as error:
                    raise _within(f"[{key!r}]", error) from error
            out[key] = item
        return out if keys is None else hint(**out)

    return decode


class _Dataclass:
    """Its fields are looked at when the first value comes, since types can be recursive."""

    def __init__(self, hint: Any) -> None:
        self.hint = hint
        self.fields: list[tuple[str, bool, bool, Decoder]] | None = None

    def prepare(self) -> list[tuple[str, bool, bool, Decoder]]:
        if self.fields is None:
            try:
                hints = typing.get_type_hints(self.hint)
            except Exception as error:
                raise Mismatch(
                    f"is of type {name(self.hint)}, whose hints cannot be read: {error}"
                ) from error
            self.fields = []
            for field in dataclasses.fields(self.hint):
                needed = (
                    field.init
                    and field.default is dataclasses.MISSING
                    and field.default_factory is dataclasses.MISSING
                )
                decode = decoder(hints[field.name])
                self.fields.append((field.name, field.init, needed, decode))
                if isinstance(decode, _Dataclass):
                    decode.prepare()
        return self.fields

    def __call__(self, value: Any) -> Any:
        fields = self.fields if self.fields is not None else self.prepare()
        if not isinstance(value, dict):
            raise _must(f"an object ({self.hint.__name__})", value)
        given: dict[str, Any] = {}
        later: dict[str, Any] = {}
        for key, init, needed, decode in fields:
            if key in value:
                try:
                    (given if init else later)[key] = decode(value[key])
                except Exception as error:
                    raise _within(key, error) from error
            elif needed:
                raise Mismatch("is missing", key)
        made = self.hint(**given)
        for key, item in later.items():
            object.__setattr__(made, key, item)  # of frozen ones, too
        return made


def _parse_obj(hint: Any) -> Decoder:
    def decode(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _must(f"an object ({name(hint)})", value)
        return hint.parse_obj(value)

    return decode


def _enum(hint: Any) -> Decoder:
    base: type = int if issubclass(hint, int) else str
    members: Any = hint
    allowed = ", ".join(repr(member.value) for member in members)

    def decode(value: Any) -> Any:
        if not isinstance(value, base):
            raise _must("a whole number" if base is int else "a string", value)
        try:
            return hint(value)
        except ValueError:
            raise Mismatch(f"must be one of {allowed} ({name(hint)}), and is {value!r}") from None

    return decode


def _uuid(hint: Any) -> Decoder:
    def decode(value: Any) -> Any:
        try:
            return hint(value)
        except Exception:
            raise _must("a UUID as text", value) from None

    return decode


_REBUILT = (tuple, set, frozenset, collections.deque)


def _iterable(origin: Any, args: Sequence[Any]) -> Decoder:
    plain = not args or (
        len(args) == 1 and (isinstance(args[0], typing.TypeVar) or args[0] is Ellipsis)
    )
    parts: list[Decoder] = []
    rest: Decoder | None = None
    if not plain and origin is not tuple:
        rest = decoder(args[0])
    elif not plain:
        if args[-1] is Ellipsis:
            rest = decoder(args[-2])
            parts = [decoder(arg) for arg in args[:-1]]
        else:
            parts = [decoder(arg) for arg in args]
    rebuild: Any = origin if origin in _REBUILT else None

    def decode(value: Any) -> Any:
        if not isinstance(value, collections.abc.Iterable):
            raise _must("a list", value)
        if plain:
            items = list(value)
        else:
            items = []
            for i, item in enumerate(value):
                of = parts[i] if i < len(parts) else rest
                if of is None:
                    raise Mismatch(f"must have {len(parts)} items, and has more")
                try:
                    items.append(of(item))
                except Exception as error:
                    raise _within(f"[{i}]", error) from error
        return items if rebuild is None else rebuild(items)

    return decode


def accepts_bytes(hint: Any) -> bool:
    """Whether bytes are a value of a hint."""
    if hint is Any or hint is bytes or hint is object:
        return True
    supertype = getattr(hint, "__supertype__", None)
    if supertype:
        return accepts_bytes(supertype)
    return _is_union(hint) and any(accepts_bytes(part) for part in typing.get_args(hint))
