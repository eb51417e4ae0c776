"""Bundles, in a process of their own, as the interpreter boots them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fakehost

HERE = Path(__file__).parent
GREET = """
from wasmworker import activity

@activity.defn
def greet(name: str) -> str:
    return f"Hello, {name}!"
"""


class Booted:
    """An app that was written into a bundle."""

    def __init__(self, folder: Path, files: dict[str, str | bytes], **settings: Any) -> None:
        self.path = folder / "bundle.zip"
        self.path.write_bytes(fakehost.bundle(files, **settings))

    def process(self, *args: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(HERE.parent / "shim")])
        return subprocess.run(
            [sys.executable, "-P", str(HERE / "fakehost.py"), str(self.path), *args],
            env={
                **os.environ,
                "WASMWORKER_SRC": str(HERE.parent / "src"),
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd=self.path.parent,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, *args: str) -> Any:
        done = self.process(*args)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def value(self, activity: str, *args: Any) -> Any:
        got = self.run(activity, *map(json.dumps, args))
        assert got["status"] == 0, got
        return json.loads(got["result"]) if got["result"] else None

    def refused(self) -> str:
        done = self.process()
        assert done.returncode != 0, done.stdout
        return done.stderr


def test_an_app(tmp_path: Path) -> None:
    app = Booted(tmp_path, {"app.py": GREET})
    assert app.run() == ["greet"]
    assert app.value("greet", "Ada") == "Hello, Ada!"


def test_packages_and_resources(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {
            "shop/__init__.py": "from shop.orders import *",
            "shop/orders.py": """
import importlib.metadata, importlib.resources
from wasmworker import activity
from . import prices
import namespace.part

@activity.defn(name="Price")
def price() -> list:
    data = importlib.resources.files("shop") / "data"
    names = sorted(entry.name for entry in data.iterdir())
    return [prices.price, (data / "a.txt").read_text(), names, namespace.part.x, __file__,
            importlib.metadata.version("Some_Thing")]
""",
            "shop/prices.py": "price = 5",
            "shop/data/a.txt": "größe",
            "shop/data/b.txt": "",
            "namespace/part.py": "x = 1",
            "some_thing-1.2.dist-info/METADATA": "Name: some-thing\nVersion: 1.2\n",
        },
        entry="shop",
    )
    assert app.value("Price") == [
        5,
        "größe",
        ["a.txt", "b.txt"],
        1,
        "/app/shop/orders.py",
        "1.2",
    ]


def test_compiled_code_is_taken_if_it_is_of_this_version(tmp_path: Path) -> None:
    import importlib.util
    import marshal

    code = compile(GREET.replace("Hello", "Compiled"), "/app/app.py", "exec")
    for magic, greeting in [
        (importlib.util.MAGIC_NUMBER, "Compiled, Ada!"),
        (b"\x01\x02\r\n", "Hello, Ada!"),
    ]:
        compiled = magic + bytes(12) + marshal.dumps(code)
        app = Booted(tmp_path, {"app.py": GREET, "app.pyc": compiled})
        assert app.value("greet", "Ada") == greeting


def test_tracebacks_have_the_source(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {"app.py": GREET + "\n@activity.defn\ndef boom():\n    raise ValueError('x')  # here\n"},
    )
    got = app.run("boom")
    assert got["status"] == 1
    assert got["failure"]["stack_trace"].startswith(
        "  File \"/app/app.py\", line 10, in boom\n    raise ValueError('x')  # here\n"
    )


@pytest.mark.parametrize(
    ("files", "texts"),
    [
        ({"app.py": "def f(:\n"}, ['File "/app/app.py", line 1', "SyntaxError"]),
        ({"app.py": "import nowhere"}, ['File "/app/app.py", line 1', "No module named 'nowhere'"]),
        ({"app.py": GREET + "\n1/0"}, ['File "/app/app.py", line 8', "1/0", "ZeroDivisionError"]),
        (
            {"app.py": "x = 1"},
            ["app defines no activity and no workflow: put @activity.defn before"],
        ),
        (
            {"app.py": GREET + GREET},
            ["/app/app.py:4 and /app/app.py:10 both define activity greet"],
        ),
        ({"other.py": GREET}, ["No module named 'app'"]),
        (
            {"app.py": GREET.replace("name: str", "name: 'Missing'")},
            ["/app/app.py:4: the hints of activity greet cannot be read: name 'Missing'"],
        ),
        ({"app.py": "import sqlite3x, sqlite3"}, ["No module named 'sqlite3x'"]),
        (
            {
                "app.py": GREET + "from wasmworker import workflow\n@workflow.defn\nclass W:\n"
                "    @workflow.run\n    async def run(self) -> None: ...\n"
            },
            ["/app/app.py:4 and /app/app.py:10 define activity greet and workflow W in one file"],
        ),
        (
            {"app.py": "import temporalio.client"},
            ["temporalio.client: there is no Temporal client"],
        ),
        ({"app.py": "from temporalio import worker"}, ["temporalio.worker: wasmworker itself is"]),
        ({"app.py": "import temporalio.contrib.pydantic"}, ["wasmworker has of temporalio what"]),
        ({"app.py": "import requests"}, ["use wasmworker.http"]),
    ],
)
def test_apps_that_are_refused(
    tmp_path: Path, files: dict[str, str | bytes], texts: list[str]
) -> None:
    error = Booted(tmp_path, files).refused()
    for text in texts:
        assert text in error


def test_bundles_that_are_none(tmp_path: Path) -> None:
    app = Booted(tmp_path, {"app.py": GREET})
    whole = app.path.read_bytes()
    for damaged in [b"", b"x" * 100, whole[:-30], whole.replace(b"PK\x01\x02", b"PK\x01\x03")]:
        app.path.write_bytes(damaged)
        assert "BundleError: the bundle" in app.refused()


def test_activity_files_of_temporalio_run_unchanged(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {
            "app.py": """
import asyncio
from dataclasses import dataclass
from datetime import timedelta
from temporalio import activity
from temporalio.common import RawValue, RetryPolicy
from temporalio.converter import PayloadConverter, value_to_type
from temporalio.exceptions import ApplicationError, CancelledError
import temporalio.activity

@dataclass
class Input:
    name: str

@activity.defn(name="say_hello")
async def hello(input: Input) -> str:
    await asyncio.sleep(0)
    activity.heartbeat(1)
    temporalio.activity.logger.info("hello")
    if not input.name:
        raise ApplicationError("empty", type="Empty", non_retryable=True)
    return f"Hello, {input.name}!"

class Activities:
    @activity.defn
    def raw(self, value: RawValue) -> int:
        return activity.payload_converter().from_payload(value.payload, int)

activities = Activities()
"""
        },
    )
    assert app.value("say_hello", {"name": "Ada"}) == "Hello, Ada!"
    assert app.value("raw", 5) == 5
    assert app.run("say_hello", '{"name": ""}')["failure"]["type"] == "Empty"


def test_what_a_sandbox_does_not_have(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {
            "app.py": """
import asyncio, concurrent.futures, socket, subprocess, threading, urllib.request
from wasmworker import activity

def told(f, *args):
    try:
        f(*args)
    except Exception as error:
        return f"{type(error).__name__}: {error}"

@activity.defn
def all() -> dict:
    pool = concurrent.futures.ThreadPoolExecutor()
    return {
        "socket": told(socket.socket),
        "connect": told(socket.create_connection, ("a", 1)),
        "urlopen": told(urllib.request.urlopen, "http://a"),
        "opener": told(urllib.request.build_opener().open, "http://a"),
        "run": told(subprocess.run, ["ls"]),
        "thread": told(threading.Thread(target=print).start),
        "pool": told(pool.submit, print),
        "sqlite3": told(__import__, "sqlite3"),
        "ssl": told(__import__, "ssl"),
    }

@activity.defn
async def connect() -> None:
    await asyncio.open_connection("a", 1)

@activity.defn
def run() -> int:
    async def main():
        await asyncio.sleep(0)
        return 5
    return asyncio.run(main())
"""
        },
    )
    told = app.value("all")
    assert set(told.values()) != {None}
    for name, text in {
        "socket": "OSError: activities in wasmworker have no sockets: use wasmworker.http",
        "connect": "OSError: activities in wasmworker have no sockets",
        "urlopen": "OSError: urllib.request does not work in wasmworker: use wasmworker.http",
        "opener": "OSError: urllib.request does not work in wasmworker: use wasmworker.http",
        "run": "OSError: activities in wasmworker cannot start processes",
        "thread": "RuntimeError: activities in wasmworker have no threads",
        "pool": "RuntimeError: activities in wasmworker have no threads",
    }.items():
        assert told[name].startswith(text), (name, told[name])
    assert app.run("connect")["failure"]["message"].startswith("activities in wasmworker have no")
    assert app.value("run") == 5


def test_modules_that_are_not_there_say_what_to_use() -> None:
    from wasmworker import _sandbox

    explainer = _sandbox._Explainer()
    with pytest.raises(ModuleNotFoundError, match=r"wasmworker\.sql\.connect"):
        explainer.find_spec("sqlite3", None)
    assert explainer.find_spec("anything", None) is None


RANDOM = """
import random, tempfile, uuid
from random import Random
from wasmworker import activity

own, seeded = Random(), Random(5)
uuid.getnode()
first = tempfile._get_candidate_names()

@activity.defn
def numbers() -> list:
    names = tempfile._get_candidate_names()
    return [random.random(), own.random(), seeded.random(), next(names)]
"""


def test_random_numbers_are_fresh_in_each_activity(tmp_path: Path) -> None:
    # A fork has the memory that another one began with, as an instance of the sandbox has.
    app = Booted(tmp_path, {"app.py": RANDOM})
    script = f"""
import json, os, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent / "src")!r}]
import fakehost
fakehost.install()
from wasmworker import _boot
_boot.boot(open({str(app.path)!r}, "rb").read())
host = sys.modules["_wasmworker"]
for i in range(2):
    if os.fork() == 0:
        host._random = iter(range(1 + i * 10, 100))
        assert _boot.run("numbers") == 0, host.failure
        print(host.result[0].decode(), flush=True)
        os._exit(0)
    os.wait()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    one, two = map(json.loads, done.stdout.splitlines())
    assert one[0] != two[0] and one[1] != two[1] and one[0] != one[1]
    assert one[2] == two[2]  # a seed that the author has chosen
    assert one[3] != two[3]


def test_rehearsal(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {
            "app.py": """
import sys
from wasmworker import activity, http
calls = 0

@activity.defn(example=["Ada"])
def greet(name: str) -> list:
    global calls
    import colorsys
    calls += 1
    activity.logger.info("not seen")
    activity.heartbeat(1)
    return [name, calls]

@activity.defn(example=[])
def fails() -> None:
    http.get("http://a")

@activity.defn
def seen() -> list:
    import _ as nothing

@activity.defn
def loaded() -> bool:
    return "colorsys" in sys.modules and "chunk_" not in sys.modules

import wasmworker._boot
"""
        },
        rehearsal=[{"activity": "greet", "args": ["Bob"]}],
    )
    assert app.value("greet", "Eve") == ["Eve", 3]
    assert app.value("loaded") is True
    script = f"""
import json, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parent / "src")!r}]
import fakehost
fakehost.install()
from wasmworker import _boot
_boot.boot(open({str(app.path)!r}, "rb").read())
host = sys.modules["_wasmworker"]
for name in ("colorsys",):
    del sys.modules[name]
print(json.dumps([_boot.rehearse(), host.logs, host.sent, host.failure]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    report, logs, sent, failure = json.loads(done.stdout)
    assert report["greet"] == {"imported": ["colorsys"], "imports": [], "status": 0}
    assert report["fails"]["failure"]["message"].endswith("cannot be called in a rehearsal")
    assert (logs, sent, failure) == ([], [], None)
    told = app.process().stderr
    assert "the rehearsal of activity fails failed: PassthroughError: http.send cannot" in told
    bad = Booted(tmp_path, {"app.py": GREET}, rehearsal=[{"activity": "x"}])
    assert "rehearsal: there is no activity 'x': there are greet" in bad.refused()


def test_imports_within_calls_are_told(tmp_path: Path) -> None:
    app = Booted(
        tmp_path,
        {
            "app.py": """
from wasmworker import activity
import helper

@activity.defn
def plain() -> None:
    import json, part.late as late
    from part import early
    helper.far()

@activity.defn(example=[1])
async def rehearsed(n: int) -> None:
    if n:
        import part.once
    else:
        import nowhere
""",
            "helper.py": "def far():\n    import part.elsewhere\n",
            "part/__init__.py": "early = 1",
            "part/late.py": "",
            "part/once.py": "",
            "part/elsewhere.py": "",
        },
        compile=True,
    )
    assert [note.partition(":")[0] for note in app.run("--notes")] == [
        "activity rehearsed imports part.once within the call (app.py, line 14)",
        "activity plain imports part.late within the call (app.py, line 7), and each call does so anew",
    ]
