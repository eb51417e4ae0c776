"""Data files of the bundle, for importlib.resources and importlib.metadata."""

from __future__ import annotations

import importlib.metadata
import io
import os
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable, TraversableResources
from typing import IO, Any

from wasmworker._bundle import ROOT, Archive


class Path(Traversable):
    """A file or a directory of the bundle."""

    def __init__(self, archive: Archive, path: str) -> None:
        self._archive = archive
        self._path = path

    @property
    def name(self) -> str:
        return self._path.rpartition("/")[2]

    def is_file(self) -> bool:
        return self._path in self._archive

    def is_dir(self) -> bool:
        return self._path == "" or self._path in self._archive.directories

    def iterdir(self) -> Iterator[Path]:
        prefix = f"{self._path}/" if self._path else ""
        names = {p[len(prefix) :].partition("/")[0] for p in self._archive if p.startswith(prefix)}
        return (self.joinpath(name) for name in sorted(names))

    def joinpath(self, *descendants: str | os.PathLike[str]) -> Path:
        parts = [part for d in (self._path, *descendants) for part in str(d).split("/") if part]
        return Path(self._archive, "/".join(parts))

    def __truediv__(self, child: str | os.PathLike[str]) -> Path:
        return self.joinpath(child)

    def read_bytes(self) -> bytes:
        return self._archive.read(self._path)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def open(self, mode: str = "r", *args: Any, **kwargs: Any) -> IO[Any]:
        if "w" in mode or "a" in mode or "+" in mode:
            raise PermissionError(f"{ROOT}{self._path} is a part of the module")
        data = io.BytesIO(self.read_bytes())
        return data if "b" in mode else io.TextIOWrapper(data, *args, **kwargs)

    def __str__(self) -> str:
        return ROOT + self._path


class Reader(TraversableResources):
    def __init__(self, archive: Archive, base: str) -> None:
        self._path = Path(archive, base)

    def files(self) -> Path:
        return self._path


class _Distribution(importlib.metadata.Distribution):
    def __init__(self, path: Path) -> None:
        self._path = path

    def read_text(self, filename: str) -> str | None:
        try:
            return self._path.joinpath(filename).read_text()
        except FileNotFoundError:
            return None

    def locate_file(self, path: Any) -> Any:
        return Path(self._path._archive, str(path))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def distributions(archive: Archive, name: str | None) -> Iterator[_Distribution]:
    """What was installed into the bundle, of one name if there is one."""
    for directory in archive.directories:
        if "/" in directory or not directory.endswith(".dist-info"):
            continue
        if not name or _normal(directory.split("-")[0]) == _normal(name):
            yield _Distribution(Path(archive, directory))
