"""Requests to an ASGI application without sockets, one coroutine each; streams are hung up when enough has come."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

import anyio
from msgspec import Struct
from starlette.types import ASGIApp, Message

__all__ = ["TOKEN", "Answer", "Client"]

TOKEN = "token-of-the-test"
PATIENCE_S = 20
"""How long an answer may take before the test gives up on it."""


class Answer(Struct, frozen=True):
    """An answer; `warnings` are the texts of the Warning headers."""

    code: int
    headers: Mapping[str, str]
    body: bytes
    warnings: list[str]

    @property
    def json(self) -> Any:
        """The document."""
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The lines of a watch."""
        return [json.loads(line) for line in self.body.splitlines()]


class Client:
    """Asks one application."""

    def __init__(self, app: ASGIApp, token: str | None = TOKEN) -> None:
        self._app, self._token = app, token

    async def __call__(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        until: Callable[[bytes], bool] | None = None,
        query: Mapping[str, str] | None = None,
        **more_query: str,
    ) -> Answer:
        """One request. `body` is sent as JSON unless it is bytes; `until` hangs up once it is true of what came."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        fields = {"content-type": "application/json", **(headers or {})}
        if self._token is not None:
            fields.setdefault("authorization", f"Bearer {self._token}")
        path, _, given = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "query_string": given.encode() or urlencode({**(query or {}), **more_query}).encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        start: Message = {}
        received = bytearray()
        gone = anyio.Event()
        messages = [{"type": "http.request", "body": data, "more_body": False}]

        async def receive() -> Message:
            if messages:
                return messages.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                received.extend(message.get("body", b""))
                if not message.get("more_body") or (until is not None and until(bytes(received))):
                    gone.set()

        with anyio.fail_after(PATIENCE_S):
            await self._app(scope, receive, send)
        decoded = [(name.decode(), value.decode("latin-1")) for name, value in start["headers"]]
        warnings = [value.removeprefix('299 - "')[:-1] for name, value in decoded if name == "warning"]
        return Answer(start["status"], dict(decoded), bytes(received), warnings)
