"""A worker of the Temporal SDK for Python with the activities of ../guests/python/order.py.

temporalio_worker.py ADDRESS TASK_QUEUE. The activities are functions that run in a pool of
threads, as the SDK recommends for those that are not async. It serves until a signal comes.
"""

import asyncio
import concurrent.futures
import pathlib
import signal
import sys

from temporalio.client import Client
from temporalio.worker import Worker

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "guests" / "python"))
import order  # noqa: E402


async def main(address: str, queue: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    client = await Client.connect(address)
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        async with Worker(
            client,
            task_queue=queue,
            activities=[order.greet, order.price],
            activity_executor=pool,
            max_concurrent_activities=100,
        ):
            await stop.wait()


asyncio.run(main(*sys.argv[1:]))
