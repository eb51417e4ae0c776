"""Clear errors for what a sandbox does not have.

Modules that many packages import, such as ``socket``, can be imported, and their functions
raise; modules that are not there say what to use.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NO_SOCKETS = (
    "activities in wasmworker have no sockets: use wasmworker.http for requests, "
    "wasmworker.sql for databases and wasmworker.blob for objects, which the operator grants"
)
NO_URLLIB = (
    "urllib.request does not work in wasmworker: use wasmworker.http, as in "
    "wasmworker.http.request('GET', url)"
)
NO_THREADS = (
    "activities in wasmworker have no threads: call the function itself, or use async def "
    "with asyncio.gather; the worker runs several activities at once"
)
NO_PROCESSES = (
    "activities in wasmworker cannot start processes: another program can be an activity "
    "of its own, as a WASI command"
)

_ABSENT = {
    "sqlite3": "there is no sqlite3 in wasmworker: use wasmworker.sql, as in "
    "wasmworker.sql.connect('NAME'), with a connection that the operator grants",
    "ssl": f"there is no ssl in wasmworker: {NO_SOCKETS}",
    "multiprocessing": NO_PROCESSES,
    "ctypes": "there is no ctypes in wasmworker: native code cannot be loaded",
    "tkinter": "there is no tkinter in wasmworker: an activity has no screen",
    "psycopg": "psycopg needs native code or sockets: use wasmworker.sql",
    "psycopg2": "psycopg2 needs native code: use wasmworker.sql",
    "httpx": "httpx is not in the bundle, and needs sockets: use wasmworker.http",
    "requests": "requests is not in the bundle, and needs sockets: use wasmworker.http",
    "aiohttp": "aiohttp is not in the bundle, and needs sockets: use wasmworker.http",
    "boto3": "boto3 is not in the bundle, and needs sockets: use wasmworker.blob",
}


_TEMPORAL = {
    "temporalio.worker": "wasmworker itself is the worker: the file with the activities is "
    "all that it needs",
    "temporalio.client": "there is no Temporal client in the sandbox: an activity reaches only "
    "what the operator grants, see wasmworker.http",
    "temporalio.testing": "tests run outside of the sandbox, with wasmworker.testing",
}
_NO_MODULE = (
    "wasmworker has of temporalio what activities use: activity, exceptions, common and converter"
)


def _refuse(error: type[Exception], text: str) -> Callable[..., Any]:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error(text)

    return refuse


def _socket(module: Any) -> None:
    refuse = _refuse(OSError, NO_SOCKETS)
    for name in ("create_connection", "create_server", "getaddrinfo", "gethostbyname"):
        setattr(module, name, refuse)
    if hasattr(module, "socket"):
        module.socket.__init__ = refuse


def _urllib(module: Any) -> None:
    for name in ("urlopen", "urlretrieve"):
        setattr(module, name, _refuse(OSError, NO_URLLIB))
    module.OpenerDirector.open = _refuse(OSError, NO_URLLIB)


def _subprocess(module: Any) -> None:
    module.Popen.__init__ = _refuse(OSError, NO_PROCESSES)


def _threading(module: Any) -> None:
    module.Thread.start = _refuse(RuntimeError, NO_THREADS)


def _asyncio(module: Any) -> None:
    def new_event_loop() -> Any:
        # asyncio.run() within an activity has one of its own: it closes it.
        from wasmworker._loop import Loop

        return Loop()

    module.new_event_loop = new_event_loop
    module.events.new_event_loop = new_event_loop


def _random(module: Any) -> None:
    from wasmworker import _seeds

    _seeds.watch(module)


_PATCHES: dict[str, Callable[[Any], None]] = {
    "socket": _socket,
    "urllib.request": _urllib,
    "subprocess": _subprocess,
    "threading": _threading,
    "asyncio": _asyncio,
    "random": _random,
}


class _Patching:
    """A module's own loader, and then its patch."""

    def __init__(self, loader: Any, patch: Callable[[Any], None]) -> None:
        self._loader = loader
        self._patch = patch

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        made: ModuleType | None = self._loader.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._patch(module)


class _Patcher:
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        patch = _PATCHES.get(fullname)
        if patch is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                if spec.loader is not None:
                    loader: Any = _Patching(spec.loader, patch)
                    spec.loader = loader
                return spec
        return None


class _Explainer:
    """The last finder: nobody else has the module."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        root = fullname.partition(".")[0]
        if root == "temporalio":
            # A ModuleNotFoundError would be hidden by "from temporalio import …".
            why = _TEMPORAL.get(".".join(fullname.split(".")[:2]), _NO_MODULE)
            raise ImportError(f"{fullname}: {why}", name=fullname)
        text = _ABSENT.get(root)
        if text is not None:
            raise ModuleNotFoundError(text, name=fullname)
        return None


def install() -> None:
    """Called once, in the interpreter of a module."""
    sys.meta_path.insert(0, _Patcher())
    sys.meta_path.append(_Explainer())
    for name, patch in _PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])
