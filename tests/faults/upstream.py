"""The servers behind a fault proxy: passing requests on, and breaking the connection they came by."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
from aiohttp import web

__all__ = ["Passed", "Upstream", "refusal", "reset"]

KEPT = ("Authorization", "Content-Type", "Accept")
PAGE_SIZE = 7
"""Objects a page has: a server may give fewer than were asked for, and small runs shall have many pages."""


class Passed(NamedTuple):
    """What a server answered."""

    status: int
    body: bytes

    def response(self) -> web.Response:
        """The same, to the client."""
        return web.Response(status=self.status, body=self.body, content_type="application/json")


class Upstream:
    """Sends on what clients ask."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session, self.server = session, server

    async def pass_on(self, request: web.Request) -> Passed:
        """One request, to its answer."""
        url, body = self._url(request, self.server), await request.read()
        async with self._session.request(request.method, url, data=body, headers=_headers(request)) as answer:
            return Passed(answer.status, await answer.read())

    @asynccontextmanager
    async def stream(self, request: web.Request, server: str) -> AsyncGenerator[aiohttp.ClientResponse]:
        """A watch, from one of the servers."""
        async with self._session.get(self._url(request, server), headers=_headers(request)) as answer:
            yield answer

    def _url(self, request: web.Request, server: str) -> str:
        url = request.rel_url
        if "limit" in url.query:
            url = url.update_query(limit=PAGE_SIZE)
        return f"{server}{url.raw_path_qs}"


def _headers(request: web.Request) -> dict[str, str]:
    return {name: request.headers[name] for name in KEPT if name in request.headers}


def refusal(code: int, reason: str, message: str, **more: object) -> dict[str, object]:
    """A Status."""
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason} | {
        "message": message,
        **more,
    }


def reset(request: web.Request) -> web.Response:
    """Reset the connection; the answer that aiohttp wants goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
