"""How an exception becomes a failure of the guest contract."""

from __future__ import annotations

import math
import traceback
from collections.abc import Sequence
from datetime import timedelta
from types import TracebackType
from typing import Any

from wasmworker import _abi
from wasmworker.converter import decode_json, encode_json
from wasmworker.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    FailureError,
)

# What the messages of a failure may say of exceptions that its chain of causes has no
# place for.
_MAX_LISTED = 10  # exceptions in one message
_MAX_LISTED_SIZE = 512  # characters of one of them
_MAX_LISTED_ALL = 4096  # characters in a failure and its causes together


def of(error: BaseException) -> dict[str, Any]:
    """The JSON shape Failure of anything that was raised."""
    return _describe(error, 0, [_MAX_LISTED_ALL])


def message(error: BaseException) -> str:
    """The text of an exception, whatever its __str__ does."""
    if isinstance(error, FailureError):
        return error.message
    if isinstance(error, BaseExceptionGroup):
        return str(error.message)
    try:
        return str(error)
    except Exception as broken:
        return f"(str() of it raises {type(broken).__name__})"


def kind(error: BaseException) -> str | None:
    """What a failure has for a type."""
    return error.type or None if isinstance(error, ApplicationError) else type(error).__name__


def stack(trace: TracebackType | None) -> str:
    """A traceback as Temporal's SDK writes it, without the SDK's own frames."""
    while trace is not None and is_internal(trace):
        trace = trace.tb_next
    try:
        return "\n".join(traceback.format_tb(trace))
    except Exception:  # of a loader of the user's that has no source
        return ""


_INTERNAL = ("wasmworker._boot", "wasmworker._bundle", "wasmworker._run", "wasmworker._loop")


def is_internal(trace: TracebackType) -> bool:
    """Whether a frame is of what calls the app's code."""
    name = str(trace.tb_frame.f_globals.get("__name__", ""))
    return name in _INTERNAL or name.startswith(
        ("wasmworker._workflow.", "asyncio.", "importlib.", "_frozen_importlib")
    )


def _describe(error: BaseException, depth: int, room: list[int]) -> dict[str, Any]:
    cause, others = _causes(error)
    failure: dict[str, Any] = {"message": _listed(message(error), others, room)}
    if type_ := kind(error):
        failure["type"] = type_
    if trace := stack(error.__traceback__):
        failure["stack_trace"] = trace
    if isinstance(error, ApplicationError):
        if error.non_retryable:
            failure["non_retryable"] = True
        if error.next_retry_delay:
            failure["next_retry_delay_ms"] = _milliseconds(error.next_retry_delay)
        if error.category == ApplicationErrorCategory.BENIGN:
            failure["category"] = _abi.CATEGORY_BENIGN
    if isinstance(error, (ApplicationError, CancelledError)) and error.details:
        failure["details"] = [_json(detail) for detail in error.details]
    if cause is not None and depth < _abi.MAX_CAUSE_DEPTH:
        failure["cause"] = _describe(cause, depth + 1, room)
    return failure


def _milliseconds(delay: timedelta) -> int:
    return math.ceil(delay / timedelta(milliseconds=1))


def _json(detail: Any) -> Any:
    # A detail that is not JSON must not hide the failure that it belongs to.
    try:
        return decode_json(encode_json(detail))
    except Exception:
        return repr(detail)


def _causes(error: BaseException) -> tuple[BaseException | None, Sequence[BaseException]]:
    """The exception behind another one, and those beside it.

    An exception group has several, of which a chain of causes holds the first.
    As in temporalio, what was handled when an ordinary exception was raised is no cause.
    """
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    cause = error.__cause__
    if cause is None and isinstance(error, FailureError) and not error.__suppress_context__:
        cause = error.__context__
    if cause is None and inner:
        return inner[0], inner[1:]
    return cause, [other for other in inner if other is not cause]


def _listed(text: str, others: Sequence[BaseException], room: list[int]) -> str:
    unknown = [other for other in others if not (message(other) and message(other) in text)]
    texts: list[str] = []
    for other in unknown:
        type_ = kind(other)
        shown = f"{type_}: {message(other)}" if type_ else message(other)
        shown = shown[:_MAX_LISTED_SIZE]
        if len(texts) == _MAX_LISTED or len(shown) > room[0]:
            break
        room[0] -= len(shown)
        texts.append(shown)
    if len(texts) < len(unknown):
        texts.append(f"and {len(unknown) - len(texts)} more")
    if not texts:
        return text
    return f"{text} (also: {'; '.join(texts)})".lstrip()
