"""A reflector on a memory log, and Jobs, pods and lists as a cluster shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from msgspec.structs import replace
from tests.unit.controller_world import events_of, make_job

from podledger import Job, MemoryLog, VirtualClock
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.api.pod import Pod, PodSpec, PodStatus
from podledger.event import EpochTaken, Event, StreamStarted
from podledger.job.names import FINALIZER, JOB_CONTROLLER
from podledger.journal import Journal, open_journal
from podledger.ports import Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger.reflector import Reflector

__all__ = ["NOW", "Watching", "gone", "job", "kinds", "listed", "pod", "synced"]

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def job(uid: str, version: int, name: str = "", *, namespace: str = "default", **spec: object) -> Job:
    """A Job as a cluster shows it."""
    made = make_job(name or uid, **spec)
    meta = replace(made.metadata, uid=uid, resource_version=str(version), generation=1, creation_timestamp=NOW)
    return replace(made, metadata=replace(meta, namespace=namespace))


def pod(
    uid: str, version: int, owner: str = "", *, held: bool = True, deleting: bool = False, phase: str = "Pending",
    labels: dict[str, str] | None = None, kind: str = "Job", namespace: str = "default",
) -> Pod:  # fmt: skip
    """A pod as a cluster shows it; `owner` is a Job's uid."""
    owners = (OwnerReference("batch/v1" if kind == "Job" else "apps/v1", kind, owner, owner, True, True),)
    meta = ObjectMeta(
        name=uid,
        namespace=namespace,
        uid=uid,
        resource_version=str(version),
        creation_timestamp=NOW,
        deletion_timestamp=NOW if deleting else None,
        labels=labels or {},
        owner_references=owners if owner else (),
        finalizers=(FINALIZER,) if held else (),
    )
    return Pod(metadata=meta, spec=PodSpec(base={}), status=PodStatus(phase=phase))


def listed(
    kind: Kind, version: int, *objects: Job | Pod, consistent: bool = True, of: tuple[str, ...] = ()
) -> list[Change]:
    """A whole list; `of` are its namespaces."""
    return [ListBegan(kind, of), *map(Seen, objects), ListEnded(kind, str(version), consistent)]


def gone(kind: Kind, uid: str, version: int | str = "") -> Gone:
    """A removal."""
    return Gone(kind, "default", uid, uid, str(version))


class Watching:
    """A reflector on a memory log."""

    def __init__(self, log: MemoryLog, journal: Journal, controller: str) -> None:
        self.log, self.journal = log, journal
        self.reflector = Reflector(journal, frozenset({controller}))
        self.seen = 0

    @classmethod
    async def begin(
        cls, *changes: Change, log: MemoryLog | None = None, controller: str = JOB_CONTROLLER
    ) -> "Watching":
        """Start on a log, by default an empty one, and see these changes."""
        log = log or MemoryLog()
        watching = cls(log, await open_journal(log, "main", "test", VirtualClock(), "seed"), controller)
        watching.see(*changes)
        return watching

    def see(self, *changes: Change) -> Sequence[Event]:
        """Show changes; the events they made."""
        self.reflector.observe(changes, 1.0)
        self.journal.flush()
        events: list[Event] = [
            event for event in events_of(self.log.ledger) if not isinstance(event, StreamStarted | EpochTaken)
        ]
        fresh, self.seen = events[self.seen :], len(events)
        return fresh

    def pods_of(self, uid: str) -> list[str]:
        """The pods known of a Job."""
        state = self.journal.projection.states.get(uid)
        return [] if state is None else list(state.pods)


def kinds(events: Sequence[Event]) -> list[str]:
    """The names of events' types."""
    return [type(event).__name__ for event in events]


async def synced(*changes: Change) -> Watching:
    """A reflector that has seen Job j and its pods p and q, in state Pending."""
    start = [*listed("Job", 10, job("j", 3)), *listed("Pod", 10, pod("p", 5, "j"), pod("q", 6, "j"))]
    return await Watching.begin(*start, *changes)
