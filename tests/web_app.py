"""An aiohttp application that listens on a free port of this machine, for tests of what speaks HTTP."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

__all__ = ["serving"]


@asynccontextmanager
async def serving(app: web.Application, **options: Any) -> AsyncGenerator[str]:
    """Its URL; `options` are those of aiohttp's AppRunner."""
    runner = web.AppRunner(app, access_log=None, **options)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
