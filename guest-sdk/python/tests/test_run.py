"""An activity from its arguments to its status."""

from __future__ import annotations

import asyncio
import base64
import enum
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn

import pytest

import fakehost
from fakehost import Host, payload
from wasmworker import _registry, _run, activity
from wasmworker.common import Payload, Priority, RawValue
from wasmworker.exceptions import ApplicationError, CancelledError


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    yield
    _registry.definitions.clear()


def run(fn: Callable[..., Any], host: Host, **options: Any) -> int:
    definition = _registry.of(activity.defn(**options)(fn))
    assert definition is not None
    definition.prepare()
    with fakehost.logging_to(host):
        return _run.run(host, definition)


def failure(fn: Callable[..., Any], host: Host) -> dict[str, Any]:
    assert run(fn, host) == 1, host.result
    failure: dict[str, Any] = host.failure
    return failure


@dataclass
class Item:
    price: float


@dataclass
class Order:
    items: list[Item]
    note: str | None = None


def refused(fn: Callable[..., Any], *args: fakehost.Payload) -> str:
    got = failure(fn, Host(*args))
    assert (got["type"], got["non_retryable"]) == ("InvalidInput", True)
    return str(got["message"])


def test_arguments_that_do_not_fit() -> None:
    def one(order: Order, count: int = 1) -> None: ...

    assert refused(one, payload({"items": [{"price": 1}, {"price": "2"}]})) == (
        "argument 1: order.items[1].price must be a number, and is a string"
    )
    _registry.definitions.clear()

    def two(order: Order, count: int = 1) -> None: ...

    for args, message in [
        ((payload({}),), "argument 1: order.items is missing"),
        ((payload([]),), "argument 1 (order) must be an object (Order), and is a list"),
        (
            (payload({"items": [], "note": 5}),),
            "argument 1: order.note must be a string, and is a whole number",
        ),
        ((payload({"items": []}), payload("x")), "argument 2 (count) must be a whole number"),
        ((), "argument 1 (order) is missing"),
        (((b"{", "json/plain"),), "argument 1 (order) is not valid JSON: "),
        (((b"\xff", None),), "argument 1 (order) is not valid JSON: "),
        (((b"x", "binary/plain"),), "argument 1 (order) must be of type Order, and is bytes"),
        (((b"", "binary/null"),), "argument 1 (order) must be of type Order, and is null"),
        (((b"[" * 100_000, "json/plain"),), "argument 1 (order) is nested too deeply"),
        (((b"x", "binary/encrypted"),), 'argument 1 (order) has the encoding "binary/encrypted"'),
    ]:
        _registry.definitions.clear()

        def fn(order: Order, count: int = 1) -> None: ...

        assert refused(fn, *args).startswith(message)


def test_a_class_that_refuses_a_value_says_so() -> None:
    @dataclass
    class Even:
        n: int

        def __post_init__(self) -> None:
            if self.n % 2:
                raise LookupError("odd")

    def fn(even: Even) -> None: ...

    fn.__annotations__ = {"even": Even}
    assert refused(fn, payload({"n": 1})) == "argument 1 (even): LookupError: odd"


def test_arguments_of_all_kinds() -> None:
    seen: list[Any] = []

    def fn(a: bytes, b: Any, c: int | None, d: str = "d", *rest: int) -> None:
        seen.extend([a, b, c, d, *rest])

    args = [(b"\x00", "binary/plain"), (b"\x01", "binary/plain"), (b"", "binary/null")]
    assert run(fn, Host(*args, payload("e"), payload(1), (b"2", "json/protobuf"))) == 0
    assert seen == [b"\x00", b"\x01", None, "e", 1, 2]


def test_surplus_arguments_are_ignored_and_defaults_are_used() -> None:
    def fn(a: int, b: int = 5) -> int:
        return a + b

    host = Host(payload(1))
    assert run(fn, host) == 0 and host.value == 6
    _registry.definitions.clear()

    def other(a: int) -> int:
        return a

    host = Host(payload(1), payload("surplus"))
    assert run(other, host) == 0 and host.value == 1


def test_a_function_without_hints_takes_what_comes() -> None:
    def fn(a, b):  # type: ignore[no-untyped-def]
        return [a, b]

    host = Host(payload({"x": [1]}), payload(None))
    assert run(fn, host) == 0 and host.value == [{"x": [1]}, None]


def test_raw_values_keep_their_metadata() -> None:
    def fn(a: RawValue) -> RawValue:
        assert a.payload.metadata["messageType"] == b"acme.Order"
        return RawValue(Payload({**a.payload.metadata, "b": b"\xff"}, a.payload.data + b"!"))

    host = Host((b"{}", "json/protobuf"))
    host.metadata[0] = {"messageType": "acme.Order"}
    assert run(fn, host) == 0 and host.result is not None
    data, encoding, metadata = host.result
    assert (data, encoding) == (b"{}!", "json/protobuf")
    encoded = base64.b64encode(b"\xff").decode()
    assert f'"b": {{"base64": "{encoded}"}}'.encode() in metadata


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (object(), "the result cannot be encoded: an object of type object is not JSON"),
        (float("nan"), "the result cannot be encoded: Out of range float values"),
        (enum.Enum("E", "A").A, "the result cannot be encoded: an object of type E"),  # type: ignore[attr-defined]
    ],
)
def test_results_that_are_not_json(value: Any, message: str) -> None:
    got = failure(lambda_activity(value), Host())
    assert (got["type"], got["non_retryable"]) == ("InvalidOutput", True)
    assert got["message"].startswith(message)


def lambda_activity(value: Any) -> Callable[..., Any]:
    def fn() -> Any:
        return value

    return fn


def test_results_that_contain_themselves() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert failure(lambda_activity(circle), Host())["type"] == "InvalidOutput"
    _registry.definitions.clear()
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    got = failure(lambda_activity(deep), Host())
    assert got["type"] == "InvalidOutput" and got["message"].endswith("nested too deeply")
    while deep:  # or the interpreter's stack ends with the list
        deep = deep.pop()


def test_too_much_output() -> None:
    host = Host()
    host.limit = 10
    got = failure(lambda_activity(b"12345678901"), host)
    assert (got["type"], got["non_retryable"]) == ("OutputTooLarge", True)


def test_failures_that_are_too_long_are_shortened() -> None:
    def fn() -> NoReturn:
        raise ApplicationError("m" * 10_000, "d" * 10_000, type="T", non_retryable=True)

    host = Host()
    host.failure_limit = 6_000
    got = failure(fn, host)
    assert got["type"] == "T" and got["non_retryable"] is True and "details" not in got
    assert got["message"].startswith("mmm") and got["message"].endswith("the failure was too long)")


def test_details_that_are_not_json_do_not_hide_the_failure() -> None:
    def fn() -> NoReturn:
        raise ApplicationError("m", object, b"\x01", type="T")

    got = failure(fn, Host())
    assert got["message"] == "m" and got["details"] == ["<class 'object'>", [1]]


def test_a_delay_is_in_whole_milliseconds() -> None:
    def fn() -> NoReturn:
        raise ApplicationError("m", next_retry_delay=timedelta(microseconds=1500))

    assert failure(fn, Host())["next_retry_delay_ms"] == 2


def test_groups() -> None:
    def fn() -> NoReturn:
        errors = [ValueError(f"{i}") for i in range(15)]
        raise ExceptionGroup("all", errors)

    got = failure(fn, Host())
    assert got["message"].startswith("all (also: ValueError: ")
    assert got["message"].endswith("; and 4 more)") and got["cause"]["message"] == "0"
    _registry.definitions.clear()

    def large() -> NoReturn:
        raise ExceptionGroup("all", [ValueError(str(i) * 2000) for i in range(12)])

    assert len(failure(large, Host())["message"]) < 4200


@pytest.mark.parametrize("code", [None, 0, 3, "oh no"])
def test_exit(code: Any) -> None:
    def fn() -> NoReturn:
        raise SystemExit(code)

    got = failure(fn, Host())
    assert got["type"] == "SystemExit" and "non_retryable" not in got


def test_recursion_without_end() -> None:
    def fn() -> None:
        fn()

    got = failure(fn, Host())
    assert got["type"] == "RecursionError" and len(got["stack_trace"]) < 10_000


def test_an_exception_whose_text_raises() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise ValueError

    def fn() -> NoReturn:
        raise Broken

    got = failure(fn, Host())
    assert got["type"] == "Broken" and "ValueError" in got["message"]


def test_stack_traces_begin_in_the_activity() -> None:
    async def fn() -> NoReturn:
        await asyncio.sleep(0)
        raise ValueError("x")

    trace = failure(fn, Host())["stack_trace"]
    assert trace.startswith(f'  File "{__file__}", line ') and 'raise ValueError("x")' in trace
    assert trace.count("File") == 1


def test_causes_that_are_nested_too_deeply_are_cut() -> None:
    def fn() -> NoReturn:
        error = ValueError("0")
        for i in range(30):
            outer = ValueError(str(i + 1))
            outer.__cause__ = error
            error = outer
        raise error

    got: Any = failure(fn, Host())
    depth = 0
    while got := got.get("cause"):
        depth += 1
    assert depth == 16


# ---- information


def test_info() -> None:
    seen: list[activity.Info] = []

    def fn() -> None:
        assert activity.in_activity() and activity.info() is activity.info()
        seen.append(activity.info())

    host = Host(
        activity_type="fn",
        attempt=2,
        workflow_id="w",
        workflow_run_id="r",
        workflow_type="W",
        namespace="n",
        task_queue="q",
        heartbeat_timeout_ms=1500,
        scheduled_time="2026-01-02T15:04:05.123Z",
        retry_policy={"initial_interval_ms": 1000, "maximum_attempts": 3},
        priority={"priority_key": 1, "fairness_weight": 0},
    )
    assert run(fn, host) == 0
    (info,) = seen
    assert info.heartbeat_timeout == timedelta(seconds=1.5)
    assert info.start_to_close_timeout is None
    assert info.scheduled_time == datetime(2026, 1, 2, 15, 4, 5, 123000, timezone.utc)
    assert info.in_workflow and info.workflow_namespace == "n" and info.attempt == 2
    assert info.retry_policy is not None and info.retry_policy.maximum_attempts == 3
    assert info.priority == Priority(1)
    assert not activity.in_activity()
    with pytest.raises(RuntimeError, match="Not in activity"):
        activity.info()


def test_a_standalone_activity_has_no_workflow() -> None:
    def fn() -> list[Any]:
        i = activity.info()
        return [i.in_workflow, i.workflow_id, i.workflow_namespace, i.activity_run_id]

    host = Host(namespace="n", activity_run_id="a")
    assert run(fn, host) == 0 and host.value == [False, None, None, "a"]


def test_heartbeat_details() -> None:
    def fn() -> list[Any]:
        details = activity.info().heartbeat_details
        assert len(details) == 3 and details == [1, None, "x"] and list(details)[0] == 1
        activity.heartbeat(*details, b"\x00", {"a": Item(1)})
        return list(details)

    host = Host(details=(payload(1), (b"", "binary/null"), (b'"x"', None)))
    assert run(fn, host) == 0
    assert host.sent == [
        [1, (b"", "binary/null"), "x", (b"\x00", "binary/plain"), {"a": {"price": 1}}]
    ]


def test_details_that_cannot_be_decoded_are_told_when_they_are_read() -> None:
    def fn() -> int:
        assert activity.info().attempt == 1
        return len(activity.info().heartbeat_details)

    host = Host(details=((b"x", "binary/encrypted"),))
    assert run(fn, host) == 0 and host.value == 1


def test_heartbeats_that_are_refused() -> None:
    def large() -> None:
        activity.heartbeat("x" * 100)

    host = Host()
    host.limit = 10
    assert failure(large, host)["type"] == "ValueError"
    _registry.definitions.clear()

    def bad() -> None:
        activity.heartbeat(1, object())

    got = failure(bad, Host())
    assert got["type"] == "InvalidOutput" and "detail 2 of the heartbeat" in got["message"]


# ---- cancellation


def test_a_heartbeat_raises_once() -> None:
    def fn() -> str:
        raised = 0
        for _ in range(5):
            try:
                activity.heartbeat()
            except CancelledError:
                raised += 1
        return f"{raised}"

    host = Host()
    host.flags_after = (2, 1)
    assert run(fn, host) == 0 and host.value == "1"


def test_a_heartbeat_that_may_not_raise() -> None:
    def fn() -> bool:
        while not activity.is_cancelled():
            activity.heartbeat()
        return True

    host = Host()
    host.flags_after = (2, 4)
    assert run(fn, host, no_thread_cancel_exception=True) == 0 and len(host.sent) == 2


def test_a_shield_raises_at_its_end() -> None:
    steps = []

    def fn() -> None:
        with activity.shield_thread_cancel_exception():
            with activity.shield_thread_cancel_exception():
                activity.heartbeat()
            steps.append("inside")
            activity.heartbeat()
        steps.append("after")

    host = Host()
    host.flags = 1
    assert run(fn, host) == 2 and steps == ["inside"] and host.result is None


@pytest.mark.parametrize("flag", [1, 4, 8, 16])
def test_an_async_activity_is_cancelled_where_it_waits(flag: int) -> None:
    seen: list[Any] = []

    async def fn() -> None:
        try:
            activity.heartbeat()
            seen.append("goes on")
            await asyncio.sleep(3600)
        finally:
            details = activity.cancellation_details()
            assert details is not None
            seen.append(
                (details.cancel_requested, details.paused, details.reset, details.not_found)
            )

    host = Host()
    host.flags_after = (1, flag)
    assert run(fn, host) == 2
    assert seen == ["goes on", (flag == 1, flag == 4, flag == 8, flag == 16)]


def test_a_cancellation_is_seen_without_heartbeats() -> None:
    async def fn() -> None:
        host.flags = 1
        await asyncio.Event().wait()  # which nobody sets

    host = Host()
    assert run(fn, host) == 2


def test_what_waits_for_flags() -> None:
    async def fn() -> str:
        asyncio.get_running_loop().call_later(0.05, lambda: setattr(host, "flags", 2))
        await activity.wait_for_worker_shutdown()
        assert activity.is_worker_shutdown() and not activity.is_cancelled()
        return "stopping"

    host = Host()
    assert run(fn, host) == 0 and host.value == "stopping"
    _registry.definitions.clear()

    def sync() -> None:
        start = time.monotonic()
        activity.wait_for_cancelled_sync(timedelta(seconds=0.15))
        assert time.monotonic() - start > 0.14 and not activity.is_cancelled()
        host.flags = 1
        activity.wait_for_cancelled_sync()
        assert activity.is_cancelled()

    host = Host()
    assert run(sync, host) == 0, host.failure


def test_waiting_is_for_async_activities() -> None:
    def fn() -> None:
        coroutine = activity.wait_for_cancelled()
        try:
            coroutine.send(None)
        finally:
            coroutine.close()

    assert failure(fn, Host())["message"] == "not in async activity"


def test_cancelled_without_being_asked() -> None:
    def fn() -> NoReturn:
        raise CancelledError("enough")

    got = failure(fn, Host())
    assert got["type"] == "UnexpectedCancel" and "stack_trace" in got


def test_cancelled_by_a_shutdown() -> None:
    def fn() -> NoReturn:
        raise CancelledError("enough", 7)

    host = Host()
    host.flags = 2
    got = failure(fn, host)
    assert got["type"] == "WorkerShutdown" and got["details"] == [7]
    assert "non_retryable" not in got


def test_details_of_a_cancellation() -> None:
    def fn() -> NoReturn:
        raise CancelledError("stopped", {"a": 1}, 2)

    host = Host()
    host.flags = 1
    assert run(fn, host) == 2 and host.value == [{"a": 1}, 2]
    host.limit, host.result = 2, None
    _registry.definitions.clear()

    def large() -> NoReturn:
        raise CancelledError("stopped", "too long")

    assert run(large, host) == 2 and host.result is None


# ---- asyncio


def test_asyncio() -> None:
    async def fn() -> list[Any]:
        async def slow(n: int) -> int:
            await asyncio.sleep(0.02)
            return n

        start = time.monotonic()
        both: list[int] = list(await asyncio.gather(slow(1), slow(2)))
        assert time.monotonic() - start < 0.035
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(10)
        except TimeoutError:
            both.append(3)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(slow(4))
        both.append(task.result())
        both.append(await asyncio.to_thread(lambda: 5))
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        queue: asyncio.Queue[int] = asyncio.Queue()
        asyncio.get_running_loop().call_soon(queue.put_nowait, 6)
        both.append(await queue.get())
        return both

    for _ in range(2):  # the loop is the same
        host = Host()
        _registry.definitions.clear()
        assert run(fn, host) == 0 and host.value == [1, 2, 3, 4, 5, 6], host.failure
        del fn.__wasmworker_activity__  # type: ignore[attr-defined]


def test_tasks_that_are_left_behind_are_cancelled() -> None:
    seen = []

    async def fn() -> None:
        async def forever() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                seen.append("cancelled")

        seen.append(asyncio.create_task(forever()))  # type: ignore[arg-type]
        await asyncio.sleep(0)

    assert run(fn, Host()) == 0 and seen[1:] == ["cancelled"]


# ---- log


def test_log() -> None:
    import logging

    def fn() -> None:
        activity.logger.info("a %s", "b", extra={"n": 1, "item": Item(2.5), "o": object})
        activity.logger.debug("detail", extra={"name": object, "args": [1], "x": 2})
        logging.getLogger("acme").debug("not shown")
        logging.getLogger("acme").error("lone \ud800")
        try:
            raise ValueError("x")
        except ValueError:
            logging.exception("failed")

    host = Host()
    assert run(fn, host) == 0, host.failure
    first, second, third, fourth = host.logs
    assert first == (0, "a b", {"n": 1, "item": {"price": 2.5}, "o": "<class 'object'>"})
    assert second == (
        -4,
        "detail",
        {"name": "<class 'object'>", "args": [1], "x": 2},
    ) and third == (
        8,
        "lone \\ud800",
        {},
    )
    assert fourth[:2] == (8, "failed") and "ValueError: x" in fourth[2]["exception"]


def test_log_with_the_activity() -> None:
    def fn() -> None:
        activity.logger.activity_info_on_message = True
        activity.logger.activity_info_on_extra = True
        try:
            activity.logger.info("a")
        finally:
            activity.logger.activity_info_on_message = False
            activity.logger.activity_info_on_extra = False

    host = Host(activity_type="fn")
    assert run(fn, host) == 0
    ((_, message, attributes),) = host.logs
    assert message.startswith("a ({'activity_id': '17'")
    assert attributes["temporal_activity"]["activity_type"] == "fn"


# ---- what there is not


@pytest.mark.parametrize(
    ("call", "type_"),
    [
        (activity.raise_complete_async, "NotImplementedError"),
        (activity.client, "RuntimeError"),
        (activity.metric_meter, "RuntimeError"),
    ],
)
def test_what_there_is_not(call: Callable[[], Any], type_: str) -> None:
    def fn() -> None:
        call()

    got = failure(fn, Host())
    assert got["type"] == type_ and "wasmworker" in got["message"]


# ---- definitions


def test_definitions_that_are_refused() -> None:
    def a() -> None: ...

    activity.defn(a)
    with pytest.raises(ValueError, match="an activity already"):
        activity.defn(a)

    def b(*, key: int) -> None: ...

    with pytest.raises(TypeError, match="key can be given by keyword alone"):
        activity.defn(b)
    with pytest.raises(ValueError, match=r"test_run\.py:\d+ and .*:\d+ both define activity a"):
        activity.defn(name="a")(lambda: None)
    for name in ["_a", "a\nb", "a\u200b", "malloc", "cabi_x", "x" * 1001]:
        with pytest.raises(ValueError, match="cannot be the name of an activity"):
            activity.defn(name=name)(lambda: None)
    with pytest.raises(NotImplementedError, match="no dynamic activities"):
        activity.defn(dynamic=True)
    with pytest.raises(TypeError, match="example is a list"):
        activity.defn(example="x")(lambda: None)


def test_hints_that_cannot_be_read() -> None:
    def fn(a: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821, UP037

    activity.defn(fn)
    with pytest.raises(TypeError, match="the hints of activity fn cannot be read.*Missing"):
        _registry.definitions[0].prepare()


class Counter:
    def __init__(self, start: int = 5) -> None:
        self.n = start

    @activity.defn
    def count(self, by: int) -> int:
        return self.n + by


DEFINED = _registry.definitions.pop()


def test_methods() -> None:
    DEFINED.prepared = False
    DEFINED.prepare()  # Counter() can be made
    host = Host(payload(2))
    assert _run.run(host, DEFINED) == 0 and host.value == 7
    globals()["one"], globals()["two"] = Counter(1), Counter(2)
    original = Counter.count
    try:
        DEFINED.prepared, DEFINED.fn = False, original
        with pytest.raises(TypeError, match="modules have 2 instances"):
            DEFINED.prepare()
        del globals()["two"]
        DEFINED.prepare()
        host = Host(payload(2))
        assert _run.run(host, DEFINED) == 0 and host.value == 3
    finally:
        del globals()["one"]
