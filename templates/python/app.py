from dataclasses import dataclass

from wasmworker import activity
from wasmworker.exceptions import ApplicationError


@dataclass
class Input:
    name: str


@dataclass
class Greeting:
    greeting: str
    attempt: int


# The example is run once when the module is initialized: what it imports and caches is then
# there in every call.
@activity.defn(example=[Input("Ada")])
def greet(input: Input) -> Greeting:
    if not input.name:
        raise ApplicationError("the name is empty", type="EmptyName", non_retryable=True)
    activity.logger.info("greeting", extra={"name": input.name})
    return Greeting(f"Hello, {input.name}!", activity.info().attempt)
