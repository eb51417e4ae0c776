"""The test environment, as temporalio's has it."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from typing import Any

import pytest

from wasmworker import activity, config
from wasmworker.exceptions import ApplicationError, CancelledError
from wasmworker.testing import ActivityEnvironment


def test_a_function() -> None:
    def fn(a: int, *, b: int = 1) -> list[Any]:
        activity.heartbeat(a, "x")
        return [activity.info().attempt, a + b, config.get("region")]

    env = ActivityEnvironment()
    beats: list[Any] = []
    env.on_heartbeat = lambda *details: beats.append(details)
    env.info = dataclasses.replace(env.info, attempt=3)
    env.config["region"] = "eu"
    assert env.run(fn, 1, b=2) == [3, 3, "eu"] and beats == [(1, "x")]
    assert not activity.in_activity()


def test_an_exception() -> None:
    def fn() -> None:
        raise ApplicationError("x", type="T")

    with pytest.raises(ApplicationError, match="T: x"):
        ActivityEnvironment().run(fn)


def test_an_async_function_is_cancelled() -> None:
    async def fn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            details = activity.cancellation_details()
            assert details is not None and details.cancel_requested and activity.is_cancelled()
            return "cancelled"
        return "not"

    async def main() -> str:
        env = ActivityEnvironment()
        asyncio.get_running_loop().call_soon(env.cancel)
        return await env.run(fn)

    assert asyncio.run(main()) == "cancelled"


def test_what_begins_cancelled() -> None:
    env = ActivityEnvironment()
    env.cancel(activity.ActivityCancellationDetails(paused=True))

    def fn() -> None:
        assert activity.is_cancelled()
        activity.heartbeat()

    with pytest.raises(CancelledError):
        env.run(fn)


def test_a_function_is_cancelled_by_another_thread() -> None:
    env = ActivityEnvironment()
    begun = threading.Event()

    def fn() -> None:
        begun.set()
        activity.wait_for_cancelled_sync(10)
        assert activity.is_cancelled()

    def cancel() -> None:
        begun.wait()
        env.cancel()

    thread = threading.Thread(target=cancel)
    thread.start()
    env.run(fn)
    thread.join()


def test_a_shutdown() -> None:
    async def fn() -> bool:
        await activity.wait_for_worker_shutdown()
        return activity.is_worker_shutdown() and not activity.is_cancelled()

    async def main() -> bool:
        env = ActivityEnvironment()
        asyncio.get_running_loop().call_soon(env.worker_shutdown)
        return await env.run(fn)

    assert asyncio.run(main())


def test_several_at_once() -> None:
    async def fn(n: int) -> Any:
        await asyncio.sleep(0)
        return [n, activity.info().activity_id]

    async def main() -> Any:
        envs = [ActivityEnvironment() for _ in range(2)]
        for i, env in enumerate(envs):
            env.info = dataclasses.replace(env.info, activity_id=f"{i}")
        return await asyncio.gather(*(env.run(fn, i) for i, env in enumerate(envs)))

    assert asyncio.run(main()) == [[0, "0"], [1, "1"]]
