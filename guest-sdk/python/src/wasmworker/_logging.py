"""The handler that writes records of Python's logging into the host's log."""

from __future__ import annotations

import logging
from typing import Any

from wasmworker import _abi, _context
from wasmworker._run import Host, HostContext
from wasmworker.converter import encode_json

_TAKEN = "wasmworker_attributes"
_STANDARD = frozenset(logging.LogRecord("", 0, "", 0, "", (), None).__dict__) | {
    "message",
    "asctime",
    "taskName",
    _TAKEN,
}
_formatter = logging.Formatter()


def level(number: int) -> int:
    """The host's level of one of Python's."""
    if number >= logging.ERROR:
        return _abi.ERROR
    if number >= logging.WARNING:
        return _abi.WARNING
    return _abi.INFO if number >= logging.INFO else _abi.DEBUG


class Handler(logging.Handler):
    """The message as it is, ``extra`` as attributes, and an exception's text as one."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        try:
            # What activity.logger has under names that a record has itself.
            taken = record.__dict__.get(_TAKEN, {})
            given = {n: v for n, v in record.__dict__.items() if n not in _STANDARD} | taken
            attributes = {name: _json(value) for name, value in given.items()}
            if record.exc_info and record.exc_info[0]:
                attributes["exception"] = _formatter.formatException(record.exc_info)
            if record.stack_info:
                attributes["stack"] = record.stack_info
            encoded = encode_json(attributes) if attributes else b""
            message = record.getMessage().encode("utf-8", "backslashreplace").decode()
            context = _context.current.get(None)
            host = context.host if isinstance(context, HostContext) else self._host
            host.log(level(record.levelno), message, encoded)
        except Exception:
            self.handleError(record)


def _json(value: Any) -> Any:
    if value is None or isinstance(value, (str, int, bool)):
        return value
    try:
        encode_json(value)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
    return value


def install(host: Host) -> None:
    """Everything from level info on, and what `activity.logger` writes from debug on."""
    root = logging.getLogger()
    root.addHandler(Handler(host))
    root.setLevel(logging.INFO)
    for name in ("wasmworker.activity", "temporalio.activity", "wasmworker.workflow"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.raiseExceptions = True
