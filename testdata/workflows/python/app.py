"""Workflows for the tests of the host, with the names of temporalio."""

import asyncio
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy
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
