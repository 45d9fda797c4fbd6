"""The process node: pods as processes of this machine, each under a shim that outlives podledger.

What a pod does is the shim's (`shim.pod`); how that looks in the API is `status`; what cannot run is `check`. This is
the port's implementation: it writes what to run, has shims spawned, hears of changes and reports them. It holds no
truth of its own: the pods' directories do (`shim.record`), and what is found there is reported first.
"""

import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager, nullcontext
from pathlib import Path

from anyio import to_thread

from podledger.api import Pod
from podledger.ports import PodReport, StopPod
from podledger_adapters.nodes.log_chunk import LogChunk
from podledger_adapters.nodes.process.directory import kept_name
from podledger_adapters.nodes.process.host import base_environment, host_facts, node_name
from podledger_adapters.nodes.process.log_reader import LogSignals, read_timed_log
from podledger_adapters.nodes.process.run import NodeRun
from podledger_adapters.nodes.process.shim.ending import new_container_state
from podledger_adapters.nodes.process.shim.pod_state import ContainerState
from podledger_adapters.nodes.process.shim.record import PodRecord
from podledger_adapters.nodes.process.spec import NodeSettings

__all__ = ["DEFAULT_MAX_PODS", "ProcessNode"]

DEFAULT_MAX_PODS = 110
"""A kubelet's --max-pods."""


class ProcessNode:
    """Runs pods as processes. Linux in full; on macOS without mounts, cgroups and the hunt for strays.

    `root` is the directory of the pods' records, made if it is missing; the pods found in it are taken over. With
    `survive` the pods run on when podledger ends; without, they end with it. `pass_env` names more variables that
    containers see (NAME, or NAME=VALUE). `working_dir` is where containers start that name no workingDir, by default
    where podledger was started. `name` is the one this directory's node had before, else the machine's. Raises
    InputError for a wrong `pass_env`.
    """

    def __init__(
        self,
        root: Path,
        *,
        name: str | None = None,
        capacity: int | None = DEFAULT_MAX_PODS,
        survive: bool = True,
        pass_env: Sequence[str] = (),
        working_dir: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._root = root.absolute()
        self._name, self._capacity = name or kept_name(self._root) or node_name(), capacity
        self._settings = NodeSettings(
            facts=host_facts(self._name),
            environment=base_environment(environ, pass_env),
            working_dir=str((working_dir or Path.cwd()).absolute()),
            survive=survive,
        )
        self._running: NodeRun | None = None
        self._signals = LogSignals()

    def __repr__(self) -> str:
        return f"ProcessNode({str(self._root)!r}, {self._running!r})"

    @property
    def name(self) -> str:
        """The node's name."""
        return self._name

    @property
    def capacity(self) -> int | None:
        """How many unfinished pods it takes at once; None for no limit."""
        return self._capacity

    def run(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[PodReport]]]:
        """Run the node while inside. Raises ClusterError if another process runs a node in this directory."""
        return self._run()

    @asynccontextmanager
    async def _run(self) -> AsyncGenerator[AsyncIterator[Sequence[PodReport]]]:
        if self._running is not None:
            raise RuntimeError("this node runs already")
        async with NodeRun.open(self._root, self._settings, on_end=self._wake_followers) as running:
            self._running = running
            try:
                yield running
            finally:
                self._running = None

    def _inside(self) -> NodeRun:
        if self._running is None:
            raise RuntimeError("the node does not run: call this inside `async with node.run()`")
        return self._running

    async def start(self, pods: Sequence[Pod]) -> None:
        """Run these pods. What cannot be started is reported as Failed; a uid known already is left alone."""
        await self._inside().start(pods)

    async def stop(self, stops: Sequence[StopPod]) -> None:
        """End these pods; their end comes as a report."""
        await self._inside().stop(stops)

    async def forget(self, uids: Sequence[str]) -> None:
        """Remove the records and logs of these pods; what still runs of them is killed first, and waited for."""
        await self._inside().forget(uids)
        for uid in uids:
            self._wake_followers(uid)

    def _wake_followers(self, uid: str) -> None:
        self._signals.wake(self.logs_directory(uid))

    def logs_directory(self, uid: str) -> Path:
        """Where the pod's logs are, for messages: one directory a container."""
        return Path(PodRecord(str(self._root), uid).path) / "logs"

    async def logs(
        self, uid: str, container: str, *, follow: bool = False, previous: bool = False, attempt: int | None = None
    ) -> AsyncGenerator[bytes]:
        """What a container wrote, from its beginning; with `follow` until it has ended.

        Of a container that was restarted: its present run, with `previous` the one before, or the one whose
        restartCount was `attempt`. A log is kept within bounds (`shim.logs`), so a long one may have lost its
        beginning. Raises KeyError for a pod, container or run there is none of.
        """
        batches = self.timed_logs(uid, container, follow=follow, previous=previous, attempt=attempt)
        async with aclosing(batches):
            async for chunks in batches:
                if chunks:
                    yield b"".join(chunk.data for chunk in chunks)

    async def timed_logs(
        self, uid: str, container: str, *, follow: bool = False, previous: bool = False, attempt: int | None = None
    ) -> AsyncGenerator[Sequence[LogChunk]]:
        """As `logs`, with the times of the writes; an empty batch says that all there is by now was read."""
        record = PodRecord(str(self._root), uid)
        state = await to_thread.run_sync(_container_state, record, container)
        present = state["restarts"]
        if attempt is None:
            attempt = present - 1 if previous else present
        if not 0 <= attempt <= present:
            raise KeyError(f"container {container!r} of pod {uid} has no run {attempt}")

        def ended() -> bool:
            try:
                now = _container_state(record, container)
            except KeyError:
                return True  # forgotten meanwhile
            return now["restarts"] > attempt or now["terminated"] is not None

        directory = Path(record.logs_path(container))
        with self._signals.listen(directory) if follow else nullcontext() as signal:
            batches = read_timed_log(directory, attempt, ended=ended, signal=signal)
            async with aclosing(batches):
                async for chunks in batches:
                    yield chunks


def _container_state(record: PodRecord, container: str) -> ContainerState:
    """The container's record. Raises KeyError if there is none."""
    spec = record.read_spec()
    if spec is None:
        raise KeyError(f"pod {record.uid} is not known")
    try:
        state = record.read_state()
    except ValueError:
        state = None  # cut short by a loss of power; whoever looks after the pod closes it
    names = [each["name"] for each in (*spec["init_containers"], *spec["containers"])]
    if container not in names:
        raise KeyError(f"pod {record.uid} has no container {container!r}; it has {', '.join(names)}")
    if state is None:
        return new_container_state(container)
    return [*state["init_containers"], *state["containers"]][names.index(container)]
