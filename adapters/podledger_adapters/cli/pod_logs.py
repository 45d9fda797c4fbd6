"""Streams what pods write, from their first byte to their last, while and after they run.

Pods are found by watching the cluster; each container that has begun is followed by a task of its own. Containers
write into files, so that a pod never waits for a reader and a pod that ended at once is still shown whole.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import anyio
from anyio.abc import TaskGroup

from podledger.api.job import JobKey
from podledger.api.pod import ContainerStatus, Pod
from podledger.ports import Change, Seen
from podledger_adapters.cli.log_lines import LogLines, log_prefix
from podledger_adapters.cli.output import Output
from podledger_adapters.manifest.fault import one_line

__all__ = ["LogLook", "LogSource", "PodLogs", "exit_text"]

MAX_FOLLOWED = 256
"""Containers followed at once, each with an open file; more wait for their turn, their logs wait on disk."""


class Watchable(Protocol):
    """A cluster whose pods can be watched."""

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """As `podledger.ports.Cluster.watch`."""
        ...


class LogSource(Protocol):
    """A node whose logs can be read run by run."""

    def logs(
        self, uid: str, container: str, *, follow: bool = False, attempt: int | None = None
    ) -> AsyncGenerator[bytes]:
        """As `podledger.ports.Node.logs`; of the run of the container whose restartCount was `attempt`."""
        ...

    def logs_directory(self, uid: str) -> Path:
        """Where a pod's logs are."""
        ...


class LogLook(NamedTuple):
    """Whether logs go to a terminal, which must not be driven by them, and whether prefixes are coloured."""

    terminal: bool
    colour: bool


class PodLogs:
    """Shows the logs of the pods of Jobs that `is_ours` accepts, and says which pods failed.

    Pods that had ended and were counted before the run began (`known`: uids) have been shown by an earlier one.
    """

    def __init__(
        self,
        source: LogSource,
        output: Output,
        *,
        is_ours: Callable[[JobKey], bool],
        known: Collection[str],
        look: LogLook,
    ) -> None:
        self._source, self._output, self._look_of = source, output, look
        self._is_ours, self._known = is_ours, known
        self._begun: set[tuple[str, str, int]] = set()
        self._failed: set[str] = set()
        self._slots = anyio.CapacityLimiter(MAX_FOLLOWED)
        self._followers: TaskGroup | None = None

    @asynccontextmanager
    async def open(self, cluster: Watchable) -> AsyncGenerator[None]:
        """Stream while inside; call `finish` before leaving. Leaving cuts short what is still followed."""
        async with anyio.create_task_group() as watching:
            watching.start_soon(self._watch, cluster)
            async with anyio.create_task_group() as followers:
                self._followers = followers
                yield
            watching.cancel_scope.cancel()

    async def finish(self, pods: Sequence[Pod]) -> None:
        """Show these pods' logs to their end, those included that the watch has not come to yet."""
        for pod in pods:
            await self._look(pod)

    def cut_short(self) -> None:
        """Show no more."""
        if self._followers is not None:
            self._followers.cancel_scope.cancel()

    async def _watch(self, cluster: Watchable) -> None:
        async with cluster.watch() as changes:
            async for batch in changes:
                for change in batch:
                    if isinstance(change, Seen) and isinstance(change.object, Pod):
                        await self._look(change.object)

    async def _look(self, pod: Pod) -> None:
        uid, owner = pod.metadata.uid, pod.metadata.controller()
        if owner is None or uid in self._known or not self._is_ours(JobKey(pod.metadata.namespace, owner.name)):
            return
        statuses = (*pod.status.init_container_statuses, *pod.status.container_statuses)
        for container in statuses:
            shown = container.name if len(statuses) > 1 else ""
            for attempt in range(container.restart_count + _has_begun(container)):
                run = (uid, container.name, attempt)
                if run not in self._begun and self._followers is not None:
                    self._begun.add(run)
                    prefix = log_prefix(pod.metadata.name, shown, colour=self._look_of.colour)
                    self._followers.start_soon(self._follow, *run, prefix)
        # What is being deleted was told to end, by a deadline or a suspension; that is said of its Job.
        deleted = pod.metadata.deletion_timestamp is not None
        if pod.status.phase == "Failed" and not deleted and uid not in self._failed:
            self._failed.add(uid)
            await self._output.note(f"pod {pod.metadata.name} failed: {exit_text(pod)}")

    async def _follow(self, uid: str, container: str, attempt: int, prefix: bytes) -> None:
        lines = LogLines(prefix, terminal=self._look_of.terminal)
        async with self._slots:
            try:
                async with aclosing(self._source.logs(uid, container, follow=True, attempt=attempt)) as pieces:
                    async for data in pieces:
                        await self._output.logs(lines.feed(data))
            except KeyError:
                return  # The pod was deleted before its log was opened.
            await self._output.logs(lines.end())


def _has_begun(container: ContainerStatus) -> bool:
    """Whether the container's present run has begun; while it waits for a restart, the one before has ended."""
    return container.state.running is not None or container.state.terminated is not None


def exit_text(pod: Pod) -> str:
    """Why a pod failed, in a few words: `exit code 3 (Error)`, or the reason and message of its status."""
    status = pod.status
    for container in (*status.init_container_statuses, *status.container_statuses):
        ended = container.state.terminated
        if ended is not None and ended.exit_code != 0:
            several = len(status.container_statuses) + len(status.init_container_statuses) > 1
            where = f" in container {container.name}" if several else ""
            said = f": {ended.message}" if ended.message else ""
            return one_line(f"exit code {ended.exit_code}{where} ({status.reason or ended.reason or 'Error'}){said}")
    return one_line(": ".join(text for text in (status.reason, status.message) if text) or "no reason given")
