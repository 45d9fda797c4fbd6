"""What stands between a client and a server: something that speaks TLS for it, and proxies."""

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Final
from urllib.parse import urlsplit

from tests.certificates import common_name

__all__ = ["ForwardProxy", "TlsFront", "forward_proxy", "listening", "tls_front"]

MOST: Final = 64 * 1024
CLOSE_TURNS: Final = 3
"""Turns of the loop that a transport that was aborted needs to close."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(
    serve: Serve, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncGenerator[int]:
    """Serve connections while inside; the port. Those that are left are closed."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        # Nobody but `listening` cancels it, and streams take a handler that was cancelled for a fault.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer)
        writer.transport.abort()
        tasks.discard(task)

    server = await asyncio.start_server(one, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        left = list(tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left)
        for _ in range(CLOSE_TURNS):
            await asyncio.sleep(0)


async def _join(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter], other: tuple[asyncio.StreamReader, asyncio.StreamWriter]
) -> None:
    """Carry bytes both ways until either side ends."""

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(MOST):
                writer.write(piece)
                await writer.drain()

    ways = [asyncio.create_task(carry(one[0], other[1])), asyncio.create_task(carry(other[0], one[1]))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        other[1].transport.abort()  # before any await, which may be cancelled as well
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


class TlsFront:
    """Speaks TLS and passes what it hears on. `seen`: the common names of the clients' certificates, "" for none."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.seen: list[str] = []
        self.names: list[str] = []
        """What clients named as the server they want (SNI)."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True)
        self.seen.append(common_name(certificate) if certificate else "")
        await _join((reader, writer), await asyncio.open_connection("127.0.0.1", self._port))


@asynccontextmanager
async def tls_front(
    port: int, certificate: Sequence[object], *, clients: bytes | None = None, host: str = "127.0.0.1", own: int = 0
) -> AsyncGenerator[tuple[TlsFront, int]]:
    """A TLS server before a port, and its `own` port.

    `certificate` are the paths of its pair; `clients` is the PEM of the authority that clients' certificates must be
    of, None if it asks for none.
    """
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*map(str, certificate))
    if clients is not None:
        tls.load_verify_locations(cadata=clients.decode())
        tls.verify_mode = ssl.CERT_REQUIRED
    front = TlsFront(port)

    def heard(_socket: object, name: str | None, _context: object) -> None:
        front.names.append(name or "")

    tls.sni_callback = heard
    async with listening(front.serve, tls=tls, host=host, port=own) as bound:
        yield front, bound


class ForwardProxy:
    """An HTTP proxy: CONNECT, and plain requests by their whole URL. `user`: NAME:PASSWORD that it wants, "" for none.

    `hosts` maps names to ports of this machine, for names that no DNS knows.
    """

    def __init__(self, hosts: dict[str, int], user: str = "") -> None:
        self._hosts = hosts
        self._wanted = f"basic {base64.b64encode(user.encode()).decode()}" if user else ""
        self.asked: list[str] = []
        """Methods and targets, as asked."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: a request decides where all of it goes."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *headers = head.split("\r\n")
        method, target, _ = line.split(" ")
        self.asked.append(f"{method} {target}")
        if self._wanted and not any(
            header.lower() == f"proxy-authorization: {self._wanted}".lower() for header in headers
        ):
            writer.write(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
            await writer.drain()
            return
        host = urlsplit(target if method != "CONNECT" else f"//{target}").hostname or ""
        other = await asyncio.open_connection("127.0.0.1", self._hosts[host])
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = target.split("/", 3)[3]
            kept = [header for header in headers if not header.lower().startswith(("proxy-", "connection:"))]
            other[1].write("\r\n".join([f"{method} /{path} HTTP/1.1", "Connection: close", *kept]).encode("latin-1"))
        await _join((reader, writer), other)


@asynccontextmanager
async def forward_proxy(hosts: dict[str, int], user: str = "") -> AsyncGenerator[tuple[ForwardProxy, int]]:
    """A proxy that listens, and its port."""
    proxy = ForwardProxy(hosts, user)
    async with listening(proxy.serve) as port:
        yield proxy, port
