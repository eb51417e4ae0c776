"""Temporal activities in Python, in the sandbox of wasmworker.

``from wasmworker import activity`` is what ``from temporalio import activity`` is elsewhere.
"""

__version__ = "0.1.0"
