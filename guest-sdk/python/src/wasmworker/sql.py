"""Databases by DB-API 2.0 (PEP 249): the grant ``sql``.

    with sql.connect("warehouse") as db:  # commits, or rolls back what was raised in it
        cursor = db.execute("SELECT id, name FROM customers WHERE city = $1", [city])
        for id, name in cursor:
            db.execute("UPDATE customers SET seen = $1 WHERE id = $2", [now, id])

The operator names the connection. Statements and their parameters are in the database's own
notation: ``$1`` for PostgreSQL, ``?`` for SQLite. Calls block.

Parameters are None, booleans, whole numbers of 64 bits, floating point, text, bytes, and
dates, times, Decimals and UUIDs, which are sent as text. Rows have what JSON has, and bytes:
times, decimals and UUIDs are text.
"""

from __future__ import annotations

import datetime
import decimal
import math
import re
import time
import uuid
import weakref
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Literal

from wasmworker import _host
from wasmworker.exceptions import PassthroughError

__all__ = [
    "BINARY",
    "DATETIME",
    "NUMBER",
    "ROWID",
    "STRING",
    "Binary",
    "Connection",
    "Cursor",
    "DataError",
    "DatabaseError",
    "Date",
    "DateFromTicks",
    "Error",
    "IntegrityError",
    "InterfaceError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    "Time",
    "TimeFromTicks",
    "Timestamp",
    "TimestampFromTicks",
    "Warning",
    "apilevel",
    "connect",
    "paramstyle",
    "threadsafety",
]

apilevel = "2.0"
threadsafety = 1
paramstyle = "qmark"
"""SQLite's. PostgreSQL has ``$1``."""

Row = tuple[Any, ...]
Isolation = Literal["read committed", "repeatable read", "serializable"]


class Warning(Exception):  # noqa: A001
    """Is never raised."""


class Error(Exception):
    """The base of all the others."""


class InterfaceError(Error):
    """This module was used wrongly: a cursor or a connection is closed, say."""


class DatabaseError(Error, PassthroughError):
    """The database, or the host, says no.

    ``errno`` and ``code`` are those of PassthroughError, and ``sqlstate`` is the database's
    own code, where it has one (PostgreSQL does).
    """

    def __init__(self, errno: int, message: str) -> None:
        PassthroughError.__init__(self, errno, message)
        match = _SQLSTATE.match(message)
        self.sqlstate: str | None = match[1] if match else None


class DataError(DatabaseError):
    """A value does not fit."""


class OperationalError(DatabaseError):
    """The database cannot be reached, took too long, or the operator's policy denies it."""


class IntegrityError(DatabaseError):
    """A constraint forbids it."""


class InternalError(DatabaseError):
    """The transaction cannot go on."""


class ProgrammingError(DatabaseError):
    """The statement, or its parameters, are not valid."""


class NotSupportedError(DatabaseError):
    """The database has no such thing."""


_SQLSTATE = re.compile(r"(?:.*?[ :])?([0-9A-Z]{5}): ")
# By the first two characters of SQLSTATE.
_CLASSES: dict[str, type[DatabaseError]] = {
    "0A": NotSupportedError,
    "21": ProgrammingError,
    "22": DataError,
    "23": IntegrityError,
    "25": InternalError,
    "2D": InternalError,
    "42": ProgrammingError,
}
# SQLite has sentences alone.
_SENTENCES: tuple[tuple[str, type[DatabaseError]], ...] = (
    ("constraint failed", IntegrityError),
    ("no such ", ProgrammingError),
    ("syntax error", ProgrammingError),
    ("incomplete input", ProgrammingError),
)


def _error(error: PassthroughError) -> DatabaseError:
    text = str(error)
    class_: type[DatabaseError] = OperationalError
    match = _SQLSTATE.match(text)
    if error.code in ("EINVAL", "EBADF", "EBUSY"):
        class_ = ProgrammingError
    elif error.code == "EMSGSIZE":
        class_ = DataError
    elif match and error.code == "EIO":
        class_ = _CLASSES.get(match[1][:2], OperationalError)
    elif error.code == "EIO":
        class_ = next((c for part, c in _SENTENCES if part in text), OperationalError)
    return class_(error.errno, text)


def _exchange(
    function: str, head: dict[str, Any], body: bytes = b""
) -> tuple[dict[str, Any], bytes]:
    try:
        return _host.exchange("sql", function, head, body)
    except PassthroughError as error:
        raise _error(error) from None


class _Type:
    """A type object of PEP 249: it equals the names of types of columns."""

    def __init__(self, pattern: str) -> None:
        self._pattern = re.compile(pattern)

    def __eq__(self, other: object) -> bool:
        return self is other or (
            isinstance(other, str) and self._pattern.fullmatch(other) is not None
        )

    __hash__ = None  # type: ignore[assignment]


STRING = _Type(r"(TEXT|N?(VAR)?CHAR.*|CHARACTER.*|CLOB|BPCHAR|NAME|UUID|JSONB?|XML)")
BINARY = _Type(r"(BYTEA|BLOB|(VAR)?BINARY.*)")
NUMBER = _Type(
    r"((BIG|SMALL|TINY|MEDIUM)?INT(EGER)?[248]?|FLOAT[48]?|REAL|DOUBLE.*|NUMERIC.*|DECIMAL.*)"
)
DATETIME = _Type(r"(DATE|TIME.*|INTERVAL)")
ROWID = _Type(r"(OID|ROWID)")

Binary = bytes
Date = datetime.date
Time = datetime.time
Timestamp = datetime.datetime


def DateFromTicks(ticks: float) -> datetime.date:  # noqa: N802
    """The date of seconds since 1970."""
    return Date(*time.localtime(ticks)[:3])


def TimeFromTicks(ticks: float) -> datetime.time:  # noqa: N802
    """The time of day of seconds since 1970."""
    return Time(*time.localtime(ticks)[3:6])


def TimestampFromTicks(ticks: float) -> datetime.datetime:  # noqa: N802
    """The time of seconds since 1970."""
    return Timestamp(*time.localtime(ticks)[:6])


def connect(
    name: str,
    *,
    autocommit: bool = False,
    read_only: bool = False,
    isolation: Isolation | None = None,
) -> Connection:
    """A connection that the operator has defined. Nothing is sent before its first statement.

    :param autocommit: statements take effect each on its own. Without it the first one begins
        a transaction, which ends by ``commit`` or ``rollback``, or is rolled back at the end
        of the activity
    :param read_only: transactions change nothing
    :param isolation: of transactions, by default the database's
    """
    return Connection(name, autocommit, read_only, isolation)


class Connection:
    """What `connect` returns."""

    Warning = Warning
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    DataError = DataError
    OperationalError = OperationalError
    IntegrityError = IntegrityError
    InternalError = InternalError
    ProgrammingError = ProgrammingError
    NotSupportedError = NotSupportedError

    def __init__(
        self, name: str, autocommit: bool, read_only: bool, isolation: Isolation | None
    ) -> None:
        self.name = name
        self._autocommit = autocommit
        self._options = {"read_only": read_only or None, "isolation": isolation}
        self._transaction: int | None = None
        self._open: weakref.WeakSet[Cursor] = weakref.WeakSet()  # those with a host's cursor
        self._closed = False

    @property
    def autocommit(self) -> bool:
        """Whether statements take effect each on its own. Cannot be set in a transaction."""
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool) -> None:
        if self._transaction is not None:
            raise InterfaceError("autocommit cannot be set in a transaction: end it first")
        self._autocommit = value

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._transaction is not None

    def cursor(self) -> Cursor:
        """A cursor."""
        self._check()
        return Cursor(self)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """`Cursor.execute` of a new cursor."""
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Cursor:
        """`Cursor.executemany` of a new cursor."""
        return self.cursor().executemany(sql, parameters)

    def commit(self) -> None:
        """Ends the transaction, if there is one, and keeps what it did."""
        self._end("commit")

    def rollback(self) -> None:
        """Ends the transaction, if there is one, and undoes what it did."""
        self._end("rollback")

    def _end(self, function: str) -> None:
        self._check()
        if self._transaction is None:
            return
        for cursor in list(self._open):
            cursor._release()
        _exchange(function, {"transaction": self._transaction})
        self._transaction = None

    def close(self) -> None:
        """Rolls back an open transaction. The connection cannot be used any more."""
        if not self._closed:
            self.rollback()
            self._closed = True

    def _check(self) -> None:
        if self._closed:
            raise InterfaceError(f"the connection {self.name} is closed")

    def _where(self) -> dict[str, Any]:
        """The part of a head that says where a statement runs."""
        self._check()
        if self._autocommit:
            return {"connection": self.name}
        if self._transaction is None:
            head, _ = _exchange("begin", {"connection": self.name, **self._options})
            self._transaction = head["transaction"]
        else:
            # Databases take one statement at a time in a transaction.
            for cursor in list(self._open):
                cursor._buffer()
        return {"transaction": self._transaction}

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.commit()
            return
        try:
            self.rollback()
        except Error:
            pass  # what went wrong first is what the caller has to know


# Strings, quoted names and comments, in which nothing is a keyword.
_QUOTED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$(\w*)\$.*?\$\1\$|--[^\n]*|/\*.*?\*/", re.DOTALL
)
_ROWS = re.compile(
    r"[\s(;]*(SELECT|WITH|VALUES|TABLE|SHOW|EXPLAIN|PRAGMA|FETCH)\b|.*\bRETURNING\b",
    re.IGNORECASE | re.DOTALL,
)


class Cursor:
    """Runs statements, and has the rows of the last one.

    ``description`` has the columns, as PEP 249 says, with the database's own name of the type
    as ``type_code``. ``rowcount`` is the number of rows that a statement changed, or has, if
    all came at once, and -1 while that is not known.
    ``batch_size`` is how many rows the host sends at once, at most: 1000 if it is None.
    """

    arraysize = 1
    lastrowid = None

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.batch_size: int | None = None
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self.description: list[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self._rows: list[Row] = []
        self._next = 0
        self._cursor = 0  # the host's

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Cursor:
        """Runs a statement, and returns the cursor itself.

        :raises DatabaseError: one of its subclasses
        """
        self._begin()
        parts: list[bytes] = []
        args = [_encode(i, value, parts) for i, value in enumerate(parameters)]
        head = {**self.connection._where(), "sql": sql, "args": args}
        body = b"".join(parts)
        if not _ROWS.match(_QUOTED.sub(" ", sql)):
            answer, _ = _exchange("exec", head, body)
            self.rowcount = answer.get("rows_affected", 0)
            return self
        answer, data = _exchange("query", {**head, "max_rows": self.batch_size}, body)
        self.description = [
            (column["name"], column.get("type", ""), None, None, None, None, None)
            for column in answer.get("columns") or ()
        ]
        self._take(answer, data)
        if not self._cursor:
            self.rowcount = len(self._rows)
        return self

    def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> Cursor:
        """Runs a statement for each list of parameters. ``rowcount`` is of all together."""
        total = 0
        for each in parameters:
            self.execute(sql, each)
            total += max(self.rowcount, 0)
        self.rowcount = total
        return self

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        self._check_rows()
        while self._next >= len(self._rows):
            if not self._cursor:
                return None
            self._fetch()
        self._next += 1
        return self._rows[self._next - 1]

    def fetchmany(self, size: int | None = None) -> list[Row]:
        """The next rows, ``arraysize`` of them without a size."""
        rows = []
        for _ in range(self.arraysize if size is None else size):
            row = self.fetchone()
            if row is None:
                break
            rows.append(row)
        return rows

    def fetchall(self) -> list[Row]:
        """The rest of the rows."""
        self._check_rows()
        self._buffer()
        rows = self._rows[self._next :]
        self._next = len(self._rows)
        return rows

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        row = self.fetchone()
        if row is None:
            raise StopIteration
        return row

    def close(self) -> None:
        """Gives up the rest of the rows. The cursor cannot be used any more."""
        if not self._closed:
            self._closed = True
            self._release()
            self._reset()

    def __enter__(self) -> Cursor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except Error:
            pass  # what went wrong first is what the caller has to know

    def setinputsizes(self, sizes: Sequence[Any]) -> None:
        """Does nothing."""

    def setoutputsize(self, size: int, column: int | None = None) -> None:
        """Does nothing."""

    def _begin(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        self._release()
        self._reset()

    def _check_rows(self) -> None:
        if self._closed:
            raise InterfaceError("the cursor is closed")
        if self.description is None:
            raise InterfaceError("the last statement has no rows")

    def _take(self, answer: dict[str, Any], data: bytes) -> None:
        types = [column[1] for column in self.description or ()]
        del self._rows[: self._next]
        self._next = 0
        for row in answer.get("rows") or ():
            self._rows.append(tuple(_decode(v, t, data) for v, t in zip(row, types, strict=True)))
        self._cursor = answer.get("cursor") or 0
        if self._cursor:
            self.connection._open.add(self)
        else:
            self.connection._open.discard(self)

    def _fetch(self) -> None:
        try:
            answer, data = _exchange("fetch", {"cursor": self._cursor, "max_rows": self.batch_size})
        except Error:
            try:
                self._release()
            except Error:
                pass  # a cursor that is broken may be gone already
            raise
        self._take(answer, data)

    def _buffer(self) -> None:
        while self._cursor:
            self._fetch()

    def _release(self) -> None:
        cursor, self._cursor = self._cursor, 0
        self.connection._open.discard(self)
        if cursor:
            _exchange("close", {"cursor": cursor})


def _encode(i: int, value: Any, parts: list[bytes]) -> Any:
    """What JSON has for a parameter. Messages name its place and its type, not its value."""
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ProgrammingError(
                28, f"parameter {i + 1} is {value}, which JSON has no number for: pass text"
            )
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        at = sum(len(part) for part in parts)
        parts.append(bytes(value))
        return {"bytes": [at, len(parts[-1])]}
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID)):
        return str(value)
    raise ProgrammingError(
        28,
        f"parameter {i + 1} is of type {type(value).__name__}: pass None, a boolean, a number, "
        "text, bytes, a date or time, a Decimal or a UUID, and text such as json.dumps makes "
        "for anything else",
    )


def _decode(value: Any, type_: str, data: bytes) -> Any:
    if isinstance(value, dict):
        at, n = value["bytes"]
        return data[at : at + n]
    if value in ("NaN", "Infinity", "-Infinity") and type_ in ("FLOAT4", "FLOAT8", "REAL"):
        return float(value)
    return value
