import dataclasses

import pytest
from app import Greeting, Input, greet

from wasmworker.exceptions import ApplicationError
from wasmworker.testing import ActivityEnvironment


def test_greets_by_name():
    env = ActivityEnvironment()
    env.info = dataclasses.replace(env.info, attempt=2)
    assert env.run(greet, Input("Ada")) == Greeting("Hello, Ada!", 2)


def test_refuses_an_empty_name():
    with pytest.raises(ApplicationError) as caught:
        ActivityEnvironment().run(greet, Input(""))
    assert caught.value.type == "EmptyName" and caught.value.non_retryable
