"""The converter against the real one: the same values, the same JSON, the same refusals.

``temporalio`` is the package of PyPI here, which `make test` installs.
"""

from __future__ import annotations

import copy
import enum
import json
import math
from typing import Any

import hypothesis
import pytest
import temporalio.activity
import temporalio.api.common.v1
import temporalio.converter
import temporalio.exceptions
import temporalio.testing
from hypothesis import strategies as st

import shapes
import wasmworker.activity
import wasmworker.converter
import wasmworker.exceptions
import wasmworker.testing

theirs = temporalio.converter.PayloadConverter.default
ours = wasmworker.converter.PayloadConverter.default


def test_is_the_real_one() -> None:
    import importlib.metadata

    assert importlib.metadata.version("temporalio") == "1.35.0"


def outcome(f: Any, *args: Any) -> tuple[str, Any]:
    try:
        return "value", f(*args)
    except Exception as error:
        return "error", error


def encoded_by_theirs(value: Any) -> tuple[str, bytes]:
    payload = theirs.to_payload(value)
    return payload.metadata["encoding"].decode(), payload.data


def encoded_by_ours(value: Any) -> tuple[str, bytes]:
    payload = ours.to_payload(value)
    return payload.encoding, payload.data


@pytest.mark.parametrize("value", shapes.VALUES, ids=lambda v: repr(v)[:40])
@pytest.mark.filterwarnings("ignore:If you're using Pydantic")
def test_encode(value: Any) -> None:
    another = copy.copy(value)  # an iterator can be read once
    kind, expected = outcome(encoded_by_theirs, value)
    got_kind, got = outcome(encoded_by_ours, another)
    assert got_kind == kind, (expected, got)
    if kind == "value":
        assert got == expected
    else:
        assert type(got) is type(expected)


def same(a: Any, b: Any) -> bool:
    """Equal, and of the same types, all the way down."""
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return (math.isnan(a) and math.isnan(b)) or repr(a) == repr(b)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict):
        pairs = zip(a.items(), b.items(), strict=True)
        return len(a) == len(b) and all(same(k, m) and same(v, w) for (k, v), (m, w) in pairs)
    if hasattr(a, "__dataclass_fields__"):
        return same(vars(a), vars(b))
    return bool(a == b)


def decoded_by_theirs(text: bytes, hint: Any) -> Any:
    payload = temporalio.api.common.v1.Payload(metadata={"encoding": b"json/plain"}, data=text)
    return theirs.from_payload(payload, hint)


def decoded_by_ours(text: bytes, hint: Any) -> Any:
    payload = wasmworker.common.Payload({"encoding": b"json/plain"}, text)
    return ours.from_payload(payload, hint)


@pytest.mark.parametrize("hint", shapes.HINTS, ids=str)
def test_decode(hint: Any) -> None:
    for text in shapes.JSON:
        kind, expected = outcome(decoded_by_theirs, text.encode(), hint)
        got_kind, got = outcome(decoded_by_ours, text.encode(), hint)
        assert got_kind == kind, f"{text}: {expected!r}, and ours is {got!r}"
        if kind == "value":
            assert same(got, expected), f"{text}: {expected!r}, and ours is {got!r}"
        else:
            # UUIDs, enumerations and constructors have errors of their own there.
            assert isinstance(got, (type(expected), TypeError, ValueError))


def test_there_are_hundreds() -> None:
    assert len(shapes.HINTS) * len(shapes.JSON) > 5000
    values = sum(
        outcome(decoded_by_theirs, text.encode(), hint)[0] == "value"
        for text in shapes.JSON
        for hint in shapes.HINTS
    )
    assert values > 800


# What differs, by decision: NaN and infinity are no JSON.
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, [math.nan]])
def test_no_nan(value: Any) -> None:
    assert encoded_by_theirs(value)
    with pytest.raises(ValueError, match="not JSON compliant"):
        encoded_by_ours(value)


@pytest.mark.parametrize("text", [b"NaN", b"Infinity", b"[-Infinity]"])
def test_no_nan_in(text: bytes) -> None:
    assert outcome(decoded_by_theirs, text, None)[0] == "value"
    with pytest.raises(ValueError, match="is not JSON"):
        decoded_by_ours(text, None)


@pytest.mark.parametrize("text", [b"", b"{", b"[1,]", b"'a'", b'"a" b', b"\xff", b'{"a" 1}'])
def test_malformed(text: bytes) -> None:
    assert outcome(decoded_by_theirs, text, None)[0] == "error"
    with pytest.raises(ValueError, match="is not valid JSON"):
        decoded_by_ours(text, None)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@hypothesis.given(json_values)
@hypothesis.settings(max_examples=300, deadline=None)
def test_any_json(value: Any) -> None:
    assert encoded_by_ours(value) == encoded_by_theirs(value)
    if value is None:
        return
    data = encoded_by_ours(value)[1]
    assert same(decoded_by_ours(data, None), decoded_by_theirs(data, None))


@hypothesis.given(json_values, st.sampled_from(shapes.HINTS))
@hypothesis.settings(max_examples=500, deadline=None)
def test_any_json_of_any_hint(value: Any, hint: Any) -> None:
    data = json.dumps(value).encode()
    kind, expected = outcome(decoded_by_theirs, data, hint)
    got_kind, got = outcome(decoded_by_ours, data, hint)
    assert got_kind == kind, f"{expected!r}, and ours is {got!r}"
    assert kind == "error" or same(got, expected)


orders = st.builds(
    shapes.Order,
    id=st.uuids(),
    at=st.datetimes(timezones=st.timezones()),
    items=st.lists(st.builds(shapes.Point, x=st.integers(), y=st.floats(allow_nan=False))),
    mode=st.sampled_from(shapes.Mode),
    note=st.none() | st.text(),
    tags=st.sets(st.text(), max_size=1),
    by_level=st.dictionaries(
        st.sampled_from(shapes.Level), st.builds(shapes.Point, x=st.integers())
    ),
)


@hypothesis.given(orders)
@hypothesis.settings(max_examples=100, deadline=None)
def test_orders(order: shapes.Order) -> None:
    hypothesis.assume(all(math.isfinite(p.y) for p in order.items))
    kind, expected = outcome(encoded_by_theirs, order)
    assert (kind, expected) == outcome(encoded_by_ours, order)
    back = decoded_by_ours(expected[1], shapes.Order)
    assert same(back, decoded_by_theirs(expected[1], shapes.Order))


# ---- failures


def raised(f: Any) -> BaseException:
    try:
        f()
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def failures(names: Any) -> list[Any]:
    """Functions that raise what a module of exceptions has."""
    application, category = names.ApplicationError, names.ApplicationErrorCategory

    def ordinary() -> None:
        raise ValueError("plain text")

    def no_text() -> None:
        raise KeyError

    def key() -> None:
        dict[str, int]()["a"]

    def typed() -> None:
        raise application("declined", {"code": 51}, "second", None, type="CardDeclined")

    def untyped() -> None:
        raise application("declined")

    def final() -> None:
        raise application("no", type="NoCard", non_retryable=True)

    def benign() -> None:
        raise application("expected", category=category.BENIGN)

    def explicit() -> None:
        raise RuntimeError("outer") from ValueError("inner")

    def implicit() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            raise RuntimeError("outer") from None

    def context() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            raise RuntimeError("outer")  # noqa: B904

    def application_context() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            raise application("outer", type="T")  # noqa: B904

    def application_suppressed() -> None:
        try:
            raise ValueError("inner")
        except ValueError:
            raise application("outer", type="T") from None

    def chain() -> None:
        try:
            try:
                raise ValueError("1")
            except ValueError as one:
                raise application("2", 5, type="B") from one
        except Exception as two:
            raise KeyError("3") from two

    return [
        ordinary,
        no_text,
        key,
        typed,
        untyped,
        final,
        benign,
        explicit,
        implicit,
        context,
        application_context,
        application_suppressed,
        chain,
    ]


def as_json(failure: Any) -> dict[str, Any]:
    """Temporal's message in the shape of the guest contract."""
    info = failure.application_failure_info
    out: dict[str, Any] = {"message": failure.message}
    if info.type:
        out["type"] = info.type
    if failure.stack_trace:
        out["stack_trace"] = failure.stack_trace
    if info.non_retryable:
        out["non_retryable"] = True
    if info.category:
        out["category"] = "benign"
    if info.HasField("details"):
        out["details"] = [json.loads(p.data or b"null") for p in info.details.payloads]
    if failure.HasField("cause"):
        out["cause"] = as_json(failure.cause)
    return out


@pytest.mark.parametrize("i", range(13))
def test_failures(i: int) -> None:
    from wasmworker import _failure

    real = raised(failures(temporalio.exceptions)[i])
    message = temporalio.api.failure.v1.Failure()
    temporalio.converter.FailureConverter.default.to_failure(real, theirs, message)
    assert _failure.of(raised(failures(wasmworker.exceptions)[i])) == as_json(message)


@pytest.mark.parametrize("name", ["ApplicationError", "CancelledError", "FailureError"])
def test_exceptions_have_the_same_parts(name: str) -> None:
    real, own = getattr(temporalio.exceptions, name), getattr(wasmworker.exceptions, name)
    assert {n for n in dir(real) if not n.startswith("_")} == {
        n for n in dir(own) if not n.startswith("_")
    }
    assert [c.__name__ for c in real.__mro__] == [c.__name__ for c in own.__mro__]


def test_application_error_prints_as_theirs() -> None:
    for module in (temporalio.exceptions, wasmworker.exceptions):
        error = module.ApplicationError("text", 1, type="T")
        assert (str(error), error.message, error.details) == ("T: text", "text", (1,))


# ---- the module activity


def test_activity_has_the_same_names() -> None:
    private = ("annotations", "TYPE_CHECKING", "temporalio", "overload", "contextvars")
    theirs = {
        name
        for name, value in vars(temporalio.activity).items()
        if not name.startswith("_")
        and name not in private
        and getattr(value, "__module__", "temporalio.activity") == "temporalio.activity"
        and type(value).__name__ != "module"
    }
    missing = theirs - set(wasmworker.activity.__all__) - {"CallableType", "Any", "NoReturn"}
    assert not missing


def test_info_has_the_same_fields() -> None:
    own = wasmworker.testing.ActivityEnvironment.default_info()
    real = temporalio.testing.ActivityEnvironment.default_info()
    fields = list(vars(real))
    assert fields == list(vars(own))
    plain = [f for f in fields if f != "priority" and not isinstance(vars(real)[f], enum.Enum)]
    for name in plain:
        if name not in ("current_attempt_scheduled_time", "scheduled_time", "started_time"):
            assert getattr(own, name) == getattr(real, name), name
    assert vars(own.priority) == vars(real.priority)
