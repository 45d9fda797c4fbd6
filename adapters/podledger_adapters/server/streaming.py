"""Answers that go on: sent piece by piece until they end, the client goes away or the server stops."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from podledger_adapters.server.answer import NO_CACHE

__all__ = ["StreamAnswer"]


class StreamAnswer(Response):
    """Sends `pieces` as they come, closed whatever ends the answer; `stopping` is set when the server stops."""

    def __init__(self, pieces: AsyncGenerator[bytes], content_type: str, stopping: anyio.Event) -> None:
        super().__init__(None, 200, {"cache-control": NO_CACHE, "content-type": content_type})
        del self.headers["content-length"]
        self._pieces, self._stopping = pieces, stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream the answer."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        # The headers go out at once: a client waits for them before it believes that it is served.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        async with anyio.create_task_group() as tasks:

            async def write() -> None:
                async with aclosing(self._pieces) as pieces:
                    async for piece in pieces:
                        await send({"type": "http.response.body", "body": piece, "more_body": True})
                tasks.cancel_scope.cancel()

            async def until_gone() -> None:
                while (await receive())["type"] != "http.disconnect":
                    pass
                tasks.cancel_scope.cancel()

            async def until_stopping() -> None:
                await self._stopping.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(write)
            tasks.start_soon(until_gone)
            tasks.start_soon(until_stopping)
        await send({"type": "http.response.body", "body": b"", "more_body": False})
