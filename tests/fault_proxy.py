"""A proxy before an API server that does what networks and servers do: drops, delays, refusals, answers that are lost.

Which fault strikes is drawn from a seed; how often each did is counted, so that one that never struck is noticed.
"""

import json
import random
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import anyio
from aiohttp import web

__all__ = ["WATCH_FAULTS", "WRITE_FAULTS", "FaultProxy", "fault_proxy"]

WRITE_FAULTS = ("refused", "before", "after", "lost", "conflict", "throttled", "slow")
WATCH_FAULTS = ("cut", "gone", "ended")
KEPT = ("Authorization", "Content-Type", "Accept")
EXPIRED = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (9)"}
CONFLICT = {"kind": "Status", "code": 409, "reason": "Conflict", "message": "the object has been modified"}


class FaultProxy:
    """Passes requests on. `rate`: which part of writes, and of watches' pieces, is struck; 0 for none."""

    def __init__(self, target: str, session: aiohttp.ClientSession, seed: int, rate: float) -> None:
        self._target, self._session, self._random = target, session, random.Random(seed)
        self.rate = rate
        self.struck: Counter[str] = Counter()
        self.writes = 0

    def _draw(self, faults: tuple[str, ...]) -> str:
        if self._random.random() >= self.rate:
            return ""
        fault = self._random.choice(faults)
        self.struck[fault] += 1
        return fault

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if request.query.get("watch") == "true":
            return await self._watch(request)
        fault = ""
        if request.method != "GET" and "leases" not in request.path:
            self.writes += 1
            fault = self._draw(WRITE_FAULTS)
        match fault:
            case "refused":
                return self._drop(request)
            case "before":
                return web.Response(status=self._random.choice((500, 502, 503, 504)), text="<html>no</html>")
            case "conflict":
                return web.json_response(CONFLICT, status=409)
            case "throttled":
                return web.Response(status=429, headers={"Retry-After": "0"})
            case "slow":
                await anyio.sleep(0.05)
            case _:
                pass
        status, body = await self._pass_on(request)
        if fault == "after":
            return web.Response(status=self._random.choice((500, 504)), text="<html>too late</html>")
        if fault == "lost":
            return self._drop(request)
        return web.Response(status=status, body=body, content_type="application/json")

    async def _pass_on(self, request: web.Request) -> tuple[int, bytes]:
        url, body = self._target + request.path_qs, await request.read()
        headers = {name: request.headers[name] for name in KEPT if name in request.headers}
        async with self._session.request(request.method, url, data=body, headers=headers) as answer:
            return answer.status, await answer.read()

    def _drop(self, request: web.Request) -> web.Response:
        """Reset the connection."""
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in KEPT if name in request.headers}
        async with self._session.get(self._target + request.path_qs, headers=headers) as answer:
            response = web.StreamResponse(status=answer.status)
            await response.prepare(request)
            async for piece in answer.content.iter_any():
                match self._draw(WATCH_FAULTS):
                    case "cut":
                        await response.write(piece[: len(piece) // 2])
                        assert request.transport is not None
                        request.transport.abort()
                        return response
                    case "gone":
                        await response.write(json.dumps({"type": "ERROR", "object": EXPIRED}).encode() + b"\n")
                        return response
                    case "ended":
                        return response
                    case _:
                        await response.write(piece)
            return response


@asynccontextmanager
async def fault_proxy(target: str, *, seed: int, rate: float) -> AsyncGenerator[tuple[FaultProxy, str]]:
    """A proxy that listens, and its URL."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as session:
        proxy = FaultProxy(target, session, seed, rate)
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", proxy.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5, handler_cancellation=True)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield proxy, f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()
            # Handlers whose connection was reset end a few turns later.
            await anyio.sleep(0.1)
