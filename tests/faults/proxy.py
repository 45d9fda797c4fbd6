"""A proxy before API servers that does what networks and servers do to calls: drops, delays, refusals, lost answers.

Watches go through `watch_proxy.py`. Which fault strikes is `fault.py`'s to draw.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import anyio
from aiohttp import web

from tests.faults.fault import Fault, Faults
from tests.faults.replica import Replica
from tests.faults.upstream import Upstream, refusal, reset
from tests.faults.watch_proxy import WatchProxy
from tests.web_app import serving

__all__ = ["FaultProxy", "fault_proxy"]

SLOW_S = 0.3
"""The longest an answer is held back, in real seconds."""
BEFORE = (Fault.RESET_BEFORE, Fault.ERROR_BEFORE, Fault.THROTTLED, Fault.TIMED_OUT_BEFORE, Fault.SLOW)
AFTER = (Fault.RESET_AFTER, Fault.ANSWER_CUT, Fault.ERROR_AFTER, Fault.TIMED_OUT_AFTER)
OF_WRITES = (Fault.CONFLICT, Fault.REPEATED)
CODES = (500, 502, 503, 504)


class FaultProxy:
    """Passes requests on, struck by faults. While it is `cut`, nothing gets through.

    `inconsistent` has the lists that were asked for in a way that a lagging cache may answer, `failures` what went
    wrong here, which is no fault of anybody's but the proxy's.
    """

    def __init__(self, upstream: Upstream, watches: WatchProxy, faults: Faults) -> None:
        self._upstream, self._watches, self._faults = upstream, watches, faults
        self._open: list[web.Request] = []
        self._is_cut = False
        self.inconsistent: list[str] = []
        self.failures: list[Exception] = []

    def cut(self) -> None:
        """Break every connection, and refuse new ones."""
        self._is_cut = True
        for request in tuple(self._open):
            reset(request)

    def mend(self) -> None:
        """Let connections through again."""
        self._is_cut = False

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        if self._is_cut:
            return reset(request)
        self._open.append(request)
        try:
            if request.query.get("watch") == "true":
                return await self._watches.handle(request)
            return await self._call(request)
        except ConnectionError:  # the client went away meanwhile
            return reset(request)
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            self._open = [each for each in self._open if each is not request]

    async def _call(self, request: web.Request) -> web.StreamResponse:
        is_list = "limit" in request.query
        if is_list:
            if request.query.get("resourceVersion"):
                self.inconsistent.append(request.path_qs)
            if "continue" in request.query and self._faults.strikes(Fault.LIST_EXPIRED):
                return web.json_response(
                    refusal(410, "Expired", "The provided continue parameter is too old"), status=410
                )
        fault = self._draw(request, is_list=is_list)
        match fault:
            case Fault.RESET_BEFORE:
                return reset(request)
            case Fault.ERROR_BEFORE:
                return self._error("<html>no</html>")
            case Fault.THROTTLED:
                return web.Response(status=429, headers={"Retry-After": "1"})
            case Fault.CONFLICT:
                return web.json_response(refusal(409, "Conflict", "the object has been modified"), status=409)
            case Fault.TIMED_OUT_BEFORE:
                await anyio.sleep_forever()
            case Fault.SLOW:
                await anyio.sleep(self._faults.seconds(SLOW_S))
            case Fault.REPEATED:
                await self._upstream.pass_on(request)
            case _:
                pass
        passed = await self._upstream.pass_on(request)
        match fault:
            case Fault.RESET_AFTER:
                return reset(request)
            case Fault.ERROR_AFTER:
                return self._error("<html>too late</html>")
            case Fault.TIMED_OUT_AFTER:
                await anyio.sleep_forever()
            case Fault.ANSWER_CUT | Fault.LIST_CUT:
                return await _cut(request, passed.body)
            case _:
                pass
        return passed.response()

    def _draw(self, request: web.Request, *, is_list: bool) -> Fault | None:
        """What strikes a call, None for nothing."""
        leases = "/leases" in request.path
        if leases and Fault.LEASE_STRUCK not in self._faults.enabled:
            return None
        if is_list and self._faults.strikes(Fault.LIST_CUT):
            return Fault.LIST_CUT
        fault = self._faults.first_of(*BEFORE, *AFTER, *(OF_WRITES if request.method != "GET" else ()))
        if leases and fault is not None:
            self._faults.struck[Fault.LEASE_STRUCK] += 1
        return fault

    def _error(self, text: str) -> web.Response:
        return web.Response(status=self._faults.draw.choice(CODES), text=text)


async def _cut(request: web.Request, body: bytes) -> web.StreamResponse:
    """Half of an answer."""
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(body))})
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    reset(request)
    return response


@asynccontextmanager
async def fault_proxy(server: str, replica: Replica, faults: Faults) -> AsyncGenerator[tuple[FaultProxy, str]]:
    """A proxy that listens, and its URL."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None), read_bufsize=1 << 20) as session:
        upstream = Upstream(session, server)
        proxy = FaultProxy(upstream, WatchProxy(upstream, replica, faults), faults)
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{rest:.*}", proxy.handle)
        try:
            async with serving(app, shutdown_timeout=0.5, handler_cancellation=True) as url:
                try:
                    yield proxy, url
                finally:
                    proxy.cut()
        finally:
            # Handlers whose connection was reset end a few turns later.
            await anyio.sleep(0.1)
