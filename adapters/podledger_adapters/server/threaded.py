"""A local server in a thread of its own, for programs that are not asynchronous: tests, notebooks, scripts."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from anyio.from_thread import start_blocking_portal
from msgspec import Struct

from podledger_adapters.server.local_server import ServerOptions, local_server

__all__ = ["ServedJobs", "threaded_server"]


class ServedJobs(Struct, frozen=True):
    """How to reach the server: `kubeconfig` alone is enough for kubectl and client libraries.

    `ca_file` is a file with the certificate to trust, None for plain HTTP.
    """

    url: str
    token: str
    kubeconfig: Path
    ca_file: Path | None


@contextmanager
def threaded_server(options: ServerOptions = ServerOptions()) -> Generator[ServedJobs]:  # noqa: B008  # frozen
    """Serve while inside, by default processes on a free port of loopback. Raises PodledgerError.

    Leaving ends the pods, unless a ledger is kept (`db`).
    """
    with start_blocking_portal(name="podledger server") as portal:
        serving = portal.wrap_async_context_manager(local_server(options))
        with serving as server:
            yield ServedJobs(url=server.url, token=server.token, kubeconfig=server.kubeconfig, ca_file=server.ca_file)
