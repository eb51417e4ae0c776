"""Imports the app and its dependencies from the bundle: a zip file in memory.

A module is there as its source, and may be there as compiled code too (``.pyc``), which is
taken if it is this interpreter's.
"""

from __future__ import annotations

import marshal
import struct
import sys
import zlib
from collections.abc import Iterable, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import MAGIC_NUMBER
from types import CodeType, ModuleType
from typing import Any

# Where tracebacks and __file__ say that the files are. Nothing is mounted there.
ROOT = "/app/"


_compiled: dict[str, bytes] | None = None


def keep_compiled() -> None:
    """Keeps the code of each module that is imported from now on."""
    global _compiled
    _compiled = {}


def compiled() -> bytes:
    """What was kept, as `wasmworker build` adds it to the bundle: for each file the lengths of
    its name and its bytes, 4 bytes each, and both.
    """
    out = bytearray()
    for name, data in (_compiled or {}).items():
        path = name.encode()
        out += struct.pack("<II", len(path), len(data)) + path + data
    return bytes(out)


class BundleError(ValueError):
    """The bundle is not what `wasmworker build` makes."""


class Archive:
    """The files of a zip file, stored or deflated, without encryption and zip64."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._entries: dict[str, tuple[int, int, int, int]] = {}
        end = data.rfind(b"PK\x05\x06")
        if end < 0 or len(data) < end + 22:
            raise BundleError("the bundle is not a zip file")
        count, size, at = struct.unpack_from("<HII", data, end + 10)
        at = end - size if at + size != end else at
        for _ in range(count):
            if data[at : at + 4] != b"PK\x01\x02":
                raise BundleError("the bundle's directory is damaged")
            (method,) = struct.unpack_from("<H", data, at + 10)
            packed, full, n, extra, comment = struct.unpack_from("<IIHHH", data, at + 20)
            (offset,) = struct.unpack_from("<I", data, at + 42)
            name = data[at + 46 : at + 46 + n].decode("utf-8")
            if not name.endswith("/"):
                self._entries[name] = (method, packed, full, offset)
            at += 46 + n + extra + comment
        self.directories = {
            name[:i] for name in self._entries for i, c in enumerate(name) if c == "/"
        }

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Any:
        return iter(self._entries)

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        :raises FileNotFoundError: there is none of that name
        """
        entry = self._entries.get(name)
        if entry is None:
            raise FileNotFoundError(2, "No such file in the bundle", ROOT + name)
        method, packed, full, at = entry
        n, extra = struct.unpack_from("<HH", self._data, at + 26)
        at += 30 + n + extra
        data = self._data[at : at + packed]
        if method == 8:
            data = zlib.decompress(data, -15, full)
        elif method != 0:
            raise BundleError(f"{name} is compressed by method {method}: use stored or deflated")
        return data


# Loader and finder have no base classes of importlib.abc, which would import 30 modules: it
# is here that each instance begins.
class BundleLoader:
    def __init__(self, archive: Archive, path: str) -> None:
        self._archive = archive
        self.path = path

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(self.get_code(module.__name__), module.__dict__)

    def get_source(self, fullname: str) -> str:
        from importlib.util import decode_source

        return decode_source(self._archive.read(self.path))

    def get_code(self, fullname: str) -> CodeType:
        compiled = self.path + "c"
        if compiled in self._archive:
            data = self._archive.read(compiled)
            if data[:4] == MAGIC_NUMBER:
                code: CodeType = marshal.loads(memoryview(data)[16:])
                return code
        code = compile_source(self._archive.read(self.path), self.path)
        if _compiled is not None:
            # Before it runs: what it does then may change what is written.
            _compiled[compiled] = MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
        return code

    def is_package(self, fullname: str) -> bool:
        return self.path.endswith("/__init__.py")

    def get_filename(self, fullname: str) -> str:
        return ROOT + self.path

    def get_data(self, path: str) -> bytes:
        return self._archive.read(path.removeprefix(ROOT))

    def get_resource_reader(self, fullname: str) -> Any:
        from wasmworker._resources import Reader

        return Reader(self._archive, self.path.rpartition("/")[0])


def compile_source(source: bytes, path: str) -> CodeType:
    """The code of a file of the bundle, as tracebacks name it."""
    code: CodeType = compile(source, ROOT + path, "exec", dont_inherit=True)
    return code


class BundleFinder:
    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        name = fullname.replace(".", "/")
        for file in (f"{name}/__init__.py", f"{name}.py"):
            if file in self._archive:
                loader: Any = BundleLoader(self._archive, file)
                spec = ModuleSpec(
                    fullname, loader, origin=ROOT + file, is_package=file != f"{name}.py"
                )
                spec.has_location = True
                if spec.submodule_search_locations is not None:
                    spec.submodule_search_locations.append(ROOT + name)
                return spec
        if name in self._archive.directories:  # a package without __init__.py
            spec = ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [ROOT + name]
            return spec
        return None

    def find_distributions(self, context: Any = None) -> Iterable[Any]:
        """For importlib.metadata."""
        from wasmworker._resources import distributions

        return distributions(self._archive, getattr(context, "name", None))


def install(data: bytes) -> Archive:
    """Makes the bundle importable, after the interpreter's own modules."""
    archive = Archive(data)
    last = len(sys.meta_path)
    places = [i for i, finder in enumerate(sys.meta_path) if finder is PathFinder]
    sys.meta_path.insert(places[0] if places else last, BundleFinder(archive))
    return archive
