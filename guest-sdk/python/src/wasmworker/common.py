"""Types that activities and workflows share, with the names of ``temporalio.common``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum
from typing import ClassVar

from wasmworker._search import (
    SearchAttributeIndexedValueType,
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)

__all__ = [
    "Payload",
    "Priority",
    "RawValue",
    "RetryPolicy",
    "SearchAttributeIndexedValueType",
    "SearchAttributeKey",
    "SearchAttributePair",
    "SearchAttributeUpdate",
    "TypedSearchAttributes",
    "WorkflowIDReusePolicy",
]


@dataclass(frozen=True)
class Payload:
    """A value as Temporal has it: bytes, and metadata that say what they are."""

    metadata: Mapping[str, bytes] = field(default_factory=dict)
    data: bytes = b""

    @property
    def encoding(self) -> str:
        """Such as ``json/plain``; empty if there is none."""
        return self.metadata.get("encoding", b"").decode("utf-8", "replace")


@dataclass(frozen=True)
class RawValue:
    """A payload that is not converted, as a parameter's or a result's type."""

    payload: Payload


@dataclass(frozen=True)
class Priority:
    """What orders the tasks of a queue. None is what the workflow has, or the default."""

    priority_key: int | None = None
    fairness_key: str | None = None
    fairness_weight: float | None = None

    default: ClassVar[Priority]


Priority.default = Priority()


@dataclass(frozen=True)
class RetryPolicy:
    """When an activity is tried again."""

    initial_interval: timedelta = timedelta(seconds=1)
    backoff_coefficient: float = 2.0
    maximum_interval: timedelta | None = None
    maximum_attempts: int = 0
    """0 is without limit."""
    non_retryable_error_types: Sequence[str] | None = None


class WorkflowIDReusePolicy(IntEnum):
    """Whether a workflow may have the id of one that has ended."""

    ALLOW_DUPLICATE = 1
    ALLOW_DUPLICATE_FAILED_ONLY = 2
    REJECT_DUPLICATE = 3
