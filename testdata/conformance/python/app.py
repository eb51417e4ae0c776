"""The conformance module in Python, see ../README.md."""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, NoReturn

from wasmworker import activity, blob, passthrough
from wasmworker import config as configuration
from wasmworker import http as requests
from wasmworker import secret as secrets
from wasmworker import sql as database
from wasmworker.common import RawValue
from wasmworker.exceptions import (
    ApplicationError,
    ApplicationErrorCategory,
    CancelledError,
    PassthroughError,
)


@dataclass
class Name:
    name: str


@dataclass
class Greeting:
    greeting: str


@activity.defn
async def greet(input: Name) -> Greeting:
    if not input.name:
        raise ApplicationError("the name is empty", type="EmptyName", non_retryable=True)
    return Greeting(f"Hello, {input.name}!")


@activity.defn
def add(a: float, b: float) -> float:
    return a + b


@activity.defn
def arguments(*payloads: RawValue) -> list[str]:
    return [f"{p.payload.encoding}:{p.payload.data.decode()}" for p in payloads]


@activity.defn
def echo(payload: RawValue) -> RawValue:
    return payload


@activity.defn
def nothing() -> None:
    pass


@activity.defn(name="bytes")
def some_bytes(n: int) -> bytes:
    return (bytes(range(256)) * (n // 256 + 1))[:n]


@activity.defn
def info() -> dict[str, Any]:
    i = activity.info()
    assert i.heartbeat_timeout is not None
    return {
        "activity_id": i.activity_id,
        "activity_type": i.activity_type,
        "attempt": i.attempt,
        "namespace": i.namespace,
        "task_queue": i.task_queue,
        "workflow_id": i.workflow_id,
        "workflow_type": i.workflow_type,
        "heartbeat_timeout_ms": i.heartbeat_timeout // timedelta(milliseconds=1),
    }


Kind = Literal["plain", "typed", "final", "later", "benign", "cause", "several"]


@activity.defn
def fail(kind: Kind) -> NoReturn:
    match kind:
        case "plain":
            raise ValueError("plain text")
        case "typed":
            raise ApplicationError("declined", {"code": 51}, "second", type="CardDeclined")
        case "final":
            raise ApplicationError("no such card", type="NoCard", non_retryable=True)
        case "later":
            delay = timedelta(seconds=123)
            raise ApplicationError("try later", type="Busy", next_retry_delay=delay)
        case "benign":
            benign = ApplicationErrorCategory.BENIGN
            raise ApplicationError("nothing to see", type="Benign", category=benign)
        case "cause":
            root = ApplicationError("the root", type="Root")
            raise ApplicationError("outer", type="Outer") from root
        case "several":
            errors = [ValueError("the first"), ApplicationError("the second", type="Second")]
            raise ExceptionGroup("both failed", errors)


@activity.defn
def crash() -> NoReturn:
    sys.exit("oh no")


@activity.defn
def steps(n: int) -> int:
    details = activity.info().heartbeat_details
    begin: int = details[0] if details else 0
    for step in range(begin + 1, n + 1):
        activity.heartbeat(step)
    return begin


@activity.defn
def cancel() -> NoReturn:
    try:
        while True:
            activity.heartbeat()
    except CancelledError:
        raise CancelledError("asked to stop", "cleaned up") from None


@activity.defn
async def stopping() -> str:
    while not activity.is_worker_shutdown():
        activity.heartbeat()
    return "stopping"


@activity.defn
def logs(message: str) -> None:
    activity.logger.warning("%s", message, extra={"answer": 42})
    activity.logger.debug("the end")


@activity.defn
def upper(text: str) -> str:
    return passthrough.call("conformance", "upper", text).decode()


@activity.defn
def denied() -> dict[str, Any]:
    try:
        passthrough.call("conformance", "deny")
    except PassthroughError as error:
        return {"errno": error.errno, "message": str(error)}
    raise AssertionError("it was not denied")


count = 0


@activity.defn
def state() -> int:
    global count
    count += 1
    return count


random.random()


@activity.defn
def draw() -> str:
    return str(random.getrandbits(64))


@activity.defn
def spin() -> NoReturn:
    while True:
        pass


@dataclass
class Request:
    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""


@activity.defn
def http(r: Request) -> dict[str, Any]:
    response = requests.request(r.method, r.url, headers=r.headers, body=r.body)
    return {
        "status": response.status,
        "content_type": response.headers.get("Content-Type", ""),
        "body": response.text,
    }


@activity.defn
def config(name: str) -> str | None:
    return configuration.get(name)


@activity.defn
def secret(name: str) -> str:
    return secrets.reveal(name)


@dataclass
class Query:
    sql: str
    args: list[Any] = field(default_factory=list)
    batch: int | None = None
    limit: int | None = None


def hex_of(value: Any) -> Any:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


@activity.defn
def sql(q: Query) -> dict[str, Any]:
    args = [bytes.fromhex(a["hex"]) if isinstance(a, dict) else a for a in q.args]
    with database.connect("db", autocommit=True).cursor() as cursor:
        cursor.batch_size = q.batch
        cursor.execute(q.sql, args)
        columns = [column[0] for column in cursor.description or ()]
        rows: list[list[Any]] = []
        for row in cursor:
            rows.append([hex_of(value) for value in row])
            if len(rows) == q.limit:
                break
    return {"columns": columns, "rows": rows}


@dataclass
class Entry:
    entry: str
    end: Literal["commit", "rollback", "none"]


@activity.defn
def transaction(e: Entry) -> dict[str, Any]:
    db = database.connect("db")
    affected = db.execute("INSERT INTO ledger (entry) VALUES (?)", [e.entry]).rowcount
    if e.end == "commit":
        db.commit()
    elif e.end == "rollback":
        db.rollback()
    if not db.in_transaction:
        db.autocommit = True
    row = db.execute("SELECT count(*) FROM ledger WHERE entry = ?", [e.entry]).fetchone()
    assert row is not None
    return {"affected": affected, "count": row[0]}


@dataclass
class Parts:
    key: str
    parts: list[str]


@activity.defn
def stream(p: Parts) -> dict[str, Any]:
    box = blob.bucket("box")
    text_plain = "text/plain; charset=utf-8"
    with box.create(p.key, content_type=text_plain, metadata={"made": "by hand"}) as writer:
        for part in p.parts:
            writer.write(part)
    stat = box.stat(p.key)
    with box.open(p.key) as reader:
        text = b"".join(reader.chunks(5)).decode()
    keys = [entry.key for entry in box.list(p.key)]
    box.delete(p.key)
    return {
        "size": stat.size,
        "content_type": stat.content_type,
        "made": stat.metadata["made"],
        "text": text,
        "keys": keys,
    }


@dataclass
class Piece:
    key: str
    text: str
    offset: int
    length: int


@activity.defn(name="object")
def an_object(p: Piece) -> dict[str, Any]:
    box = blob.bucket("box")
    box.put(p.key, p.text, if_none_match=True)
    found = False
    try:
        box.put(p.key, p.text, if_none_match=True)
    except blob.ExistsError:
        found = True
    part = box.get(p.key, offset=p.offset, length=p.length).text()
    box.delete(p.key)
    return {"exists": found, "range": part}


@activity.defn
def exists(key: str, by: Literal["get", "stat", "open", "delete"]) -> bool:
    box = blob.bucket("box")
    try:
        if by == "open":
            box.open(key).close()
        else:
            getattr(box, by)(key)
    except blob.NotFoundError:
        return False
    return True


@dataclass
class File:
    path: str
    text: str


@activity.defn
def files(f: File) -> dict[str, Any]:
    data = Path("/data")
    path = data / f.path
    path.write_text(f.text, encoding="utf-8", newline="")
    text = path.read_text(encoding="utf-8")
    names = sorted(entry.name for entry in data.iterdir())
    path.unlink()
    return {"text": text, "names": names}
