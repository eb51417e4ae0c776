"""Secrets that the operator reveals to the module: the grant ``secret``.

Most activities need no value: ``{{secret:NAME}}`` in the value of a header of
`wasmworker.http` stands for it, and the host puts it there.
"""

from __future__ import annotations

from wasmworker import _host

__all__ = ["reveal"]


def reveal(name: str) -> str:
    """The value of a secret.

    :raises wasmworker.exceptions.PassthroughError: the policy does not reveal it, whether
        there is one or not (``EACCES``), or it cannot be read at the moment (``EIO``)
    """
    return _host.call("secret", "reveal", name.encode()).decode()
