"""Random numbers differ between activities, though all begin with the same memory.

What draws them is imported when the app does, and not before: most apps do not.
"""

from __future__ import annotations

import sys
import weakref
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import random


class Source(Protocol):
    def random(self, n: int, /) -> bytes: ...


_unseeded: weakref.WeakSet[random.Random] = weakref.WeakSet()
_kept: tuple[random.Random, ...] = ()


def watch(module: Any) -> None:
    """Remembers the generators of module random that are made without a seed."""
    init = module.Random.__init__

    def remember(self: Any, x: Any = None) -> None:
        init(self, x)
        if x is None and not isinstance(self, module.SystemRandom):
            _unseeded.add(self)

    module.Random.__init__ = remember
    _unseeded.add(module._inst)


def keep() -> None:
    """The generators that are there now are seeded for each activity. Later ones end with it."""
    global _kept
    _kept = tuple(_unseeded)


def reseed(source: Source) -> None:
    for generator in _kept:
        generator.seed(int.from_bytes(source.random(32), "little"))
    modules = sys.modules
    if (tempfile := modules.get("tempfile")) is not None:
        tempfile._name_sequence = None  # type: ignore[attr-defined]
    if (uuid := modules.get("uuid")) is not None:
        uuid._node = None  # type: ignore[attr-defined]
        uuid._last_timestamp = None  # type: ignore[attr-defined]
