"""``temporalio.activity`` on wasmworker."""

from wasmworker.activity import *  # noqa: F403
