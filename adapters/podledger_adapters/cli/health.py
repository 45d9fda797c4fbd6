"""/healthz, /readyz and /metrics of a service, on an address of its own."""

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from podledger.errors import ClusterError

__all__ = ["Endpoints", "serving_health"]

logger = logging.getLogger(__name__)


class Endpoints:
    """What the endpoints say. `ready` gives "" when all is well, else why not; `metrics` is the page's text."""

    def __init__(self, ready: Callable[[], str], metrics: Callable[[], bytes], content_type: str) -> None:
        self._ready, self._metrics, self._content_type = ready, metrics, content_type

    async def healthz(self, _request: web.Request) -> web.Response:
        """The process lives and its event loop turns."""
        return web.Response(text="ok")

    async def readyz(self, _request: web.Request) -> web.Response:
        """Whether it does, or could do at once, what it is there for."""
        why = self._ready()
        return web.Response(text=why or "ok", status=503 if why else 200)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._metrics(), headers={"Content-Type": self._content_type})


@asynccontextmanager
async def serving_health(endpoints: Endpoints, host: str, port: int) -> AsyncGenerator[int]:
    """Serve while inside; the port. Raises ClusterError when it cannot listen."""
    app = web.Application()
    app.router.add_get("/healthz", endpoints.healthz)
    app.router.add_get("/livez", endpoints.healthz)
    app.router.add_get("/readyz", endpoints.readyz)
    app.router.add_get("/metrics", endpoints.metrics)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as error:
            why = error.strerror or error
            raise ClusterError(f"--metrics-listen {host}:{port}: cannot listen: {why}") from error
        bound: tuple[str, int] = runner.addresses[0]
        logger.info("health and metrics at http://%s:%d", host, bound[1])
        yield bound[1]
    finally:
        await runner.cleanup()
