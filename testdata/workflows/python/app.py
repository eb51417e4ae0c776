"""Workflows for the tests of the host, with the names of temporalio."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RawValue, RetryPolicy, SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from activities import echo, fail

MINUTE = timedelta(minutes=1)


@dataclass
class Order:
    item: str
    amount: int


@dataclass
class Receipt:
    item: str
    charged: list[int] = field(default_factory=list)
    first: str = ""
    approved_by: str = ""
    id: str = ""


@workflow.defn(name="PythonOrder")
class OrderWorkflow:
    def __init__(self) -> None:
        self.step = "begun"
        self.approved_by = ""

    @workflow.run
    async def run(self, order: Order) -> Receipt:
        receipt = Receipt(order.item, id=str(workflow.uuid4()))
        charged = await asyncio.gather(
            *(
                workflow.execute_activity("echo", n, result_type=int, start_to_close_timeout=MINUTE)
                for n in (order.amount // 2, order.amount - order.amount // 2)
            )
        )
        receipt.charged = list(charged)
        timer = asyncio.create_task(asyncio.sleep(3600))
        told = asyncio.create_task(
            workflow.execute_activity(echo, "activity", start_to_close_timeout=MINUTE)
        )
        done, _ = await asyncio.wait([timer, told], return_when=asyncio.FIRST_COMPLETED)
        receipt.first = await told if told in done else "timer"
        timer.cancel()
        await asyncio.sleep(0.01)
        self.step = "waiting for approval"
        await workflow.wait_condition(lambda: bool(self.approved_by), timeout=timedelta(hours=1))
        receipt.approved_by = self.approved_by
        workflow.logger.info("approved", extra={"name": self.approved_by})
        return receipt

    @workflow.signal
    def approve(self, name: str) -> None:
        self.approved_by = name

    @workflow.query(name="step")
    def get_step(self) -> str:
        step, self.step = self.step, "changed by a query"
        return step


@workflow.defn(name="PythonLoop")
class LoopWorkflow:
    @workflow.run
    async def run(self, times: int) -> int:
        total = 0
        for n in range(times):
            total += await workflow.execute_activity(
                "echo", n, result_type=int, start_to_close_timeout=MINUTE
            )
        return total


@workflow.defn(name="PythonCounter")
class CounterWorkflow:
    @workflow.init
    def __init__(self, start: int) -> None:
        self.sum = start
        self.done = False
        self.updates: list[str] = []
        self.lock = asyncio.Lock()

    @workflow.run
    async def run(self, start: int) -> int:
        await workflow.wait_condition(lambda: self.done and workflow.all_handlers_finished())
        return self.sum

    @workflow.update
    async def add(self, n: int) -> int:
        update = workflow.current_update_info()
        assert update is not None
        async with self.lock:
            self.updates.append(update.name)
            n = await workflow.execute_activity(
                "echo", n, result_type=int, start_to_close_timeout=MINUTE
            )
            self.sum += n
            return self.sum

    @add.validator
    def check(self, n: int) -> None:
        self.sum += 1000  # which is undone
        if n < 0:
            raise ApplicationError("only what is positive can be added", type="Negative")

    @workflow.update(name="begin")
    async def begin(self) -> None:
        await workflow.execute_activity("echo", 1, start_to_close_timeout=MINUTE)

    @workflow.query
    def total(self) -> int:
        self.sum += 1  # which is undone
        return self.sum - 1

    @workflow.query
    def breaks(self) -> None:
        workflow.start_activity("echo", 1, start_to_close_timeout=MINUTE)

    @workflow.signal(name="add")
    async def add_later(self, n: int) -> None:
        await asyncio.sleep(0.001)
        self.sum += n

    @workflow.signal
    def end(self) -> None:
        self.done = True


@workflow.defn(name="PythonTasks")
class TasksWorkflow:
    @workflow.run
    async def run(self, n: int) -> list[int]:
        queue: asyncio.Queue[int] = asyncio.Queue(1)

        async def produce(k: int) -> None:
            await asyncio.sleep(random.random() / 100)
            await queue.put(k)

        async with asyncio.TaskGroup() as group:
            for k in range(n):
                group.create_task(produce(k))
            got = [await queue.get() for _ in range(n)]
        before = time.time()
        try:
            async with asyncio.timeout(0.01):
                await asyncio.Event().wait()
        except TimeoutError:
            pass
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.01)
        except TimeoutError:
            pass
        try:
            await workflow.wait_condition(lambda: False, timeout=0.01)
        except TimeoutError:
            pass
        assert 0.03 <= time.time() - before < 60, time.time() - before
        assert len({uuid.uuid4(), uuid.uuid4(), workflow.uuid4()}) == 3
        assert abs((datetime.now().astimezone() - workflow.now()).total_seconds()) < 1
        return sorted(got)


@workflow.defn(name="PythonCancelled")
class CancelledWorkflow:
    def __init__(self) -> None:
        self.cleaned = ""

    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.execute_activity("hang", start_to_close_timeout=MINUTE)
        except ActivityError:
            self.cleaned = await workflow.execute_activity(
                echo, "cleaned up", start_to_close_timeout=MINUTE
            )
            raise

    @workflow.query(name="cleaned")
    def get_cleaned(self) -> str:
        return self.cleaned


@workflow.defn(name="PythonSleeps")
class SleepsWorkflow:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(timedelta(hours=1), summary="until somebody cancels")


class DeclinedError(Exception):
    pass


@workflow.defn(name="PythonFails", failure_exception_types=[DeclinedError])
class FailsWorkflow:
    @workflow.run
    async def run(self, how: str) -> None:
        policy = RetryPolicy(maximum_attempts=2)
        if how == "activity":
            await workflow.execute_activity(
                fail, start_to_close_timeout=MINUTE, retry_policy=policy
            )
        if how == "application":
            raise ApplicationError("it is bad", [1, 2], type="Bad", non_retryable=True)
        if how == "wrapped":
            try:
                await workflow.execute_activity(fail, start_to_close_timeout=MINUTE)
            except ActivityError as error:
                cause = error.cause
                assert isinstance(cause, ApplicationError) and list(cause.details) == [51]
                raise ApplicationError("an activity failed", type=f"Wrapped{cause.type}") from error
        if how == "declared":
            raise DeclinedError("declared")
        if how == "timeout":
            await workflow.wait_condition(lambda: False, timeout=0.001)
        raise KeyError("out of order")


@workflow.defn(name="PythonParent")
class ParentWorkflow:
    @workflow.run
    async def run(self, start: int) -> int:
        child = await workflow.start_child_workflow(CounterWorkflow.run, start)
        assert child.first_execution_run_id
        await child.signal(CounterWorkflow.add_later, 1)
        await workflow.get_external_workflow_handle(child.id).signal("add", 1)
        await child.signal("end")
        total: int = await child
        try:
            await workflow.execute_child_workflow(FailsWorkflow.run, "application")
        except Exception as error:
            assert type(error).__name__ == "ChildWorkflowError", error
            assert isinstance(error.__cause__, ApplicationError), error.__cause__
        sleeping = await workflow.start_child_workflow(SleepsWorkflow.run)
        sleeping.cancel()
        try:
            await sleeping
        except Exception as error:
            assert type(error.__cause__).__name__ == "CancelledError", error.__cause__
        return total


@workflow.defn(name="PythonContinues")
class ContinuesWorkflow:
    @workflow.run
    async def run(self, left: int, total: int) -> int:
        if left == 0:
            return total
        await asyncio.sleep(0.001)
        workflow.continue_as_new(args=[left - 1, total + left])


@workflow.defn(name="PythonPatched")
class PatchedWorkflow:
    @workflow.run
    async def run(self) -> str:
        workflow.deprecate_patch("first")
        return "new" if workflow.patched("second") else "old"


@workflow.defn(name="PythonShown")
class ShownWorkflow:
    @workflow.run
    async def run(self, other: str) -> str:
        seen: list[str] = []

        def any_signal(name: str, args: list[RawValue]) -> None:
            value = workflow.payload_converter().from_payload(args[0].payload, str)
            seen.append(f"{name} {value}")

        await asyncio.sleep(0.001)
        workflow.set_dynamic_signal_handler(any_signal)
        workflow.set_query_handler("seen", lambda: seen)
        info = workflow.info()
        assert info.workflow_type == "PythonShown" and info.attempt == 1
        assert info.get_current_history_length() > 2
        workflow.upsert_memo({"tenant": "acme"})
        assert workflow.memo_value("tenant", type_hint=str) == "acme"
        key = SearchAttributeKey.for_keyword("PythonRegion")
        workflow.upsert_search_attributes([key.value_set("acme")])
        assert info.typed_search_attributes[key] == "acme"
        workflow.set_current_details("halfway")
        text: str = await workflow.execute_local_activity(
            "Echo", "local", result_type=str, start_to_close_timeout=MINUTE
        )
        try:
            await workflow.get_external_workflow_handle(other).signal("add", 1)
        except ApplicationError as error:
            return f"{text}: {error}"
        await workflow.wait_condition(lambda: bool(seen))
        return f"{text}, {seen[0]}"
