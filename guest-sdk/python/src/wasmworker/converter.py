"""Values to payloads and back, as the default payload converter of ``temporalio`` 1.35."""

from __future__ import annotations

import dataclasses
import json
import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, ClassVar, NoReturn, TypeVar, overload

from wasmworker import _abi, _hints
from wasmworker.common import Payload, RawValue

__all__ = ["PayloadConverter", "value_to_type"]

T = TypeVar("T")


def _default(value: Any) -> Any:
    # What json has no form for. A dataclass's fields need no copy, as temporalio makes
    # one: the encoder asks for what is within them.
    if isinstance(value, datetime):
        return value.isoformat()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    to_dict = getattr(value, "dict", None)  # of Pydantic 1 and its like
    if callable(to_dict):
        return to_dict()
    if isinstance(value, Iterable):
        return list(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"an object of type {type(value).__name__} is not JSON")


# NaN and Infinity, which Python would write, are no JSON.
_encoder = json.JSONEncoder(
    default=_default, separators=(",", ":"), sort_keys=True, allow_nan=False
)


def encode_json(value: Any) -> bytes:
    """A value as JSON. Raises TypeError, ValueError, or RecursionError."""
    return _encoder.encode(value).encode()


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_no_constant)


def decode_json(data: bytes) -> Any:
    """The value of JSON. Raises ValueError, or RecursionError."""
    # A decoder of its own takes no bytes, and UTF-8 is the only encoding that JSON has.
    return _decoder.decode(data.decode("utf-8"))


def encode(value: Any) -> tuple[bytes, str]:
    """The bytes and the encoding of a value. Raises as `encode_json` does."""
    if value is None:
        return b"", _abi.NULL
    if isinstance(value, bytes):
        return value, _abi.BINARY
    return encode_json(value), _abi.JSON


def decode(data: bytes, encoding: str | None) -> Any:
    """The value of bytes of an encoding, before a hint is looked at. Raises ValueError."""
    if not encoding or encoding == _abi.JSON or encoding == _abi.PROTO_JSON:
        try:
            return decode_json(data)
        except RecursionError:
            raise ValueError("is nested too deeply") from None
        except ValueError as error:
            raise ValueError(f"is not valid JSON: {error}") from None
    if encoding == _abi.NULL:
        return None
    if encoding == _abi.BINARY:
        return data
    raise ValueError(f'has the encoding "{encoding}", which only a RawValue can have')


@overload
def value_to_type(hint: type[T], value: Any) -> T: ...
@overload
def value_to_type(hint: Any, value: Any) -> Any: ...
def value_to_type(hint: Any, value: Any) -> Any:
    """Makes what a type hint says of a value such as ``json.loads`` yields.

    :raises TypeError: it cannot be made of it
    """
    return _hints.decoder(hint)(value)


class PayloadConverter:
    """Converts values of activities. There is one, `PayloadConverter.default`."""

    default: ClassVar[PayloadConverter]

    def to_payload(self, value: Any) -> Payload:
        """The payload of a value.

        :raises TypeError: the value is not JSON
        :raises ValueError: it is NaN, infinite, or contains itself
        """
        if isinstance(value, RawValue):
            return value.payload
        data, encoding = encode(value)
        return Payload({"encoding": encoding.encode()}, data)

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """The payloads of several values."""
        return [self.to_payload(value) for value in values]

    @overload
    def from_payload(self, payload: Payload) -> Any: ...
    @overload
    def from_payload(self, payload: Payload, type_hint: type[T]) -> T: ...
    def from_payload(self, payload: Payload, type_hint: Any = None) -> Any:
        """The value of a payload, of the type of a hint if there is one.

        :raises ValueError: it is not JSON, or of an encoding that is not decoded
        :raises TypeError: it is not of the hint's type
        """
        if type_hint is RawValue:
            return RawValue(payload)
        value = decode(payload.data, payload.encoding)
        if type_hint is None or payload.encoding in (_abi.NULL, _abi.BINARY):
            return value
        return _hints.decoder(type_hint)(value)

    def from_payloads(
        self, payloads: Sequence[Payload], type_hints: Sequence[Any] | None = None
    ) -> list[Any]:
        """The values of several payloads."""
        hints = [*(type_hints or ()), *[None] * len(payloads)]
        return [self.from_payload(p, hint) for p, hint in zip(payloads, hints, strict=False)]


PayloadConverter.default = PayloadConverter()
