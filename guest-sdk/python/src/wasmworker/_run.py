"""Runs one activity on a host, from its arguments to its status."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Protocol

from wasmworker import _abi, _context, _failure, _hints
from wasmworker._registry import Definition, Parameter
from wasmworker.activity import Info
from wasmworker.common import Payload, Priority, RawValue, RetryPolicy
from wasmworker.converter import PayloadConverter, decode, encode, encode_json
from wasmworker.exceptions import ApplicationError, CancelledError


class Host(Protocol):
    """The module ``_wasmworker``, or what stands for it."""

    def arg_count(self) -> int: ...
    def arg(self, index: int, /) -> bytes: ...
    def arg_encoding(self, index: int, /) -> str | None: ...
    def arg_metadata(self, index: int, /) -> bytes: ...
    def output(self, data: bytes, encoding: str, metadata: bytes = b"", /) -> None: ...
    def fail(self, failure: bytes, /) -> None: ...
    def info(self) -> bytes: ...
    def status(self) -> int: ...
    def heartbeat(self, details: list[tuple[bytes, str]], /) -> int: ...
    def detail_count(self) -> int: ...
    def detail(self, index: int, /) -> bytes: ...
    def detail_encoding(self, index: int, /) -> str | None: ...
    def log(self, level: int, message: str, attributes: bytes, /) -> None: ...
    def call(
        self, module: str, function: str, request: bytes, body: bytes = b"", /
    ) -> bytes | tuple[bytes, bytes]: ...
    def random(self, n: int, /) -> bytes: ...


class Details(Sequence[Any]):
    """The details of the last heartbeat, which are decoded when somebody reads them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._values: list[Any] | None = None

    def _decoded(self) -> list[Any]:
        if self._values is None:
            self._values = [self._decode(i) for i in range(len(self))]
        return self._values

    def _decode(self, i: int) -> Any:
        try:
            return decode(self._host.detail(i), self._host.detail_encoding(i))
        except ValueError as error:
            raise _invalid_input(f"detail {i + 1} of the last heartbeat {error}") from None

    def __len__(self) -> int:
        return self._host.detail_count()

    def __getitem__(self, index: Any) -> Any:
        return self._decoded()[index]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._decoded())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and self._decoded() == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self._decoded())


class HostContext(_context.Context):
    payload_converter = PayloadConverter.default

    def __init__(self, host: Host, *, raises: bool) -> None:
        super().__init__(raises=raises)
        self.host = host
        self._info: Info | None = None

    def info(self) -> Info:
        if self._info is None:
            self._info = _info(json.loads(self.host.info()), Details(self.host))
        return self._info

    def send_heartbeat(self, details: Sequence[Any]) -> int:
        encoded = []
        for i, detail in enumerate(details):
            try:
                encoded.append(encode(detail))
            except (TypeError, ValueError, RecursionError) as error:
                raise _invalid_output(
                    f"detail {i + 1} of the heartbeat cannot be encoded: {error}"
                ) from error
        try:
            return self.host.heartbeat(encoded)
        except OSError as error:
            raise ValueError(f"heartbeat: {_sentence(error)}") from error

    def status(self) -> int:
        return self.host.status()


def _info(i: dict[str, Any], details: Sequence[Any]) -> Info:
    scheduled = _time(i.get("scheduled_time"))
    in_workflow = bool(i.get("workflow_id"))
    namespace = i.get("namespace", "")
    policy = i.get("retry_policy")
    priority = i.get("priority")
    return Info(
        activity_id=i.get("activity_id", ""),
        activity_type=i.get("activity_type", ""),
        attempt=i.get("attempt", 1),
        current_attempt_scheduled_time=scheduled,
        heartbeat_details=details,
        heartbeat_timeout=_duration(i.get("heartbeat_timeout_ms")),
        is_local=i.get("is_local_activity", False),
        namespace=namespace,
        schedule_to_close_timeout=_duration(i.get("schedule_to_close_timeout_ms")),
        scheduled_time=scheduled,
        start_to_close_timeout=_duration(i.get("start_to_close_timeout_ms")),
        started_time=_time(i.get("started_time")),
        task_queue=i.get("task_queue", ""),
        task_token=b"",
        workflow_id=i.get("workflow_id") if in_workflow else None,
        workflow_namespace=namespace if in_workflow else None,
        workflow_run_id=i.get("workflow_run_id") if in_workflow else None,
        workflow_type=i.get("workflow_type") if in_workflow else None,
        priority=_priority(priority) if priority else Priority.default,
        retry_policy=_retry_policy(policy) if policy else None,
        activity_run_id=i.get("activity_run_id") or None,
    )


_ZERO = datetime.fromtimestamp(0, timezone.utc)


def _time(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else _ZERO


def _duration(ms: int | None) -> timedelta | None:
    return timedelta(milliseconds=ms) if ms else None


def _priority(p: dict[str, Any]) -> Priority:
    return Priority(
        priority_key=p.get("priority_key") or None,
        fairness_key=p.get("fairness_key") or None,
        fairness_weight=p.get("fairness_weight") or None,
    )


def _retry_policy(p: dict[str, Any]) -> RetryPolicy:
    return RetryPolicy(
        initial_interval=timedelta(milliseconds=p.get("initial_interval_ms", 0)),
        backoff_coefficient=p.get("backoff_coefficient", 0.0),
        maximum_interval=_duration(p.get("maximum_interval_ms")),
        maximum_attempts=p.get("maximum_attempts", 0),
        non_retryable_error_types=p.get("non_retryable_error_types") or None,
    )


def _invalid_input(message: str) -> ApplicationError:
    return ApplicationError(message, type=_abi.TYPE_INVALID_INPUT, non_retryable=True)


def _invalid_output(message: str) -> ApplicationError:
    return ApplicationError(message, type=_abi.TYPE_INVALID_OUTPUT, non_retryable=True)


def _sentence(error: OSError) -> str:
    return error.strerror or str(error)


def arguments(host: Host, definition: Definition) -> list[Any]:
    """The arguments of the attempt, of the types that the function wants."""
    count = host.arg_count()
    out = []
    for i, parameter in enumerate(definition.parameters):
        if i < count:
            out.append(_argument(host, i, parameter))
        elif parameter.required:
            raise _invalid_input(f"argument {i + 1} ({parameter.name}) is missing")
        else:
            break
    if definition.rest is not None:
        for i in range(len(definition.parameters), count):
            out.append(_argument(host, i, definition.rest))
    return out


def _argument(host: Host, i: int, parameter: Parameter) -> Any:
    if parameter.raw:
        return RawValue(_payload(host, i))
    encoding = host.arg_encoding(i)
    try:
        value = decode(host.arg(i), encoding)
        if value is None and encoding == _abi.NULL:
            if not parameter.accepts_none:
                raise _hints.Mismatch(f"must be of type {_hints.name(parameter.hint)}, and is null")
            return None
        if encoding == _abi.BINARY:
            return _bytes(value, parameter)
        return value if parameter.decode is None else parameter.decode(value)
    except _hints.Mismatch as error:
        path = error.path and f"{parameter.name}{'' if error.path[0] == '[' else '.'}{error.path}"
        text = f"argument {i + 1}: {path}" if path else f"argument {i + 1} ({parameter.name})"
        raise _invalid_input(f"{text} {error.problem}") from None
    except (TypeError, ValueError) as error:
        raise _invalid_input(f"argument {i + 1} ({parameter.name}) {error}") from None
    except Exception as error:  # of a class of the user's that refuses the values
        text = f"argument {i + 1} ({parameter.name}): {type(error).__name__}: {error}"
        raise _invalid_input(text) from error


def _bytes(value: Any, parameter: Parameter) -> Any:
    # A list[int] could be made of bytes, and a list of anything else could not.
    if parameter.decode is None or _hints.accepts_bytes(parameter.hint):
        return value
    raise _hints.Mismatch(f"must be of type {_hints.name(parameter.hint)}, and is bytes")


def _payload(host: Host, i: int) -> Payload:
    metadata = {}
    for name, value in json.loads(host.arg_metadata(i) or b"{}").items():
        if isinstance(value, str):
            metadata[name] = value.encode()
        else:  # bytes that are not text
            import base64

            metadata[name] = base64.b64decode(value["base64"])
    return Payload(metadata, host.arg(i))


def _metadata(payload: Payload) -> bytes:
    out: dict[str, Any] = {}
    for name, value in payload.metadata.items():
        try:
            out[name] = value.decode()
        except UnicodeDecodeError:
            import base64

            out[name] = {"base64": base64.b64encode(value).decode()}
    return json.dumps(out).encode()


def _output(host: Host, value: Any, what: str) -> None:
    metadata = b""
    if isinstance(value, RawValue):
        data, encoding = value.payload.data, value.payload.encoding
        if not encoding or len(value.payload.metadata) > 1:
            metadata = _metadata(value.payload)
    else:
        try:
            data, encoding = encode(value)
        except RecursionError:
            raise _invalid_output(f"{what} cannot be encoded: it is nested too deeply") from None
        except (TypeError, ValueError) as error:
            raise _invalid_output(f"{what} cannot be encoded: {error}") from error
    try:
        host.output(data, encoding, metadata)
    except OSError as error:
        type_ = _abi.TYPE_INVALID_OUTPUT
        if error.errno == _abi.EMSGSIZE:
            type_ = _abi.TYPE_OUTPUT_TOO_LARGE
        raise ApplicationError(
            f"{what}: {_sentence(error)}", type=type_, non_retryable=True
        ) from None


_loop: Any = None


def loop() -> Any:
    """The loop of all ``async def`` activities, which is made with the module."""
    global _loop
    if _loop is None:
        from wasmworker._loop import Loop

        _loop = Loop()
    return _loop


def run(host: Host, definition: Definition) -> int:
    """Runs an activity and returns its status. Nothing is raised."""
    context = HostContext(host, raises=definition.raises)
    token = _context.current.set(context)
    try:
        args = arguments(host, definition)
        if definition.is_async:
            from wasmworker._loop import run as run_async

            result = run_async(loop(), context, definition.fn(*args))
        else:
            result = definition.fn(*args)
        if result is not None:
            _output(host, result, "the result")
        return _abi.COMPLETED
    except BaseException as error:
        return _fail(host, context, error)
    finally:
        _context.current.reset(token)
        _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # a stream of the user's


def _fail(host: Host, context: HostContext, error: BaseException) -> int:
    try:
        if _is_cancelled(error):
            return _cancel(host, error)
        return _report(host, _failure.of(error))
    except BaseException as second:  # such as a MemoryError
        host.fail(json.dumps({"message": str(second), "type": type(second).__name__}).encode())
        return _abi.FAILED


def _is_cancelled(error: BaseException) -> bool:
    asyncio = sys.modules.get("asyncio")
    return isinstance(error, CancelledError) or (
        asyncio is not None and isinstance(error, asyncio.CancelledError)
    )


def _cancel(host: Host, error: BaseException) -> int:
    flags = host.status()
    if flags & _abi.ENDS:
        details = error.details if isinstance(error, CancelledError) else ()
        if details:
            try:
                _output(host, details[0] if len(details) == 1 else list(details), "the details")
            except ApplicationError as refused:
                if refused.type != _abi.TYPE_OUTPUT_TOO_LARGE:
                    return _report(host, _failure.of(refused))
        return _abi.CANCELED
    failure = _failure.of(error)
    if flags & _abi.WORKER_STOPPING:
        failure["type"] = _abi.TYPE_WORKER_SHUTDOWN
        failure["message"] = "the worker is shutting down"
    else:
        failure["type"] = _abi.TYPE_UNEXPECTED_CANCEL
        failure["message"] = (
            f"the activity raised {type(error).__name__} though nobody had asked it to stop"
        )
    return _report(host, failure)


def _report(host: Host, failure: dict[str, Any]) -> int:
    try:
        host.fail(json.dumps(failure).encode())
    except OSError as refused:
        if refused.errno == _abi.EMSGSIZE:
            # The kind of failure matters more than the rest of it.
            short: dict[str, Any] = {
                name: failure[name]
                for name in ("non_retryable", "next_retry_delay_ms", "category")
                if name in failure
            }
            if "type" in failure:
                short["type"] = failure["type"][:256]
            short["message"] = f"{failure['message'][:4096]}… (cut: the failure was too long)"
            host.fail(json.dumps(short).encode())
    return _abi.FAILED


def log(host: Host, level: int, message: str, attributes: dict[str, Any]) -> None:
    host.log(level, message, encode_json(attributes) if attributes else b"")
