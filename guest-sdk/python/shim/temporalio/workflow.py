"""``temporalio.workflow`` on wasmworker."""

from wasmworker.workflow import *  # noqa: F403
