"""Names of the activities that the workflows of this folder call: a worker in Go has them."""

from temporalio import activity


@activity.defn
async def echo(value: str) -> str:
    return value


@activity.defn(name="fail")
def fail() -> None: ...
