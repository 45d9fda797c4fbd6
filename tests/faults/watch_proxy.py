"""The part of a fault proxy that watches go through: cut, ended, silent, late, expired, or served by a replica."""

import json

import aiohttp
import anyio
from aiohttp import web

from tests.faults.fault import Fault, Faults
from tests.faults.replica import Replica
from tests.faults.upstream import Upstream, refusal, reset

__all__ = ["WatchProxy"]

LATE_S = 0.5
"""The longest that a piece of a late watch is held back, in real seconds."""
CODES = (429, 500, 503)
EXPIRED = refusal(410, "Expired", "too old resource version: 1 (9)")
TOO_LARGE = refusal(
    504,
    "Timeout",
    "Timeout: Too large resource version: 9, current: 1",
    details={"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]},
)
NO_STREAMS = refusal(422, "Invalid", "sendInitialEvents: Forbidden: the WatchList feature gate is disabled")


class WatchProxy:
    """Watches between a client and the servers."""

    def __init__(self, upstream: Upstream, replica: Replica, faults: Faults) -> None:
        self._upstream, self._replica, self._faults = upstream, replica, faults
        self._pages_only = faults.strikes(Fault.PAGES_ONLY)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One watch."""
        streaming = request.query.get("sendInitialEvents") == "true"
        if streaming and self._pages_only:
            return web.json_response(NO_STREAMS, status=422)
        match self._faults.first_of(Fault.WATCH_RESET, Fault.WATCH_ERROR, *(() if streaming else (Fault.WATCH_GONE,))):
            case Fault.WATCH_RESET:
                return reset(request)
            case Fault.WATCH_ERROR:
                return web.Response(status=self._faults.draw.choice(CODES), text="not now")
            case Fault.WATCH_GONE:
                return web.json_response(EXPIRED, status=410)
            case _:
                pass
        server = await (self._server_of_list() if streaming else self._server_of_watch(request))
        if not server:
            return await _only(request, {"type": "ERROR", "object": TOO_LARGE})
        async with self._upstream.stream(request, server) as answer:
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")
            return await self._pieces(request, answer, streaming=streaming)

    async def _server_of_list(self) -> str:
        """Who serves a streaming list; "" for a replica that gives up. A replica waits until it has caught up."""
        if not self._faults.strikes(Fault.STALE_LIST):
            return self._upstream.server
        if self._faults.strikes(Fault.TOO_NEW):
            return ""
        await self._replica.reach(self._replica.newest)
        return self._replica.server

    async def _server_of_watch(self, request: web.Request) -> str:
        """Who serves a watch. A replica that is behind what was asked for says so, or is silent until it is not."""
        if not self._faults.strikes(Fault.STALE_WATCH):
            return self._upstream.server
        revision = int(request.query.get("resourceVersion", "0"))
        if revision <= self._replica.revision or not self._faults.strikes(Fault.TOO_NEW):
            await self._replica.reach(revision)
        return self._replica.server

    async def _pieces(
        self, request: web.Request, answer: aiohttp.ClientResponse, *, streaming: bool
    ) -> web.StreamResponse:
        """The stream, piece by piece, until one is struck."""
        response = web.StreamResponse()
        await response.prepare(request)
        late, listing = self._faults.strikes(Fault.WATCH_LATE), streaming
        async for piece in answer.content.iter_any():
            if late and self._faults.active:
                await anyio.sleep(self._faults.seconds(LATE_S))
            faults = (Fault.WATCH_CUT, Fault.WATCH_EXPIRED, Fault.WATCH_ENDED, Fault.WATCH_SILENT)
            match self._faults.first_of(*((Fault.LIST_CUT,) if listing else ()), *faults):
                case Fault.LIST_CUT | Fault.WATCH_CUT:
                    await response.write(piece[: len(piece) // 2])
                    reset(request)
                    return response
                case Fault.WATCH_EXPIRED:
                    await response.write(_line({"type": "ERROR", "object": EXPIRED}))
                    return response
                case Fault.WATCH_ENDED:
                    return response
                case Fault.WATCH_SILENT:
                    await anyio.sleep_forever()
                case _:
                    await response.write(piece)
            listing = False
        return response


def _line(event: dict[str, object]) -> bytes:
    return json.dumps(event).encode() + b"\n"


async def _only(request: web.Request, event: dict[str, object]) -> web.StreamResponse:
    """A watch that begins and ends with one event."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(_line(event))
    return response
