"""An API server in a process of its own that counts what it is asked: `python -m benchmarks.counted_server KUBECONFIG`.

In memory, with pods that end at once and without a Job controller. It says `ready` when it listens; when it is told to
end it prints how often it was asked for what, as a JSON object of `verb resource[/subresource]`.
"""

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import anyio
import msgspec
from tests.kubernetes_server import TOKEN, api_server
from tests.request_account import Asked, RequestAccount

from podledger_adapters.server.kubeconfig import write_kubeconfig

__all__ = ["LIST"]

LIST = "list"
"""What the first page of a list counts as, and a watch that begins with a list."""


async def serve(path: Path) -> Counter[str]:
    """Serve until SIGTERM; what was asked."""
    account = RequestAccount()
    async with api_server(simulated=True, around=account.around) as (_, access):
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            write_kubeconfig(path, access.server, TOKEN, None)
            print("ready", flush=True)
            async for _ in signals:
                break
    return Counter(map(_name, account.asked))


def _name(asked: Asked) -> str:
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    return f"{LIST if asked.lists else asked.verb} {resource}"


def main(arguments: Sequence[str]) -> int:
    """The whole life of the server; the exit status."""
    (path,) = arguments
    asked = asyncio.run(serve(Path(path)))
    sys.stdout.buffer.write(msgspec.json.encode(asked) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
