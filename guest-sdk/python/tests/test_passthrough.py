"""The host modules, against those of the test environment."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import sqlite3
import uuid
from collections.abc import Iterator
from typing import Any, cast

import pytest

from wasmworker import blob, config, http, passthrough, secret, sql
from wasmworker.exceptions import PassthroughError
from wasmworker.testing import ActivityEnvironment, HTTPRequest, HTTPResponse


@pytest.fixture
def env() -> Iterator[ActivityEnvironment]:
    env = ActivityEnvironment()
    with env.host():
        yield env
    for database in env.databases.values():
        database.close()


def test_without_a_host() -> None:
    import sys

    from wasmworker import _host

    default, _host._default = _host._default, None
    try:
        with pytest.raises(
            RuntimeError, match=r"config\.get can be called in wasmworker's sandbox"
        ):
            config.get("x")
    finally:
        _host._default = default
    assert default is sys.modules["_wasmworker"]


def test_config_and_secret(env: ActivityEnvironment) -> None:
    env.config["region"], env.secrets["key"] = "größe", "☃"
    assert config.get("region") == "größe" and config.get("x") is None
    assert config.get("x", "eu") == "eu" and secret.reveal("key") == "☃"
    with pytest.raises(PassthroughError, match="denied") as caught:
        secret.reveal("x")
    assert caught.value.code == "EACCES" and caught.value.errno == 2


def test_own_modules(env: ActivityEnvironment) -> None:
    env.passthrough["weather.forecast"] = lambda request: request[::-1]
    assert passthrough.call("weather", "forecast", "abc") == b"cba"
    assert passthrough.call("weather", "forecast") == b""
    env.passthrough["weather.json"] = lambda request: b'{"a":1}' if request == b"[1]" else b""
    assert passthrough.call_json("weather", "json", [1]) == {"a": 1}
    assert passthrough.call_json("weather", "json") is None
    with pytest.raises(PassthroughError) as caught:
        passthrough.call("weather", "none")
    assert caught.value.code == "ENOSYS"


def test_http(env: ActivityEnvironment) -> None:
    seen: list[HTTPRequest] = []

    def answer(request: HTTPRequest) -> HTTPResponse:
        seen.append(request)
        return HTTPResponse(404, '{"a": "ö"}', {"Content-Type": "application/json"})

    env.http = answer
    response = http.post(
        "http://a/b?c=d",
        params={"e": ["f", "g h"]},
        headers=[("X-A", "1"), ("X-A", "2")],
        json={"z": 1},
        timeout=1.5,
    )
    (request,) = seen
    assert request.method == "POST" and request.url == "http://a/b?c=d&e=f&e=g+h"
    assert request.headers == {"X-A": "1, 2", "Content-Type": "application/json"}
    assert request.body == b'{"z":1}'
    assert response.status == response.status_code == 404 and not response.ok
    assert response.json() == {"a": "ö"} and response.headers["content-TYPE"] == "application/json"
    assert response.headers.get("x") is None and list(response.headers) == ["Content-Type"]
    with pytest.raises(http.HTTPError, match="status 404") as caught:
        response.raise_for_status()
    assert caught.value.response is response
    for method in (http.get, http.head, http.put, http.patch, http.delete):
        assert method("http://a", body="ö").text
    assert seen[-1].body == "ö".encode()
    with pytest.raises(TypeError, match="two bodies"):
        http.post("http://a", body="x", json=1)
    with pytest.raises(ValueError, match="a timeout of 0 seconds"):
        http.get("http://a", timeout=0)
    env.http = None
    with pytest.raises(PassthroughError, match="denied"):
        http.get("http://a")


def test_the_head_of_a_request() -> None:
    """What goes to the host, exactly."""
    from wasmworker import _host

    heads: list[Any] = []

    class Caller:
        def call(self, module: str, function: str, request: bytes, body: bytes = b"", /) -> Any:
            heads.append((module, function, request, body))
            return b'{"status": 200, "headers": {"Set-Cookie": ["a=b", "c=d"]}}', b"\xff"

    with _host.instead(Caller()):
        response = http.get("http://a", timeout=datetime.timedelta(seconds=2))
    assert response.headers.get_list("set-cookie") == ["a=b", "c=d"] and response.text == "�"
    assert heads == [
        (
            "http",
            "send",
            b'{"method": "GET", "url": "http://a", "headers": {}, "timeout_ms": 2000}',
            b"",
        )
    ]


# ---- sql


@pytest.fixture
def calls(env: ActivityEnvironment) -> list[str]:
    """The functions that were called, of a database with three rows."""
    db = env.databases["db"] = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data BLOB)")
    db.executemany("INSERT INTO t VALUES (?, ?, ?)", [(i, f"n{i}", bytes([i])) for i in (1, 2, 3)])
    db.commit()
    seen: list[str] = []
    call = env.call

    def counting(module: str, function: str, request: bytes, body: bytes = b"", /) -> Any:
        seen.append(function)
        return call(module, function, request, body)

    env.call = counting  # type: ignore[method-assign]
    return seen


class TestSQL:
    def test_pep_249(self) -> None:
        assert (sql.apilevel, sql.threadsafety, sql.paramstyle) == ("2.0", 1, "qmark")
        assert issubclass(sql.IntegrityError, sql.DatabaseError)
        assert issubclass(sql.DatabaseError, sql.Error) and issubclass(
            sql.InterfaceError, sql.Error
        )
        assert sql.STRING == "VARCHAR(20)" and sql.NUMBER == "INT8" and sql.BINARY == "BYTEA"
        assert sql.DATETIME == "TIMESTAMPTZ" and sql.STRING != "INT8" and sql.ROWID == "OID"
        assert sql.DateFromTicks(86400 * 2).year == 1970
        assert sql.TimeFromTicks(0).second == 0 and sql.TimestampFromTicks(0).year in (1969, 1970)

    def test_rows(self, calls: list[str]) -> None:
        db = sql.connect("db")
        assert calls == []  # nothing before the first statement
        cursor = db.execute("SELECT * FROM t ORDER BY id")
        assert cursor.description is not None and cursor.rowcount == 3
        assert [column[0] for column in cursor.description] == ["id", "name", "data"]
        assert cursor.fetchone() == (1, "n1", b"\x01")
        assert cursor.fetchmany() == [(2, "n2", b"\x02")]
        assert cursor.fetchmany(5) == [(3, "n3", b"\x03")]
        assert cursor.fetchone() is None and cursor.fetchall() == [] and list(cursor) == []
        assert calls == ["begin", "query"]

    def test_batches(self, calls: list[str]) -> None:
        cursor = sql.connect("db", autocommit=True).cursor()
        cursor.batch_size = 1
        cursor.execute("SELECT id FROM t ORDER BY id")
        assert cursor.rowcount == -1 and next(cursor) == (1,)
        assert [row[0] for row in cursor] == [2, 3]
        assert calls == ["query", "fetch", "fetch", "fetch"]
        cursor.execute("SELECT id FROM t ORDER BY id")
        cursor.close()
        assert calls[-2:] == ["query", "close"]
        with pytest.raises(sql.InterfaceError, match="the cursor is closed"):
            cursor.fetchone()

    def test_another_statement_keeps_the_rest_of_the_rows(self, calls: list[str]) -> None:
        db = sql.connect("db")
        cursor = db.cursor()
        cursor.batch_size = 1
        ids = []
        for (id_,) in cursor.execute("SELECT id FROM t ORDER BY id"):
            db.execute("UPDATE t SET name = ? WHERE id = ?", [f"new{id_}", id_])
            ids.append(id_)
        assert ids == [1, 2, 3]
        db.commit()
        assert db.execute("SELECT name FROM t WHERE id = 3").fetchone() == ("new3",)

    def test_transactions(self, calls: list[str], env: ActivityEnvironment) -> None:
        db = sql.connect("db")
        insert = "INSERT INTO t VALUES (?, ?, ?)"
        assert db.execute(insert, [4, "n4", None]).rowcount == 1 and db.in_transaction
        db.rollback()
        db.rollback()
        assert not db.in_transaction and calls == ["begin", "exec", "rollback"]
        with sql.connect("db") as other:
            other.executemany(insert, [(5, "n5", b""), (6, "n6", b"x")])
        with pytest.raises(ZeroDivisionError), sql.connect("db") as other:
            other.execute(insert, [7, "n7", None])
            _ = 1 // 0
        ids = [row[0] for row in env.databases["db"].execute("SELECT id FROM t ORDER BY id")]
        assert ids == [1, 2, 3, 5, 6]
        db.close()
        with pytest.raises(sql.InterfaceError, match="the connection db is closed"):
            db.execute("SELECT 1")

    def test_autocommit(self, calls: list[str]) -> None:
        db = sql.connect("db", autocommit=True)
        assert db.executemany("DELETE FROM t WHERE id = ?", [[1], [2], [9]]).rowcount == 2
        assert calls == ["exec"] * 3
        db.autocommit = False
        db.execute("SELECT 1")
        with pytest.raises(sql.InterfaceError, match="in a transaction"):
            db.autocommit = True

    def test_what_has_rows(self, calls: list[str]) -> None:
        db = sql.connect("db", autocommit=True)
        for statement, function in [
            ("/* x */ -- y\n select 1", "query"),
            ("WITH a AS (SELECT 1) SELECT * FROM a", "query"),
            ("INSERT INTO t VALUES (9, 'returning', NULL)", "exec"),
            ("INSERT INTO t VALUES (10, 'x', NULL) RETURNING id", "query"),
            ("UPDATE t SET name = ' returning ''x''' WHERE 1 = 0 -- returning", "exec"),
            ("VALUES (1)", "query"),
        ]:
            calls.clear()
            db.execute(statement)
            assert calls[0] == function, statement
        with pytest.raises(sql.InterfaceError, match="has no rows"):
            db.execute("DELETE FROM t").fetchone()

    def test_parameters(self, calls: list[str]) -> None:
        db = sql.connect("db")
        id_ = uuid.UUID(int=1)
        at = datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc)
        values = [None, True, 5, 1.0, "☃", b"\x00", bytearray(b"ab"), decimal.Decimal("1.50"), id_]
        marks = ", ".join("?" * (len(values) + 2))
        row = db.execute(f"SELECT {marks}", [*values, at, at.date()]).fetchone()
        expected = (None, 1, 5, 1.0, "☃", b"\x00", b"ab", "1.50", str(id_))
        assert row == (*expected, "2026-01-02T00:00:00+00:00", "2026-01-02")
        assert row is not None and type(row[3]) is float
        for bad, text in [
            (float("nan"), "parameter 2 is nan"),
            ({"a": 1}, "parameter 2 is of type dict"),
        ]:
            with pytest.raises(sql.ProgrammingError, match=text):
                db.execute("SELECT ?, ?", [1, bad])

    def test_errors(self, calls: list[str]) -> None:
        db = sql.connect("db")
        for statement, class_ in [
            ("INSERT INTO t VALUES (1, 'x', NULL)", sql.IntegrityError),
            ("SELECT * FROM nowhere", sql.ProgrammingError),
            ("SELEC", sql.ProgrammingError),
        ]:
            with pytest.raises(class_) as caught:
                db.execute(statement)
            assert caught.value.code == "EIO" and isinstance(caught.value, PassthroughError)
        with pytest.raises(sql.OperationalError, match="denied"):
            sql.connect("other").execute("SELECT 1")

    @pytest.mark.parametrize(
        ("errno", "text", "class_", "state"),
        [
            (29, "23505: duplicate key", sql.IntegrityError, "23505"),
            (29, "22012: division by zero", sql.DataError, "22012"),
            (29, "42P01: no relation", sql.ProgrammingError, "42P01"),
            (29, "25P02: aborted", sql.InternalError, "25P02"),
            (29, "0A000: no", sql.NotSupportedError, "0A000"),
            (29, "connection refused", sql.OperationalError, None),
            (2, "denied: x", sql.OperationalError, None),
            (73, "too long", sql.OperationalError, None),
            (28, "bad", sql.ProgrammingError, None),
            (35, "large", sql.DataError, None),
        ],
    )
    def test_classes(self, errno: int, text: str, class_: type, state: str | None) -> None:
        error = sql._error(PassthroughError(errno, text))
        assert type(error) is class_ and error.sqlstate == state and str(error) == text


# ---- blob


@pytest.fixture
def box(env: ActivityEnvironment) -> blob.Bucket:
    env.buckets["box"] = {}
    return blob.bucket("box")


class TestBlob:
    def test_objects(self, box: blob.Bucket) -> None:
        box.put("a/b", "größe", content_type="text/plain", metadata={"made": "by hand"})
        whole = box.get("a/b")
        assert whole.text() == "größe" and whole.size == 7 and whole.content_type == "text/plain"
        assert box.get("a/b", offset=2, length=2).data == "ö".encode()
        assert box.stat("a/b").metadata == {"made": "by hand"}
        with pytest.raises(blob.ExistsError):
            box.put("a/b", b"", if_none_match=True)
        box.put("j", b"[1]")
        assert box.get("j").json() == [1]
        box.delete("j")
        for missing in (box.get, box.stat, box.open, box.delete):
            with pytest.raises(blob.NotFoundError) as caught:
                missing("j")
            assert caught.value.code == "ENOENT"
        with pytest.raises(PassthroughError, match="denied"):
            blob.bucket("other").stat("x")

    def test_lists(self, box: blob.Bucket) -> None:
        for key in ("a/1", "a/2", "a/b/3", "c"):
            box.put(key, b"x")
        assert [e.key for e in box.list()] == ["a/1", "a/2", "a/b/3", "c"]
        assert [e.key for e in box.list("a/", page_size=1)] == ["a/1", "a/2", "a/b/3"]
        entries = list(box.list("a/", delimiter="/"))
        assert [(e.key, e.is_prefix) for e in entries] == [
            ("a/1", False),
            ("a/2", False),
            ("a/b/", True),
        ]

    def test_readers(self, box: blob.Bucket) -> None:
        box.put("k", b"one\ntwo\nthree")
        with box.open("k") as reader:
            assert reader.attributes.size == 13 and reader.read(2) == b"on"
            assert list(reader.chunks(5)) == [b"e\ntwo", b"\nthre", b"e"]
        with pytest.raises(ValueError, match="closed file"):
            reader.read(1)
        assert box.open("k", offset=4, length=3).read() == b"two"
        lines = io.TextIOWrapper(io.BufferedReader(box.open("k")), encoding="utf-8")
        assert list(lines) == ["one\n", "two\n", "three"]

    def test_writers(self, box: blob.Bucket) -> None:
        with box.create("k", content_type="text/csv") as writer:
            assert writer.write("ö") == 2
            writer.write(b"x" * 5_000_000)
            with pytest.raises(blob.NotFoundError):
                box.stat("k")
        assert box.stat("k").size == 5_000_002 and box.stat("k").content_type == "text/csv"
        with pytest.raises(ZeroDivisionError), box.create("gone") as writer:
            writer.write(b"x")
            _ = 1 // 0
        given_up = box.create("gone")
        given_up.close()
        with pytest.raises(ValueError, match="closed file"):
            given_up.commit()
        assert [e.key for e in box.list()] == ["k"]
        writer = box.create("table")
        text = io.TextIOWrapper(
            cast("Any", writer), encoding="utf-8", newline="", write_through=True
        )
        csv.writer(text).writerow(["a", "ö"])
        text.flush()
        writer.commit()
        assert box.get("table").text() == "a,ö\r\n"
