"""Host modules in memory."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from wasmworker import _abi
from wasmworker.exceptions import PassthroughError


@dataclass(frozen=True)
class HTTPRequest:
    """A request, as the host would send it."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class HTTPResponse:
    """What it is answered with. Text is sent as UTF-8."""

    status: int = 200
    body: bytes | str = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Fakes:
    def __init__(self) -> None:
        self.config: dict[str, str] = {}
        self.secrets: dict[str, str] = {}
        self.http: Callable[[HTTPRequest], HTTPResponse] | None = None
        self.databases: dict[str, sqlite3.Connection] = {}
        self.buckets: dict[str, MutableMapping[str, bytes]] = {}
        self.passthrough: dict[str, Callable[[bytes], bytes]] = {}
        self._handles = itertools.count(1)
        self._cursors: dict[int, tuple[sqlite3.Cursor, int]] = {}  # and its transaction, or 0
        self._transactions: dict[int, str] = {}
        self._attributes: dict[tuple[str, str], dict[str, Any]] = {}
        self._readers: dict[int, bytes] = {}
        self._writers: dict[int, tuple[dict[str, Any], bytearray]] = {}

    def call(
        self, module: str, function: str, request: bytes, body: bytes = b"", /
    ) -> bytes | tuple[bytes, bytes]:
        """What the interpreter's module has for passthrough functions."""
        try:
            return self._answer(module, function, request, body)
        except PassthroughError as error:
            raise OSError(error.errno, str(error)) from None

    def _answer(
        self, module: str, function: str, request: bytes, body: bytes
    ) -> bytes | tuple[bytes, bytes]:
        if (module, function) == ("config", "get"):
            value = self.config.get(request.decode())
            if value is None:
                raise _error("ENOENT", f"env.config has no value {request.decode()!r}")
            return value.encode()
        if (module, function) == ("secret", "reveal"):
            value = self.secrets.get(request.decode())
            if value is None:
                raise _error("EACCES", f"denied: env.secrets has no {request.decode()!r}")
            return value.encode()
        own = self.passthrough.get(f"{module}.{function}")
        if own is not None:
            return own(request)
        handler = getattr(self, f"_{module}_{function}", None)
        if handler is None:
            raise _error("ENOSYS", f"env.passthrough has no function {module}.{function}")
        head, data = handler(json.loads(request), body)
        return json.dumps(head).encode(), data

    def _http_send(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if self.http is None:
            raise _error("EACCES", f"denied: env.http is not set, and {head['url']} is asked for")
        headers = {name: ", ".join(values) for name, values in head.get("headers", {}).items()}
        answer = self.http(HTTPRequest(head.get("method", "GET"), head["url"], headers, body))
        content = answer.body.encode() if isinstance(answer.body, str) else answer.body
        return (
            {"status": answer.status, "headers": {n: [v] for n, v in answer.headers.items()}},
            content,
        )

    # ---- sql

    def _database(self, head: dict[str, Any]) -> sqlite3.Connection:
        name = head.get("connection") or self._transactions.get(head.get("transaction", 0))
        if name is None:
            raise _error("EBADF", "there is no such transaction")
        if name not in self.databases:
            raise _error("EACCES", f"denied: env.databases has no connection {name!r}")
        return self.databases[name]

    def _execute(self, head: dict[str, Any], body: bytes) -> sqlite3.Cursor:
        database = self._database(head)
        transaction = head.get("transaction", 0)
        if transaction and any(t == transaction for _, t in self._cursors.values()):
            raise _error("EBUSY", "the transaction has a cursor open: fetch to its end, or close")
        args = [
            body[a["bytes"][0] : sum(a["bytes"])] if isinstance(a, dict) else a
            for a in head.get("args", ())
        ]
        try:
            cursor = database.execute(head["sql"], args)
        except sqlite3.Error as error:
            raise _error("EIO", str(error)) from None
        return cursor

    def _sql_query(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        cursor = self._execute(head, body)
        columns = [{"name": c[0], "type": ""} for c in cursor.description or ()]
        transaction = head.get("transaction", 0)
        answer, data = self._batch(cursor, transaction, next(self._handles), head)
        if "connection" in head:
            self._database(head).commit()
        return {"columns": columns, **answer}, data

    def _batch(
        self, cursor: sqlite3.Cursor, transaction: int, handle: int, head: dict[str, Any]
    ) -> tuple[dict[str, Any], bytes]:
        size = head.get("max_rows") or 1000
        try:
            rows = cursor.fetchmany(size)
        except sqlite3.Error as error:
            raise _error("EIO", str(error)) from None
        data = bytearray()

        def encode(value: Any) -> Any:
            if not isinstance(value, bytes):
                return value
            data.extend(value)
            return {"bytes": [len(data) - len(value), len(value)]}

        answer: dict[str, Any] = {"rows": [[encode(value) for value in row] for row in rows]}
        if len(rows) == size:
            self._cursors[handle] = (cursor, transaction)
            answer["cursor"] = handle
        else:
            self._cursors.pop(handle, None)
        return answer, bytes(data)

    def _sql_fetch(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if head["cursor"] not in self._cursors:
            raise _error("EBADF", "there is no such cursor")
        cursor, transaction = self._cursors[head["cursor"]]
        return self._batch(cursor, transaction, head["cursor"], head)

    def _sql_close(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        if self._cursors.pop(head["cursor"], None) is None:
            raise _error("EBADF", "there is no such cursor")
        return {}, b""

    def _sql_exec(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        affected = max(self._execute(head, body).rowcount, 0)
        if "connection" in head:
            self._database(head).commit()
        return {"rows_affected": affected}, b""

    def _sql_begin(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._database(head).execute("BEGIN")
        handle = next(self._handles)
        self._transactions[handle] = head["connection"]
        return {"transaction": handle}, b""

    def _sql_commit(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._database(head).commit()
        del self._transactions[head["transaction"]]
        return {}, b""

    def _sql_rollback(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._database(head).rollback()
        del self._transactions[head["transaction"]]
        return {}, b""

    # ---- blob

    def _bucket(self, head: dict[str, Any]) -> MutableMapping[str, bytes]:
        bucket = self.buckets.get(head["bucket"])
        if bucket is None:
            raise _error("EACCES", f"denied: env.buckets has no bucket {head['bucket']!r}")
        return bucket

    def _object(self, head: dict[str, Any]) -> bytes:
        data = self._bucket(head).get(head["key"])
        if data is None:
            raise _error("ENOENT", f"there is no object {head['key']}")
        return data

    def _stat(self, head: dict[str, Any], data: bytes) -> dict[str, Any]:
        attributes = self._attributes.get((head["bucket"], head["key"]), {})
        return {
            "size": len(data),
            "content_type": attributes.get("content_type", "application/octet-stream"),
            "metadata": attributes.get("metadata", {}),
        }

    def _blob_get(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        data = self._object(head)
        return self._stat(head, data), _range(head, data)

    def _blob_put(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        bucket = self._bucket(head)
        if head.get("if_none_match") and head["key"] in bucket:
            raise _error("EEXIST", f"there is an object {head['key']} already")
        bucket[head["key"]] = body
        self._attributes[head["bucket"], head["key"]] = head
        return {}, b""

    def _blob_stat(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        return self._stat(head, self._object(head)), b""

    def _blob_delete(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._object(head)
        del self._bucket(head)[head["key"]]
        return {}, b""

    def _blob_list(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        prefix, delimiter = head.get("prefix", ""), head.get("delimiter")
        listed: dict[str, dict[str, Any]] = {}
        for key, data in sorted(self._bucket(head).items()):
            rest = key[len(prefix) :]
            if not key.startswith(prefix):
                continue
            if delimiter and delimiter in rest:
                key = prefix + rest.partition(delimiter)[0] + delimiter
                listed[key] = {"key": key, "prefix": True}
            else:
                listed[key] = {"key": key, "size": len(data)}
        after = head.get("page", "")
        keys = [key for key in listed if key > after]
        page = keys[: head.get("max") or 1000]
        answer: dict[str, Any] = {"objects": [listed[key] for key in page]}
        if len(page) < len(keys):
            answer["next"] = page[-1]
        return answer, b""

    def _blob_open(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        data = self._object(head)
        handle = next(self._handles)
        self._readers[handle] = _range(head, data)
        return {**self._stat(head, data), "reader": handle}, b""

    def _blob_read(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        data = self._readers[head["reader"]]
        n = head.get("max") or 1 << 20
        self._readers[head["reader"]] = data[n:]
        return ({} if data[n:] else {"end": True}), data[:n]

    def _blob_create(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._bucket(head)
        handle = next(self._handles)
        self._writers[handle] = (head, bytearray())
        return {"writer": handle}, b""

    def _blob_write(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._writers[head["writer"]][1].extend(body)
        return {}, b""

    def _blob_commit(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        created, data = self._writers.pop(head["writer"])
        return self._blob_put(created, bytes(data))

    def _blob_close(self, head: dict[str, Any], body: bytes) -> tuple[dict[str, Any], bytes]:
        self._readers.pop(head.get("reader", 0), None)
        self._writers.pop(head.get("writer", 0), None)
        return {}, b""


def _range(head: dict[str, Any], data: bytes) -> bytes:
    at = head.get("offset", 0)
    return data[at:] if head.get("length") is None else data[at : at + head["length"]]


def _error(code: str, message: str) -> PassthroughError:
    return PassthroughError(_abi.ERRNOS[code], message)
