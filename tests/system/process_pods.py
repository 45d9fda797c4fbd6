"""Pods for tests of the process node: making them, running them to their end, finding what they left behind."""

import contextlib
import os
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio

from podledger.api import ContainerStateTerminated, ContainerStatus, ObjectMeta, Pod, PodSpec, PodStatus
from podledger.ports import PodReport
from podledger_adapters.nodes.process.directory import request_stops
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.process.shim.record import PodRecord

__all__ = [
    "Reports",
    "Watching",
    "container",
    "end_all",
    "end_of",
    "make_pod",
    "only_end",
    "processes",
    "read_log",
    "run_pod",
    "shell",
    "strays",
    "until",
    "until_ended",
]

Reports = AsyncIterator[Sequence[PodReport]]

MARK = "PODLEDGER_TEST_POD"
"""A variable that all processes of a pod inherit: its value is the pod's uid."""
PATIENCE_S = 60.0
"""How long to wait for what must come, on a busy machine."""


def container(name: str, *command: str, **fields: Any) -> dict[str, Any]:
    """A container's JSON."""
    return {"name": name, "image": "none", "command": list(command), **fields}


def shell(script: str, name: str = "main", **fields: Any) -> dict[str, Any]:
    """A container that runs a shell script. `$$` is Kubernetes' escape for one `$`; the caller writes plain shell."""
    return container(name, "sh", "-c", script.replace("$", "$$"), **fields)


def make_pod(*containers: Mapping[str, Any], restart: str = "Never", uid: str = "", **spec: Any) -> Pod:
    """A pod with these containers and more fields of its spec; its processes carry its mark."""
    uid = uid or str(uuid.uuid4())
    mark = {"name": MARK, "value": uid}
    base: dict[str, Any] = {"restartPolicy": restart, **spec}
    base["containers"] = [{**each, "env": [mark, *each.get("env", ())]} for each in containers]
    if "initContainers" in spec:
        base["initContainers"] = [{**each, "env": [mark, *each.get("env", ())]} for each in spec["initContainers"]]
    meta = ObjectMeta(name=f"pod-{uid[:8]}", namespace="default", uid=uid, labels={"app": "test"})
    return Pod(metadata=meta, spec=PodSpec(base=base))


async def until(reports: Reports, uids: Collection[str], *phases: str) -> dict[str, list[PodStatus]]:
    """Read reports until each of these pods was in one of the phases; all that was reported, by uid."""
    waiting = set(uids)
    seen: dict[str, list[PodStatus]] = {uid: [] for uid in uids}
    with anyio.fail_after(PATIENCE_S):
        while waiting:
            for report in await anext(reports):
                seen.setdefault(report.uid, []).append(report.status)
                if report.status.phase in phases:
                    waiting.discard(report.uid)
    return seen


async def until_ended(reports: Reports, uids: Collection[str]) -> dict[str, PodStatus]:
    """Read reports until each of these pods ended; the last status of each."""
    seen = await until(reports, uids, "Succeeded", "Failed")
    return {uid: seen[uid][-1] for uid in uids}


class Watching:
    """A node that runs while inside, and all it reports: asked for what must come, in whatever report it comes."""

    def __init__(self, node: ProcessNode) -> None:
        self._node = node
        self._reports: dict[str, list[PodReport]] = {}

    async def __aenter__(self) -> "Watching":
        self._stack = contextlib.AsyncExitStack()
        self._source = await self._stack.enter_async_context(self._node.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    def last(self, pod: Pod) -> PodStatus:
        """The pod's status as reported last."""
        return self._reports[pod.metadata.uid][-1].status

    def notices(self, pod: Pod) -> list[tuple[str, str, str]]:
        """Type, reason and message of what was told about it so far."""
        found = [each for report in self._reports.get(pod.metadata.uid, ()) for each in report.notices]
        return [(each.type, each.reason, each.message) for each in found]

    async def until(self, pod: Pod, holds: Callable[[PodStatus], bool]) -> PodStatus:
        """Wait for a status of the pod, the last one included, of which this holds."""
        with anyio.fail_after(PATIENCE_S):
            while not (self._reports.get(pod.metadata.uid) and holds(self.last(pod))):
                await self._read()
        return self.last(pod)

    async def until_ended(self, pod: Pod) -> PodStatus:
        """Wait for the pod's end."""
        return await self.until(pod, lambda status: status.phase in ("Succeeded", "Failed"))

    async def until_notice(self, pod: Pod, message: str) -> None:
        """Wait until this was told about the pod."""
        with anyio.fail_after(PATIENCE_S):
            while message not in [each[2] for each in self.notices(pod)]:
                await self._read()

    async def pause(self) -> None:
        """Give way to other processes for a moment, for a condition that nobody reports."""
        await anyio.sleep(0.02)

    async def _read(self) -> None:
        for report in await anext(self._source):
            self._reports.setdefault(report.uid, []).append(report)


async def run_pod(node: ProcessNode, pod: Pod) -> PodStatus:
    """Run one pod to its end; its last status. Its record is kept."""
    async with node.run() as reports:
        await node.start([pod])
        return (await until_ended(reports, [pod.metadata.uid]))[pod.metadata.uid]


async def read_log(node: ProcessNode, pod: Pod, name: str = "main", **options: Any) -> str:
    """A container's whole log."""
    chunks = [chunk async for chunk in node.logs(pod.metadata.uid, name, **options)]
    return b"".join(chunks).decode()


def end_of(status: ContainerStatus) -> ContainerStateTerminated:
    """The container's end, which there must be."""
    assert status.state.terminated is not None, status
    return status.state.terminated


def only_end(status: PodStatus) -> ContainerStateTerminated:
    """The end of the pod's only container."""
    (only,) = status.container_statuses
    return end_of(only)


def end_all(root: Path) -> None:
    """Have the shims of a node's directory end their pods at once: what a failed test leaves running."""
    for path in root.glob("*/spec.json"):
        request_stops([(PodRecord(str(root), path.parent.name), 0)])


def processes(uid: str) -> list[int]:
    """The processes that carry the pod's mark. A zombie has no environment and is not seen."""
    found: list[int] = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if f"{MARK}={uid}".encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
    return found


def strays(uid: str) -> list[str]:
    """The command lines of those processes, for a test's message."""
    lines: list[str] = []
    for pid in processes(uid):
        with contextlib.suppress(OSError):
            lines.append(Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode())
    return lines
