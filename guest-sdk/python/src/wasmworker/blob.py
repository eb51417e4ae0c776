"""Objects in buckets: the grant ``blob``.

    reports = blob.bucket("exports")
    reports.put("2026/report.json", text, content_type="application/json")
    with reports.create("2026/all.csv", content_type="text/csv") as writer:
        for row in rows:
            writer.write(line(row))     # it is there after the block, as a whole

Calls block. An object that is not there raises NotFoundError, with `Bucket.delete` too.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any

from wasmworker import _host
from wasmworker.exceptions import PassthroughError

__all__ = [
    "Attributes",
    "Bucket",
    "Entry",
    "ExistsError",
    "NotFoundError",
    "Object",
    "PassthroughError",
    "Reader",
    "Writer",
    "bucket",
]

# The most bytes of one write, since a request has 16 MiB at most, and of one read.
_PIECE = 4 << 20
_CHUNK = 1 << 20


class NotFoundError(PassthroughError):
    """There is no such object (``ENOENT``)."""


class ExistsError(PassthroughError):
    """There is one already (``EEXIST``)."""


def _exchange(
    function: str, head: dict[str, Any], body: bytes = b""
) -> tuple[dict[str, Any], bytes]:
    try:
        return _host.exchange("blob", function, head, body)
    except PassthroughError as error:
        class_ = {"ENOENT": NotFoundError, "EEXIST": ExistsError}.get(error.code)
        if class_ is None:
            raise
        raise class_(error.errno, str(error)) from None


@dataclass(frozen=True)
class Attributes:
    """What a bucket has beside an object's bytes."""

    size: int = 0
    content_type: str = ""
    modified: datetime | None = None
    etag: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Object(Attributes):
    """An object, or the part of it that was asked for. ``size`` is that of the whole."""

    data: bytes = b""

    def text(self) -> str:
        """The data as text, of UTF-8."""
        return self.data.decode()

    def json(self) -> Any:
        """The value of data in JSON."""
        return json.loads(self.data)


@dataclass(frozen=True)
class Entry:
    """A line of a list: an object, or what several keys begin with (``is_prefix``)."""

    key: str
    size: int = 0
    modified: datetime | None = None
    is_prefix: bool = False


def bucket(name: str) -> Bucket:
    """A bucket that the operator has defined."""
    return Bucket(name)


class Bucket:
    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, key: str, *, offset: int = 0, length: int | None = None) -> Object:
        """An object, or a part of it. Beyond its end there are fewer bytes."""
        head, data = _exchange("get", self._object(key, offset=offset, length=length))
        return Object(**_attributes(head), data=data)

    def put(
        self,
        key: str,
        data: bytes | str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> None:
        """Writes an object. Text is written as UTF-8.

        :raises ExistsError: there is one of that key, and ``if_none_match`` is set
        """
        head = self._object(key, **_created(content_type, metadata, if_none_match))
        _exchange("put", head, data.encode() if isinstance(data, str) else data)

    def stat(self, key: str) -> Attributes:
        """An object's attributes."""
        head, _ = _exchange("stat", self._object(key))
        return Attributes(**_attributes(head))

    def delete(self, key: str) -> None:
        """Deletes an object."""
        _exchange("delete", self._object(key))

    def list(
        self, prefix: str = "", *, delimiter: str | None = None, page_size: int | None = None
    ) -> Iterator[Entry]:
        """The objects whose keys begin with a prefix, in the order of their keys.

        With a delimiter, what keys have before the next one is listed once.
        Pages are asked for as the iteration comes to them.
        """
        page = None
        while True:
            head, _ = _exchange(
                "list",
                {
                    "bucket": self.name,
                    "prefix": prefix or None,
                    "delimiter": delimiter,
                    "page": page,
                    "max": page_size,
                },
            )
            for entry in head.get("objects") or ():
                yield Entry(
                    key=entry["key"],
                    size=entry.get("size", 0),
                    modified=_time(entry.get("modified")),
                    is_prefix=entry.get("prefix", False),
                )
            page = head.get("next")
            if not page:
                return

    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Reader:
        """Reads an object piece by piece."""
        head, _ = _exchange("open", self._object(key, offset=offset, length=length))
        return Reader(head)

    def create(
        self,
        key: str,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        if_none_match: bool = False,
    ) -> Writer:
        """Writes an object piece by piece."""
        head, _ = _exchange(
            "create", self._object(key, **_created(content_type, metadata, if_none_match))
        )
        return Writer(head)

    def _object(self, key: str, **more: Any) -> dict[str, Any]:
        return {"bucket": self.name, "key": key, **more}


def _created(
    content_type: str | None, metadata: Mapping[str, str] | None, if_none_match: bool
) -> dict[str, Any]:
    return {
        "content_type": content_type,
        "metadata": dict(metadata) if metadata else None,
        "if_none_match": if_none_match or None,
    }


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _attributes(head: dict[str, Any]) -> dict[str, Any]:
    return {
        "size": head.get("size", 0),
        "content_type": head.get("content_type", ""),
        "modified": _time(head.get("modified")),
        "etag": head.get("etag", ""),
        "metadata": head.get("metadata") or {},
    }


class Reader(io.RawIOBase):
    """A file that is read from its beginning to its end.

    ``io.BufferedReader(reader)`` reads lines, and ``io.TextIOWrapper`` of that text.
    """

    def __init__(self, head: dict[str, Any]) -> None:
        super().__init__()
        self.attributes = Attributes(**_attributes(head))
        self._handle = {"reader": head["reader"]}
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readall(self) -> bytes:
        return b"".join(self.chunks())

    def chunks(self, size: int = _CHUNK) -> Iterator[bytes]:
        """The rest of the object in pieces of at most so many bytes."""
        while data := self._read(size):
            yield data

    def _read(self, size: int) -> bytes:
        if self.closed:
            raise ValueError("read of closed file")
        while not self._ended and size > 0:
            head, data = _exchange("read", {**self._handle, "max": min(size, _PIECE)})
            self._ended = head.get("end", False)
            if data:
                return data
        return b""

    def close(self) -> None:
        """Gives up the rest."""
        if not self.closed:
            try:
                _exchange("close", self._handle)
            finally:
                super().close()

    def __del__(self) -> None:
        pass  # the host closes what an activity has left open


class Writer(io.RawIOBase):
    """A file that becomes an object by `commit`, or at the end of its ``with`` block.

    To close it without gives it up, as what is raised in the block does.
    """

    def __init__(self, head: dict[str, Any]) -> None:
        super().__init__()
        self._handle = {"writer": head["writer"]}

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        """Writes all of bytes, or of text as UTF-8."""
        if self.closed:
            raise ValueError("write to closed file")
        data = data.encode() if isinstance(data, str) else bytes(data)
        for at in range(0, len(data), _PIECE):
            _exchange("write", self._handle, data[at : at + _PIECE])
        return len(data)

    def commit(self) -> None:
        """The object is there now, as a whole. The writer has ended, however that went."""
        if self.closed:
            raise ValueError("commit of closed file")
        try:
            _exchange("commit", self._handle)
        finally:
            super().close()

    def close(self) -> None:
        """Gives the object up. What was there before stays."""
        if not self.closed:
            try:
                _exchange("close", self._handle)
            finally:
                super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None and not self.closed:
            self.commit()
            return
        try:
            self.close()
        except PassthroughError:
            pass  # what went wrong first is what the caller has to know

    def __del__(self) -> None:
        pass  # the host gives up what was not committed
