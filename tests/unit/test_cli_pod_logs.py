"""Pods' logs: whole, once, by run of each container, and only of Jobs that are ours."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodStatus,
)
from podledger.ports import Change, Seen
from podledger_adapters.cli.output import Output
from podledger_adapters.cli.pod_logs import LogLook, PodLogs
from podledger_adapters.cli.progress import JobProgress

RUNNING = ContainerState(running=ContainerStateRunning())
WAITING = ContainerState(waiting=ContainerStateWaiting(reason="CrashLoopBackOff"))


class Kept:
    """A writer that keeps lines in order."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def logs(self, data: bytes) -> None:
        self.lines += data.decode().splitlines()

    def note(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        """None here."""

    def close(self) -> None:
        """Nothing is open."""


class Source:
    """A cluster whose changes are given, and a node whose logs are, by container and run; None never ends."""

    def __init__(self, pods: Sequence[Pod], logs: dict[tuple[str, int], bytes | None]) -> None:
        self.pods, self.written = pods, logs

    @asynccontextmanager
    async def watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        async def changes() -> AsyncIterator[Sequence[Change]]:
            for pod in self.pods:
                yield [Seen(pod)]
            await anyio.sleep_forever()

        yield changes()

    async def logs(
        self, uid: str, container: str, *, follow: bool = False, attempt: int | None = None
    ) -> AsyncGenerator[bytes]:
        text = self.written[container, attempt or 0]  # KeyError: a run there is nothing of, as the port says
        if text is None:
            yield b"and on\n"
            await anyio.sleep_forever()
            return
        for i in range(0, len(text), 3):
            yield text[i : i + 3]

    def logs_directory(self, uid: str) -> Path:
        return Path("/nowhere") / uid


def exited(code: int) -> ContainerState:
    return ContainerState(terminated=ContainerStateTerminated(exit_code=code, reason="Error" if code else "Completed"))


def pod(uid: str, *containers: ContainerStatus, phase: str = "Running", owner: str = "a", deleted: bool = False) -> Pod:
    metadata = ObjectMeta(
        name=f"{owner}-{uid}",
        namespace="default",
        uid=uid,
        deletion_timestamp=datetime(2030, 1, 1, tzinfo=UTC) if deleted else None,
        owner_references=(OwnerReference(api_version="batch/v1", kind="Job", name=owner, uid="j", controller=True),),
    )
    return Pod(metadata=metadata, status=PodStatus(phase=phase, container_statuses=containers))


def main(state: ContainerState, *, name: str = "main", restarts: int = 0) -> ContainerStatus:
    return ContainerStatus(name=name, state=state, restart_count=restarts)


async def shown(source: Source, *, known: Sequence[str] = (), finish: Sequence[Pod] = ()) -> list[str]:
    writer = Kept()
    output = Output(writer, list)
    logs = PodLogs(source, output, is_ours=lambda key: key.name == "a", known=known, look=LogLook(False, False))
    async with output.open(), logs.open(source):
        await logs.finish([*source.pods, *finish])
    return writer.lines


@pytest.mark.asyncio
async def test_what_a_quick_pod_wrote_is_whole_and_shown_once() -> None:
    seen = [pod("1", main(RUNNING)), pod("1", main(exited(0)), phase="Succeeded")]
    assert await shown(Source(seen, {("main", 0): b"one\ntwo\nno end"})) == [
        "a-1 | one",
        "a-1 | two",
        "a-1 | no end",
    ]


@pytest.mark.asyncio
async def test_a_pod_the_watch_did_not_come_to_is_shown_in_the_end() -> None:
    late = pod("2", main(exited(0)), phase="Succeeded")
    assert await shown(Source([], {("main", 0): b"late\n"}), finish=[late]) == ["a-2 | late"]


@pytest.mark.asyncio
async def test_every_run_of_a_restarted_container_is_shown() -> None:
    logs: dict[tuple[str, int], bytes | None] = {("main", 0): b"first\n", ("main", 1): b"second\n"}
    waiting = Source([pod("1", main(WAITING, restarts=1))], logs)
    assert await shown(waiting) == ["a-1 | first"]
    again = Source([pod("1", main(WAITING, restarts=1)), pod("1", main(exited(0), restarts=1))], logs)
    assert sorted(await shown(again)) == ["a-1 | first", "a-1 | second"]


@pytest.mark.asyncio
async def test_several_containers_are_told_apart() -> None:
    both = pod("1", main(exited(0)), main(exited(0), name="side"))
    lines = await shown(Source([both], {("main", 0): b"m\n", ("side", 0): b"s\n"}))
    assert sorted(lines) == ["a-1/main | m", "a-1/side | s"]


@pytest.mark.asyncio
async def test_a_failed_pod_is_told_with_its_exit_code_and_a_deleted_one_is_not() -> None:
    seen = [
        pod("1", main(exited(7)), phase="Failed"),
        pod("1", main(exited(7)), phase="Failed"),
        pod("2", main(exited(143)), phase="Failed", deleted=True),
    ]
    assert await shown(Source(seen, {})) == ["pod a-1 failed: exit code 7 (Error)"]


@pytest.mark.asyncio
async def test_other_jobs_pods_and_those_shown_before_are_left_out() -> None:
    seen = [pod("1", main(exited(0))), pod("2", main(exited(0)), owner="b")]
    assert await shown(Source(seen, {("main", 0): b"x\n"}), known=["1"]) == []


@pytest.mark.asyncio
async def test_a_log_that_does_not_end_can_be_cut_short() -> None:
    writer = Kept()
    output = Output(writer, list)
    source = Source([pod("1", main(RUNNING))], {("main", 0): None})
    logs = PodLogs(source, output, is_ours=lambda _: True, known=(), look=LogLook(False, False))
    async with output.open(), logs.open(source):
        while not writer.lines:
            await anyio.lowlevel.checkpoint()
        logs.cut_short()
    assert writer.lines == ["a-1 | and on"]
