"""The ports: what the engine needs from the world, batch first. Each has a conformance suite in `podledger.testing`.

`Cluster` holds the objects, `EventLog` the events, `Node` runs pods for a local cluster, `Clock` tells the time.
Adapters implement them structurally; nothing here does any work.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from podledger.api.cronjob import CronJob
from podledger.api.job import Job, JobKey
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod, PodStatus
from podledger.cron.command import CronCommand
from podledger.cron.outcome import CronOutcome, JobCreated
from podledger.event import Event
from podledger.job.command import Command
from podledger.job.outcome import Created, Done, Failed, Outcome, Skipped, Unknown

__all__ = [
    "Bookmark",
    "Change",
    "Clock",
    "Cluster",
    "Created",
    "CronCluster",
    "CronOutcome",
    "Done",
    "EventCluster",
    "EventLog",
    "Failed",
    "Gone",
    "JobCreated",
    "Kind",
    "ListBegan",
    "ListEnded",
    "LogBatch",
    "Node",
    "Outcome",
    "PendingAppend",
    "PodNotice",
    "PodReport",
    "Seen",
    "SharedCluster",
    "Skipped",
    "Snapshot",
    "StopPod",
    "Taken",
    "Unknown",
]

Kind = Literal["Job", "Pod", "CronJob", "Event"]


# ---- Cluster: changes -----------------------------------------------------------------------------------------


class ListBegan(Struct, frozen=True, gc=False):
    """A list of a kind follows: `Seen` for each object there is, then `ListEnded`. What was not seen is gone.

    `namespaces` are what it is a list of, none for all: of other namespaces it says nothing.
    """

    kind: Kind
    namespaces: tuple[str, ...] = ()

    def covers(self, namespace: str) -> bool:
        """Whether it is a list of this namespace too."""
        return not self.namespaces or namespace in self.namespaces


class Seen(Struct, frozen=True, gc=False):
    """An object as it is: listed, added or modified."""

    object: Job | Pod | CronJob | KubernetesEvent


class Gone(Struct, frozen=True, gc=False):
    """An object was removed; `resource_version` is that of the removal, "" where it is not known."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    resource_version: str


class ListEnded(Struct, frozen=True, gc=False):
    """The list is complete as of `resource_version`; `consistent` is False for one answered from a cache."""

    kind: Kind
    resource_version: str
    consistent: bool = True


class Bookmark(Struct, frozen=True, gc=False):
    """Nothing of this kind happened up to `resource_version`."""

    kind: Kind
    resource_version: str


Change = ListBegan | Seen | Gone | ListEnded | Bookmark


@runtime_checkable
class Cluster(Protocol):
    """Where the objects are."""

    async def identity(self) -> str:
        """The cluster's own id, stable for its life (Kubernetes: the uid of namespace kube-system).

        Raises ClusterError.
        """
        ...

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """List and watch Jobs and pods, merged into one stream of batches, for ever.

        Each kind begins with ListBegan, its objects, ListEnded; a broken watch does so again. The first list of each
        kind is consistent: what happened while nobody watched has left no version to judge a cached one by. To have
        all listed again, a watch is left and another one entered; the engine does so when a list shows that the
        cluster was restored from a backup, and decides nothing until the lists have come. Within a
        kind and namespace, changes come in the order of their resourceVersions; states in between may be missing, and
        repeats do no harm. After a list that is not consistent, the changes since then follow. All that is shown is of
        the namespaces that the lists name, the same ones for all kinds: what is known of others stays as it is, and no
        controller decides on it. The iterator raises ClusterError only when there is no use in trying on, and never
        ends.
        """
        ...

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """Make these calls, concurrently where the adapter can, and return one outcome each, in order.

        Never raises for what a single call met. A RecordEvent may be done later.
        """
        ...

    async def get_job(self, key: JobKey) -> Job | None:
        """The Job as it is now, from the source of truth and no cache; None if there is none. Raises ClusterError."""
        ...


@runtime_checkable
class SharedCluster(Cluster, Protocol):
    """A cluster in which other Job controllers may be at work."""

    @property
    def managed_by(self) -> frozenset[str]:
        """The values of spec.managedBy that a controller takes for its own here, unless it is told which."""
        ...


@runtime_checkable
class CronCluster(Cluster, Protocol):
    """A cluster that holds CronJobs too: what a controller needs that runs them."""

    def watch_cronjobs(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """List and watch CronJobs, as `watch` does Jobs and pods."""
        ...

    async def perform_cron(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """Make these calls, as `perform` does. A RecordCronEvent may be done later."""
        ...


@runtime_checkable
class EventCluster(Cluster, Protocol):
    """A cluster that shows Kubernetes Events too, to a recorder: no controller asks for them."""

    def watch_kubernetes_events(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """List and watch v1 Events, as `watch` does Jobs and pods.

        At least those about Jobs, CronJobs and pods are shown. Events may have versions of their own, not comparable
        with those of other kinds (API servers may keep them in another store). One that expired is `Gone`, or is just
        no longer listed.
        """
        ...


# ---- Node -------------------------------------------------------------------------------------------------------


class StopPod(Struct, frozen=True, gc=False):
    """End a pod: TERM, `grace_s` seconds, KILL."""

    uid: str
    grace_s: int


class PodNotice(Struct, frozen=True, gc=False):
    """What a node tells people about a pod's container, as a Kubernetes Event: `type` is Normal or Warning."""

    container: str
    type: str
    reason: str
    message: str


class PodReport(Struct, frozen=True, gc=False):
    """The status a node wants a pod to have. Terminal phases are final. Each notice is given once."""

    uid: str
    status: PodStatus
    notices: tuple[PodNotice, ...] = ()


class Node(Protocol):
    """What runs pods for a local cluster. Uids name pods; one uid is started at most once, whatever is repeated."""

    @property
    def name(self) -> str:
        """The node's name, as pods bear it in spec.nodeName."""
        ...

    @property
    def capacity(self) -> int | None:
        """How many unfinished pods it takes at once; None for no limit."""
        ...

    def run(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[PodReport]]]:
        """Run the node while inside. The iterator yields reports for ever, first of what was found running or ended."""
        ...

    async def start(self, pods: Sequence[Pod]) -> None:
        """Run these pods. A pod that cannot be started is reported as Failed. A uid known already is left alone."""
        ...

    async def stop(self, stops: Sequence[StopPod]) -> None:
        """End these pods; their end comes as a report. A repeat may only shorten the grace. Unknown uids are passed."""
        ...

    async def forget(self, uids: Sequence[str]) -> None:
        """The pod objects are gone: records, logs and containers may go too. A pod that still runs is killed first."""
        ...

    def logs(self, uid: str, container: str, *, follow: bool = False) -> AsyncIterator[bytes]:
        """What a container wrote, from its beginning; with `follow` until it has ended. Raises KeyError if unknown."""
        ...


# ---- EventLog ---------------------------------------------------------------------------------------------------


class Taken(NamedTuple):
    """A stream taken over: the new epoch (from 1) and the position of the last event (0 for an empty stream)."""

    epoch: int
    position: int


class LogBatch(Struct, frozen=True, gc=False):
    """What one append stored. `first` and `last` are positions, inclusive; `chain` is the hash up to its end."""

    first: int
    last: int
    epoch: int
    id: str
    events: Sequence[Event]
    chain: bytes


class Snapshot(Struct, frozen=True):
    """The fold at a position: `chain` ties it to the log, `body` is the encoded state."""

    position: int
    chain: bytes
    body: bytes


class PendingAppend(Protocol):
    """An append that was handed in."""

    @property
    def last(self) -> int:
        """The position its last event will have."""
        ...

    async def wait(self) -> int:
        """Wait until it is durable; the position. Cancelling the wait does not cancel the append.

        Raises StaleEpoch, PositionConflict, LogUnavailable, LogClosed: then nothing of it was stored.
        """
        ...


class EventLog(Protocol):
    """The append-only log: streams, each one total order with one writer; positions count from 1, gapless."""

    async def take(self, stream: str, holder: str) -> Taken:
        """Become the writer of a stream: every earlier epoch is over. `holder` is text for messages."""
        ...

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> PendingAppend:
        """Hand in events, all or nothing, in order behind whatever was handed in before.

        `expected_position` is the end of all this holder has handed in, durable or not. When one append fails, all
        behind it fail. A `batch_id` that is stored already is answered with its position and stores nothing. Raises
        nothing itself but LogClosed: all else comes out of `wait`.
        """
        ...

    async def append(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> int:
        """`append_nowait(...).wait()`."""
        ...

    def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """The batches behind a position up to the present end. A batch that holds `after` is cut. Raises DamagedLog."""
        ...

    def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch, None]:
        """As `read`, then every batch as it becomes durable, for ever."""
        ...

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """Keep a snapshot (the last few are kept). Raises DamagedLog if its chain is not the log's at its position."""
        ...

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """The kept snapshots whose position and chain fit the log, newest first."""
        ...

    async def bind_cluster(self, cluster_id: str) -> None:
        """Remember the cluster this ledger belongs to; OtherCluster if it remembers another one."""
        ...

    async def aclose(self) -> None:
        """Make durable what was handed in, then close. Idempotent."""
        ...


# ---- Clock ------------------------------------------------------------------------------------------------------


class Clock(Protocol):
    """Time as a value someone hands out."""

    def now(self) -> float:
        """Wall time, Unix seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that only ever grow, for durations."""
        ...

    async def sleep_until(self, when: float) -> None:
        """Sleep until the wall time is `when` or later; returns early (once) when the wall clock is set."""
        ...

    def hold(self) -> AbstractContextManager[None]:
        """A scope in which virtual time stands: a call to a thread is in flight. Real time does not care."""
        ...
