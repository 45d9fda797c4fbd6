"""What watchers cost the API server: 200 of them on one namespace, and lists of 10,000 Jobs in pages."""

import asyncio
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple

import anyio
import msgspec
from msgspec.structs import replace

from benchmarks.harness import Measured, at_most, benchmark, digest_of, figure, stopwatch
from benchmarks.workload import make_job
from podledger.api.job import Job
from podledger.clock import RealClock
from podledger_adapters.local import LocalCluster
from podledger_adapters.server.app import make_app
from podledger_adapters.server.call import ServerState
from podledger_adapters.server.serving import Address, bind, serving

__all__ = ["list_pages", "watchers"]

TOKEN = "benchmark"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
RATE = 100
"""Changes a second."""
PAGE = 500
"""Objects of a page, as kubectl asks for them."""


class WatchSize(NamedTuple):
    """Watchers of one namespace, and changes they are sent."""

    watchers: int
    changes: int


class Served(NamedTuple):
    """A server in this process."""

    cluster: LocalCluster
    state: ServerState
    address: Address


async def serve(stack: AsyncExitStack) -> Served:
    """Serve a cluster in memory over plain HTTP, whose pods stay as they are."""
    cluster = await stack.enter_async_context(LocalCluster.manual(clock=RealClock()))
    app, state = make_app(cluster, TOKEN)
    bound, address = bind(Address("127.0.0.1", 0))
    await stack.enter_async_context(serving(app, bound, None, state.stopping))
    return Served(cluster, state, address)


def request(path: str) -> bytes:
    """The text of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


class Watcher(asyncio.Protocol):
    """A client that watches: it counts what it gets, and keeps it to be compared."""

    def __init__(self, path: str, wanted: int) -> None:
        self._path, self._wanted = path, wanted
        self.reads, self.lines = 0, 0
        self.body = bytearray()
        self.open, self.done = asyncio.Event(), asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(request(self._path))

    def data_received(self, data: bytes) -> None:
        """Count: each line of a watch ends in a brace and a line break."""
        self.open.set()
        self.reads += 1
        self.lines += data.count(b"}\n")
        self.body += data
        if self.lines >= self._wanted:
            self.done.set()


@benchmark(
    "watchers",
    figures=[
        figure("watchers", "changes/s to each of all watchers"),
        at_most("watchers/encodings", 1, "encodings a change"),
        figure("watchers/cpu", "µs CPU a change and watcher"),
        figure("watchers/reads", "reads a change and watcher"),
        figure("watchers/lag", "s from the last change to the last watcher"),
    ],
    small=WatchSize(10, 50),
    full=WatchSize(200, 1_000),
    not_shown="The watchers are in the server's process, which pays for their reading too; no TLS.",
)
def watchers(size: WatchSize, seed: int) -> Measured:
    """Watchers of one namespace, in which 100 Jobs a second change."""
    del seed
    return asyncio.run(_watch(size))


async def _watch(size: WatchSize) -> Measured:
    async with AsyncExitStack() as stack:
        served = await serve(stack)
        store = served.cluster.store
        job = await served.cluster.submit(make_job("changing", 1, 1))
        loop = asyncio.get_running_loop()
        path = f"{JOBS}?watch=true&resourceVersion={store.revision}"
        clients: list[Watcher] = []
        for _ in range(size.watchers):
            transport, client = await loop.create_connection(lambda: Watcher(path, size.changes), *served.address)
            stack.callback(transport.abort)
            clients.append(client)
            await client.open.wait()
        before = served.state.changes.encodings
        with stopwatch() as elapsed:
            begin = time.monotonic()
            for number in range(size.changes):
                await anyio.sleep(max(0.0, begin + number / RATE - time.monotonic()))
                with store.batch() as batch:
                    batch.modify(Job, job.key, partial(_labelled, str(number)))
            last = time.monotonic()
            for client in clients:
                await client.done.wait()
            lag = time.monotonic() - last
        sent = size.changes * size.watchers
        values = {
            "watchers/encodings": (served.state.changes.encodings - before) / size.changes,
            "watchers/cpu": elapsed.cpu_s / sent * 1e6,
            "watchers/reads": sum(client.reads - 1 for client in clients) / sent,
            "watchers/lag": lag,
            "watchers": size.changes / elapsed.wall_s,
        }
        return Measured(values, digest_of([str(client.lines) for client in clients]))


def _labelled(number: str, job: Job) -> Job:
    labels = {**job.metadata.labels, "number": number}
    return replace(job, metadata=replace(job.metadata, labels=labels))


@benchmark(
    "list-pages",
    figures=[
        figure("list-pages", "objects/s"),
        figure("list-pages/cpu", "µs CPU an object"),
        figure("list-pages/slowest", "ms for the slowest page of 500"),
    ],
    small=1_000,
    full=10_000,
    not_shown="One client at a time, on loopback, without TLS; the objects are Jobs of one container.",
)
def list_pages(size: int, seed: int) -> Measured:
    """All Jobs listed in pages of 500, as kubectl does."""
    del seed
    return asyncio.run(_list(size))


async def _list(size: int) -> Measured:
    async with AsyncExitStack() as stack:
        served = await serve(stack)
        with served.cluster.store.batch() as batch:
            for number in range(size):
                job = make_job(f"job-{number:05}", 1, 1)
                batch.create(replace(job, metadata=replace(job.metadata, namespace="default")))
        reader, writer = await asyncio.open_connection(*served.address, limit=1 << 24)
        stack.callback(writer.close)
        names: list[str] = []
        slowest, token = 0.0, ""
        with stopwatch() as elapsed:
            while True:
                begin = time.monotonic()
                writer.write(request(f"{JOBS}?limit={PAGE}" + (f"&continue={token}" if token else "")))
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
                page = msgspec.json.decode(await reader.readexactly(length))
                slowest = max(slowest, time.monotonic() - begin)
                names += [item["metadata"]["name"] for item in page["items"]]
                token = page["metadata"].get("continue", "")
                if not token:
                    break
        values = {
            "list-pages/cpu": elapsed.cpu_s / size * 1e6,
            "list-pages/slowest": slowest * 1e3,
            "list-pages": size / elapsed.wall_s,
        }
        return Measured(values, digest_of(names))
