"""A process that runs a process node, to be killed by tests: python -m tests.system.process_node_host OPTIONS (JSON).

It asks for the same pods each time it is started, as a cluster that was restarted does, prints `started` when the node
has them, a line for each pod that ended, and `done` when all did; then it waits to be told to go.
"""

import json
import sys
from pathlib import Path
from typing import TypedDict

import anyio
from tests.system.process_pods import make_pod, shell

from podledger_adapters.nodes.process.node import ProcessNode


class Options(TypedDict):
    """What to run: `pods` is a list of uid and shell script."""

    root: str
    survive: bool
    pods: list[tuple[str, str]]


async def host(options: Options) -> None:
    """Run them all."""
    node = ProcessNode(Path(options["root"]), name="here", survive=options["survive"])
    waiting = {uid for uid, _ in options["pods"]}
    async with node.run() as reports:
        await node.start([make_pod(shell(script), uid=uid) for uid, script in options["pods"]])
        print("started", flush=True)
        while waiting:
            for report in await anext(reports):
                if report.status.phase in ("Succeeded", "Failed") and report.uid in waiting:
                    waiting.discard(report.uid)
                    print("ended", report.uid, report.status.phase, flush=True)
        print("done", flush=True)


if __name__ == "__main__":
    anyio.run(host, json.loads(sys.argv[1]))
