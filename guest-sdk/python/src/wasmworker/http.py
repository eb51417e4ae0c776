"""HTTP requests, which the host sends: the grant ``http``.

    response = http.request("POST", "https://api.example.com/orders", json=order)
    response.raise_for_status()
    id = response.json()["id"]

Calls block. ``{{secret:NAME}}`` in the value of a header stands for a secret, which the
activity does not see.
"""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from wasmworker import _host
from wasmworker.exceptions import PassthroughError

__all__ = [
    "HTTPError",
    "Headers",
    "PassthroughError",
    "Response",
    "delete",
    "get",
    "head",
    "patch",
    "post",
    "put",
    "request",
]

Values = Mapping[str, str | Sequence[str]] | Iterable[tuple[str, str]]


class Headers(Mapping[str, str]):
    """The headers of a response, by their names in any case. Several values are joined."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = {name.lower(): (name, list(list_)) for name, list_ in values.items()}

    def __getitem__(self, name: str) -> str:
        return ", ".join(self._values[name.lower()][1])

    def get_list(self, name: str) -> list[str]:
        """All values of a name, which ``Set-Cookie`` may have several of."""
        return list(self._values.get(name.lower(), ("", []))[1])

    def __iter__(self) -> Iterator[str]:
        return (name for name, _ in self._values.values())

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({dict(self)!r})"


class HTTPError(Exception):
    """A status of 400 or more, which `Response.raise_for_status` raises."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.url}: status {response.status}")
        self.response = response


class Response:
    """A response, which has arrived as a whole."""

    def __init__(self, url: str, status: int, headers: Headers, content: bytes) -> None:
        self.url = url
        self.status = status
        self.headers = headers
        self.content = content

    @property
    def status_code(self) -> int:
        """As ``status``: the name that requests has for it."""
        return self.status

    @property
    def ok(self) -> bool:
        """Whether the status is below 400."""
        return self.status < 400

    @property
    def text(self) -> str:
        """The body as text: UTF-8, with U+FFFD for what is not."""
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        """The value of a body in JSON.

        :raises ValueError: it is not JSON
        """
        return _json.loads(self.content)

    def raise_for_status(self) -> None:
        """Raises HTTPError if the status is 400 or more."""
        if not self.ok:
            raise HTTPError(self)

    def __repr__(self) -> str:
        return f"<Response {self.status}>"


def request(
    method: str,
    url: str,
    *,
    params: Mapping[str, Any] | Sequence[tuple[str, Any]] | None = None,
    headers: Values | None = None,
    body: bytes | str | None = None,
    json: Any = None,
    timeout: float | timedelta | None = None,
) -> Response:
    """Sends a request.

    :param params: are added to the URL's query
    :param headers: a value, or a list of values, for each name
    :param body: bytes, or text as UTF-8
    :param json: is sent as JSON instead, with its content type
    :param timeout: seconds for the whole request; the operator's policy may have a shorter one
    :raises PassthroughError: the policy denies it (``EACCES``), the server cannot be reached
        (``EIO``), it took too long (``ETIMEDOUT``), and others of the contract. A status of
        400 or more is a response like any other
    """
    all_headers = _headers(headers)
    if json is not None:
        if body is not None:
            raise TypeError("request: body and json are two bodies: give one")
        body = _json.dumps(json, separators=(",", ":"), allow_nan=False)
        if not any(name.lower() == "content-type" for name in all_headers):
            all_headers["Content-Type"] = ["application/json"]
    if params:
        url += ("&" if "?" in url else "?") + urlencode(params, doseq=True)
    sent: dict[str, Any] = {"method": method, "url": url, "headers": all_headers}
    if timeout is not None:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        if seconds <= 0:
            raise ValueError(f"request: a timeout of {seconds} seconds is none")
        sent["timeout_ms"] = max(1, round(seconds * 1000))
    data = body.encode() if isinstance(body, str) else body or b""
    head_, content = _host.exchange("http", "send", sent, data)
    return Response(url, head_["status"], Headers(head_.get("headers") or {}), content)


def _headers(given: Values | None) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    pairs: Any = given.items() if isinstance(given, Mapping) else given or ()
    for name, value in pairs:
        out.setdefault(name, []).extend([value] if isinstance(value, str) else value)
    return out


def get(url: str, **options: Any) -> Response:
    """`request` with GET."""
    return request("GET", url, **options)


def head(url: str, **options: Any) -> Response:
    """`request` with HEAD."""
    return request("HEAD", url, **options)


def post(url: str, **options: Any) -> Response:
    """`request` with POST."""
    return request("POST", url, **options)


def put(url: str, **options: Any) -> Response:
    """`request` with PUT."""
    return request("PUT", url, **options)


def patch(url: str, **options: Any) -> Response:
    """`request` with PATCH."""
    return request("PATCH", url, **options)


def delete(url: str, **options: Any) -> Response:
    """`request` with DELETE."""
    return request("DELETE", url, **options)
