"""Listening: a socket, TLS, and uvicorn between it and the application, inside somebody else's event loop.

Nothing here handles signals or ends the process; `cli/serve.py` and `testing.py` do what their users expect.
"""

import ipaddress
import socket
from collections.abc import AsyncGenerator, Generator, Iterable
from contextlib import asynccontextmanager, contextmanager
from typing import Final, NamedTuple

import anyio
import uvicorn
from starlette.types import ASGIApp

from podledger.background import Background
from podledger.errors import ClusterError, InputError
from podledger_adapters.server.certificates import Certificates
from podledger_adapters.server.http import BoundedHttp

__all__ = ["Address", "bind", "is_loopback", "parse_address", "serving"]

SHUTDOWN_S: Final = 5
"""How long requests under way may take when the server stops; streams end at once."""
KEEP_ALIVE_S: Final = 75
BACKLOG: Final = 2048


class Address(NamedTuple):
    """Where to listen; port 0 is any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """HOST:PORT, [IPV6]:PORT, or PORT alone, which means loopback. Raises InputError."""
    host, colon, port = text.rpartition(":")
    if not colon:
        host = "127.0.0.1"
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise InputError(f"--listen {text}: an IPv6 address stands in brackets, such as [::1]:8443")
    if not (port.isascii() and port.isdecimal()) or int(port) > 65535 or not host:
        raise InputError(f"--listen {text}: must be HOST:PORT, such as 127.0.0.1:8443; port 0 is any free one")
    return Address(host, int(port))


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address of this name."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bind(address: Address) -> tuple[socket.socket, Address]:
    """A socket bound to the address, which does not listen yet, and where it is. Raises ClusterError."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ClusterError(f"cannot listen on {address}: {error.strerror or error}") from error
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(place)
    except OSError as error:
        bound.close()
        why = f"cannot listen on {address}: {error.strerror}; choose another address with --listen"
        raise ClusterError(why) from error
    return bound, Address(address.host, bound.getsockname()[1])


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, and without its clock, which would tick ten times a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stop_requested, self.listening = anyio.Event(), anyio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave signals to the caller."""
        yield

    async def main_loop(self) -> None:
        """Wait until asked to stop."""
        self.listening.set()
        await self.stop_requested.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close, and leave no connection behind: a TLS client that is idle would not answer a goodbye."""
        _abort(self.server_state.connections, idle_only=True)
        await super().shutdown(sockets)
        _abort(self.server_state.connections, idle_only=False)


def _abort(connections: Iterable[object], *, idle_only: bool) -> None:
    for connection in tuple(connections):
        if isinstance(connection, BoundedHttp) and (connection.idle or not idle_only):
            connection.transport.abort()


@asynccontextmanager
async def serving(
    app: ASGIApp, bound: socket.socket, certificates: Certificates | None, stopping: anyio.Event
) -> AsyncGenerator[Background]:
    """Serve `app` on a bound socket while inside; over TLS with `certificates`. `stopping` ends its streams.

    It may be entered and left in different tasks. Raises ClusterError when it cannot be served, or not any more.
    """
    config = uvicorn.Config(
        app,
        http=BoundedHttp,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_certfile=None if certificates is None else certificates.certificate,
        ssl_keyfile=None if certificates is None else certificates.key,
    )
    server = Server(config)

    async def run() -> None:
        await server.serve([bound])

    background = Background("API server", run, server.listening.set, error=ClusterError)
    background.start()
    await server.listening.wait()
    background.check()
    try:
        yield background
    finally:
        stopping.set()
        server.stop_requested.set()
        with anyio.CancelScope(shield=True):
            await background.wait_ended()
