"""Workflows, on a host that gives activations and keeps the commands."""

from __future__ import annotations

import asyncio
import inspect
import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from wasmworker import _registry, activity, workflow
from wasmworker._workflow import _definitions, _run
from wasmworker.common import RawValue, RetryPolicy, SearchAttributeKey
from wasmworker.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    ChildWorkflowError,
)

MINUTE = timedelta(minutes=1)


@dataclass
class Item:
    name: str
    price: float


class Host:
    """A host with one run."""

    def __init__(self, cls: type, *args: Any, **info: Any) -> None:
        definition = _definitions.of(cls)
        assert definition is not None
        definition.prepare()
        self.definition = definition
        self.body = b""
        self.sent = b""
        self.now = datetime(2026, 11, 30, 6, 0, tzinfo=timezone.utc)
        self.history = {"length": 3, "size": 100}
        self.patches: dict[str, bool] = {}
        self.args = args
        self.given = {"workflow_id": "w", "run_id": "r", "workflow_type": definition.name, **info}
        self.status = 0

    def activation(self) -> bytes:
        return self.frame

    def commands(self, frame: bytes, /) -> int:
        size = int.from_bytes(frame[:4], "little")
        self.body = frame[4 + size :]
        self.got += json.loads(frame[4 : 4 + size])["commands"]
        return len(self.got)

    def patched(self, id: str, /) -> bool:
        return self.patches.setdefault(id, True)

    def random(self, n: int, /) -> bytes:
        return bytes(range(n))

    def run(self, *jobs: dict[str, Any], status: int = 0) -> list[dict[str, Any]]:
        """One activation, and its commands. Of a job's `args` and `result` payloads are made."""
        body = bytearray()

        def payload(value: Any) -> dict[str, Any]:
            if isinstance(value, dict) and "metadata" in value:
                return value
            data = json.dumps(value).encode()
            body.extend(data)
            return {"bytes": [len(body) - len(data), len(data)], "encoding": "json/plain"}

        made = []
        for given in jobs:
            job = dict(given)
            if "args" in job:
                job["args"] = [payload(v) for v in job["args"]]
            if "result" in job:
                job["result"] = payload(job["result"])
            made.append(job)
        now = self.now.isoformat().replace("+00:00", ".000000123Z")
        head = json.dumps({"now": now, "history": self.history, "jobs": made}).encode()
        self.frame = len(head).to_bytes(4, "little") + head + body
        self.got: list[dict[str, Any]] = []
        self.status = _run.activate(self, self.definition)
        assert self.status == status, self.got
        return self.got

    def start(self, *more: dict[str, Any], status: int = 0) -> list[dict[str, Any]]:
        job = {"job": "start", "args": list(self.args), "info": self.given}
        return [c for c in self.run(job, *more, status=status) if c["command"] != "describe"]

    def value(self, payload: dict[str, Any]) -> Any:
        at, size = payload["bytes"]
        data = self.body[at : at + size]
        if payload.get("encoding", "json/plain") == "binary/null":
            return None
        return json.loads(data)

    def result(self) -> Any:
        last = self.got[-1]
        assert last["command"] == "complete", self.got
        return self.value(last["result"]) if "result" in last else None

    def query(self, name: str, *args: Any) -> Any:
        (answer,) = self.run({"job": "query", "name": name, "args": args})
        assert "failure" not in answer, answer
        return self.value(answer["result"]) if "result" in answer else None


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Definitions of a test are no others'."""
    workflows, activities = list(_definitions.workflows), list(_registry.definitions)
    yield
    _definitions.workflows[:] = workflows
    _registry.definitions[:] = activities
    _run._current = None


def resolved(number: int, result: Any) -> dict[str, Any]:
    return {"job": "resolve", "id": number, "result": result}


def failed(number: int, **failure: Any) -> dict[str, Any]:
    return {"job": "resolve", "id": number, "failure": failure}


def test_an_activity_and_a_timer() -> None:
    @activity.defn(name="price")
    async def price_of(name: str) -> Item:
        raise NotImplementedError

    @workflow.defn
    class Order:
        @workflow.run
        async def run(self, name: str) -> Item:
            item = await workflow.execute_activity(
                price_of,
                name,
                start_to_close_timeout=MINUTE,
                retry_policy=RetryPolicy(maximum_attempts=3),
                summary="asks",
            )
            assert isinstance(item, Item)
            await asyncio.sleep(1.5)
            return item

    host = Host(Order, "tea")
    (command,) = host.start()
    assert command["type"] == "price" and host.value(command["args"][0]) == "tea"
    assert command["options"] == {
        "start_to_close_timeout_ms": 60000,
        "retry_policy": {
            "initial_interval_ms": 1000,
            "backoff_coefficient": 2.0,
            "maximum_attempts": 3,
        },
        "summary": "asks",
    }
    assert host.run(resolved(1, {"name": "tea", "price": 2})) == [
        {"command": "timer", "id": 2, "ms": 1500}
    ]
    host.now += timedelta(seconds=2)
    host.run({"job": "resolve", "id": 2})
    assert host.result() == {"name": "tea", "price": 2}


def test_what_asyncio_has() -> None:
    @workflow.defn
    class Tasks:
        @workflow.run
        async def run(self) -> list[Any]:
            seen: list[Any] = []
            queue: asyncio.Queue[int] = asyncio.Queue(1)

            async def produce() -> None:
                for n in range(3):
                    await queue.put(n)

            async with asyncio.TaskGroup() as group:
                group.create_task(produce())
                seen += [await queue.get() for _ in range(3)]
            try:
                async with asyncio.timeout(2):
                    await asyncio.Event().wait()
            except TimeoutError:
                seen.append("timeout")
            done, left = await workflow.wait(
                [asyncio.create_task(workflow.sleep(1)), asyncio.create_task(asyncio.sleep(9))],
                return_when=asyncio.FIRST_COMPLETED,
            )
            left[0].cancel()
            seen.append(len(done))
            seen.append(await asyncio.wait_for(asyncio.sleep(0, "soon"), 5))
            return seen

    host = Host(Tasks)
    assert host.start() == [{"command": "timer", "id": 1, "ms": 2000}]
    got = host.run({"job": "resolve", "id": 1})
    assert [c["ms"] for c in got] == [1000, 9000]
    got = host.run({"job": "resolve", "id": 2})
    assert {"command": "cancel", "id": 3} in got
    assert host.result() == [0, 1, 2, "timeout", 1, "soon"]


def test_signals_queries_and_updates() -> None:
    @workflow.defn
    class Counter:
        @workflow.init
        def __init__(self, start: int) -> None:
            self.sum, self.names, self.done = start, [""], False

        @workflow.run
        async def run(self, start: int) -> int:
            await workflow.wait_condition(lambda: self.done and workflow.all_handlers_finished())
            return self.sum

        @workflow.signal
        def add(self, n: int) -> None:
            self.sum += n

        @workflow.signal(dynamic=True)
        def others(self, name: str, args: list[RawValue]) -> None:
            self.names += [name, args[0].payload.data.decode()]

        @workflow.query(name="total", description="the sum")
        def get_total(self) -> int:
            return self.sum

        @workflow.query
        def changes(self) -> None:
            workflow.upsert_memo({"a": 1})

        @workflow.update
        async def replace(self, item: Item) -> str:
            info = workflow.current_update_info()
            assert info is not None
            await asyncio.sleep(1)
            self.sum, self.done = int(item.price), True
            return f"{info.id} {info.name}"

        @replace.validator
        def check(self, item: Item) -> None:
            if item.price < 0:
                raise ApplicationError("too cheap", type="Cheap")

    host = Host(Counter, 10)
    host.start({"job": "signal", "name": "add", "args": [1]})
    describe = host.got[0]
    assert [s["name"] for s in describe["signals"]] == ["add"]
    assert {"name": "total", "description": "the sum"} in describe["queries"]
    assert host.query("total") == 11
    host.run({"job": "signal", "name": "other", "args": ["x"]})
    assert _run.current().instance.names == ["", "other", '"x"']
    # One whose arguments are wrong is dropped.
    assert host.run({"job": "signal", "name": "add", "args": ["x"]}) == []

    def answer(job: str, name: str, *args: Any) -> dict[str, Any]:
        (got,) = host.run({"job": job, "name": name, "update_id": "u", "args": args})
        assert got["command"] == "answer"
        failure: dict[str, Any] = got.get("failure", {})
        return failure

    assert answer("query", "none")["type"] == "UnknownQuery"
    assert "queries that there are: changes, total" in answer("query", "none")["message"]
    assert "must change nothing" in answer("query", "changes")["message"]
    assert answer("validate", "none")["type"] == "UnknownUpdate"
    assert answer("validate", "replace", {"name": "x", "price": -1})["type"] == "Cheap"
    assert answer("validate", "replace", {"name": "x"})["type"] == "InvalidInput"
    assert answer("validate", "replace", {"name": "x", "price": 1}) == {}
    update = {
        "job": "update",
        "update_id": "u",
        "name": "replace",
        "args": [{"name": "", "price": 5}],
    }
    assert [c["command"] for c in host.run(update)] == ["timer"]
    updated, completed = host.run({"job": "resolve", "id": 1})
    assert updated["update_id"] == "u" and host.value(updated["result"]) == "u replace"
    assert host.value(completed["result"]) == 5


def test_handlers_that_are_set_later() -> None:
    @workflow.defn
    class Late:
        @workflow.run
        async def run(self) -> list[str]:
            seen: list[str] = []
            await workflow.sleep(1)
            workflow.set_signal_handler("go", seen.append)
            workflow.set_query_handler("seen", lambda: seen)
            workflow.set_update_handler("up", lambda n: n + 1, validator=lambda n: None)
            await workflow.wait_condition(lambda: len(seen) == 2, timeout=MINUTE)
            assert workflow.get_signal_handler("go") is not None
            workflow.set_signal_handler("go", None)
            return seen

    host = Host(Late)
    host.start({"job": "signal", "name": "go", "args": ["early"]})
    assert [c["command"] for c in host.run({"job": "resolve", "id": 1})] == ["describe", "timer"]
    assert host.query("seen") == ["early"]
    (updated,) = host.run({"job": "update", "update_id": "u", "name": "up", "args": [1]})
    assert host.value(updated["result"]) == 2
    commands = host.run({"job": "signal", "name": "go", "args": ["late"]})
    assert [c["command"] for c in commands] == ["cancel", "describe", "complete"]


def test_cancellation() -> None:
    @workflow.defn
    class Cleans:
        @workflow.run
        async def run(self) -> None:
            try:
                await workflow.execute_activity("hang", schedule_to_close_timeout=MINUTE)
            except ActivityError as error:
                assert isinstance(error.cause, CancelledError)
                await workflow.execute_activity("clean", start_to_close_timeout=MINUTE)
                raise

    host = Host(Cleans)
    host.start()
    assert host.run({"job": "cancel"}) == [{"command": "cancel", "id": 1}]
    (command,) = host.run(failed(1, kind="canceled", message="canceled"))
    assert command["type"] == "clean"
    assert host.run(resolved(2, None)) == [{"command": "canceled", "details": []}]

    @workflow.defn
    class Sleeps:
        @workflow.run
        async def run(self) -> None:
            await asyncio.sleep(60)

    host = Host(Sleeps)
    host.start()
    commands = host.run({"job": "cancel"})
    assert [c["command"] for c in commands] == ["cancel", "canceled"]
    host = Host(Sleeps)
    commands = host.start({"job": "cancel"})
    assert [c["command"] for c in commands] == ["timer", "cancel", "canceled"]


def test_an_end_that_cannot_be_told() -> None:
    @workflow.defn
    class Page:
        @workflow.run
        async def run(self, how: str) -> None:
            if how == "memo":
                workflow.continue_as_new(how, memo={"rate": float("nan")})
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise CancelledError("stopped", object()) from None

    host = Host(Page, "memo")
    (command,) = host.start(status=1)
    assert command["command"] == "fail_task" and "float" in command["failure"]["message"]
    host = Host(Page, "details")
    host.start()
    command = host.run({"job": "cancel"})[-1]
    assert command["command"] == "canceled" and len(command["details"]) == 1


def test_failures() -> None:
    class OwnError(Exception):
        pass

    @workflow.defn(failure_exception_types=[OwnError])
    class Fails:
        @workflow.run
        async def run(self, how: str) -> Any:
            if how == "activity":
                await workflow.execute_activity("a", start_to_close_timeout=MINUTE)
            if how == "own":
                raise OwnError("own")
            if how == "application":
                raise ApplicationError("bad", Item("x", 1), type="Bad", non_retryable=True)
            if how == "timeout":
                raise TimeoutError
            if how == "no json":
                return object()
            if how == "no timeout":
                await workflow.execute_activity("a")
            raise KeyError(how)

    def fails(how: str, status: int = 0) -> dict[str, Any]:
        (command,) = Host(Fails, how).start(status=status)
        assert command["command"] == ("fail_task" if status else "fail")
        failure: dict[str, Any] = command["failure"]
        return failure

    assert fails("own")["type"] == "OwnError"
    assert fails("timeout")["type"] == "TimeoutError"
    bad = fails("application")
    assert bad["type"] == "Bad" and bad["non_retryable"] and len(bad["details"]) == 1
    task = fails("other", 1)
    assert task["type"] == "KeyError" and "raise KeyError(how)" in task["stack_trace"]
    assert "the result cannot be encoded" in fails("no json", 1)["message"]
    assert "must have start_to_close_timeout" in fails("no timeout", 1)["message"]
    (command,) = Host(Fails).start()
    assert command["failure"]["message"] == "argument 1 (how) is missing"

    host = Host(Fails, "activity")
    host.start()
    cause = {"message": "declined", "type": "Declined", "details": []}
    (command,) = host.run(
        failed(1, kind="activity", message="activity error", activity_type="a", cause=cause)
    )
    failure = command["failure"]
    assert failure["kind"] == "activity" and failure["activity_type"] == "a"
    assert failure["cause"] == {"message": "declined", "type": "Declined"}


def test_other_workflows() -> None:
    @workflow.defn(name="TheChild")
    class Child:
        @workflow.run
        async def run(self, n: int) -> Item:
            raise NotImplementedError

        @workflow.signal(name="go")
        def begin(self, n: int) -> None: ...

    @workflow.defn
    class Parent:
        @workflow.run
        async def run(self) -> str:
            child = await workflow.start_child_workflow(
                Child.run, 1, parent_close_policy=workflow.ParentClosePolicy.ABANDON
            )
            assert child.first_execution_run_id == "r1"
            await child.signal(Child.begin, 2)
            item = await child
            assert item == Item("x", 1)
            try:
                await workflow.execute_child_workflow("Other", id="fixed")
            except ChildWorkflowError as error:
                assert error.workflow_id == "fixed"
            await workflow.get_external_workflow_handle("other", run_id="r").cancel()
            return child.id

    host = Host(Parent)
    (command,) = host.start()
    id_ = command["options"].pop("workflow_id")
    assert uuid.UUID(id_).version == 4 and command["type"] == "TheChild"
    assert command["options"] == {"cancellation_type": "wait", "parent_close_policy": "abandon"}
    (command,) = host.run({"job": "started", "id": 1, "run_id": "r1"})
    assert command["command"] == "signal_external" and command["child_only"]
    assert command["workflow_id"] == id_ and command["name"] == "go"
    (command,) = host.run({"job": "resolve", "id": 2}, resolved(1, {"name": "x", "price": 1}))
    assert command["options"]["workflow_id"] == "fixed"
    (command,) = host.run(failed(3, message="it exists"))
    assert command["command"] == "cancel_external" and command["run_id"] == "r"
    host.run({"job": "resolve", "id": 4})
    assert host.result() == id_


def test_what_a_run_has() -> None:
    key = SearchAttributeKey.for_keyword("Region")

    @workflow.defn
    class Shown:
        @workflow.run
        async def run(self, left: int) -> Any:
            info = workflow.info()
            assert info.workflow_id == "w" and info.attempt == 2
            assert info.get_current_history_length() == 3
            assert not info.is_continue_as_new_suggested()
            assert workflow.now() == datetime(2026, 11, 30, 6, tzinfo=timezone.utc)
            assert workflow.time_ns() == int(workflow.time()) * 10**9
            assert (
                workflow.random().random()
                == random.Random(int.from_bytes(bytes(range(32)), "little")).random()
            )
            assert workflow.patched("change") and not workflow.unsafe.is_replaying()
            workflow.deprecate_patch("older")
            workflow.upsert_memo({"tenant": Item("a", 1), "old": None})
            assert workflow.memo() == {"tenant": {"name": "a", "price": 1}}
            assert workflow.memo_value("tenant", type_hint=Item) == Item("a", 1)
            workflow.upsert_search_attributes([key.value_set("eu")])
            assert info.typed_search_attributes.get(key) == "eu"
            assert info.search_attributes == {"Region": ["eu"]}
            workflow.set_current_details("halfway")
            if left:
                workflow.continue_as_new(left - 1, task_queue="next")

    host = Host(Shown, 1, attempt=2)
    memo, attributes, details, last = host.start()
    assert host.value(memo["memo"]["tenant"]) == {"name": "a", "price": 1}
    assert memo["memo"]["old"]["encoding"] == "binary/null"
    assert attributes["search_attributes"]["Region"]["type"] == "Keyword"
    assert details == {"command": "current_details", "text": "halfway"}
    assert last["command"] == "continue_as_new" and last["options"] == {"task_queue": "next"}
    assert host.value(last["args"][0]) == 0
    assert host.patches == {"change": True, "older": True}


def test_a_stack_trace() -> None:
    @workflow.defn
    class Waits:
        @workflow.run
        async def run(self) -> None:
            await asyncio.gather(self.inner(), asyncio.sleep(5))

        async def inner(self) -> None:
            await workflow.wait_condition(lambda: False)

    host = Host(Waits)
    host.start()
    stack = host.query("__stack_trace")
    assert "await asyncio.gather" in stack and "await workflow.wait_condition" in stack


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: workflow.defn(type("A", (), {})), "has no method with @workflow.run"),
        (lambda: workflow.defn(dynamic=True), "no dynamic workflows"),
        (lambda: workflow.init(print), "@workflow.init is for __init__"),
        (lambda: workflow.signal(name="a", dynamic=True), "has no name"),
        (lambda: workflow.info(), "Not in workflow"),
        (lambda: _definitions.name_of(print), "is no workflow"),
        (lambda: _definitions.handler_name(print, "signal"), "is no signal"),
    ],
)
def test_what_is_refused(make: Any, text: str) -> None:
    with pytest.raises((ValueError, NotImplementedError, RuntimeError), match=text):
        make()


def test_definitions_that_are_refused() -> None:
    async def run(self: Any, n: int) -> None: ...

    def make(**members: Any) -> None:
        workflow.defn(type("W", (), {"run": workflow.run(run), **members}))

    def init(self: Any, a: int, b: int) -> None: ...

    init.__name__ = "__init__"
    with pytest.raises(ValueError, match="it needs @workflow.init"):
        make(__init__=init)
    with pytest.raises(ValueError, match="other parameters"):
        make(__init__=workflow.init(init))
    make()
    with pytest.raises(ValueError, match="both define workflow W"):
        make()


def test_names_are_those_of_temporalio() -> None:
    theirs = pytest.importorskip("temporalio.workflow")
    ours = {n for n in workflow.__all__ if not hasattr(theirs, n)}
    assert ours == {"NotInWorkflowError", "UpdateMethod"}
    fields = set(workflow.Info.__dataclass_fields__)
    assert set(theirs.Info.__dataclass_fields__) - {"search_attributes"} <= fields | {
        "typed_search_attributes"
    }
    for enum in ("ActivityCancellationType", "ChildWorkflowCancellationType", "ParentClosePolicy"):
        assert set(getattr(workflow, enum).__members__) == set(getattr(theirs, enum).__members__)
    given = set(inspect.signature(theirs.execute_activity).parameters)
    known = {*workflow.ActivityConfig.__annotations__, "activity", "arg", "args", "result_type"}
    assert given - known == {"versioning_intent", "event_groups"}
