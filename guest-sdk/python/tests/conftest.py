"""Tests run natively: a host in memory stands for the interpreter's module."""

from __future__ import annotations

import sys
from pathlib import Path

import fakehost

SRC = Path(__file__).parent.parent / "src"
sys.path.insert(0, str(SRC))
fakehost.install()
