"""From a cluster's changes to events: which Job an object concerns, what is stale, what is gone without a word.

Plain bookkeeping between the Cluster port and the pure `observe`: lists are compared with what was known, objects
older than our own last write are kept back, pods find their Jobs by owner or selector. Where a list is older than what
we know, either the cluster was restored (a consistent list: `ClusterRewound`) or the answer came from a stale replica
(waited out).
"""

from collections.abc import Sequence

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.event import ClusterRewound, ListGap
from podledger.job.decision import is_managed_by
from podledger.job.event import JobDeleting, JobEvent, JobMissing, JobSet, JobSpecChanged
from podledger.job.names import FINALIZER
from podledger.job.observation import observe_job, observe_job_gone, observe_pod, observe_pod_gone
from podledger.job.state import JobState
from podledger.journal import Journal
from podledger.ports import Bookmark, Change, Gone, Kind, ListBegan, ListEnded, Seen
from podledger.projection import Projection

__all__ = ["Reflector"]

_UID_LABEL = "batch.kubernetes.io/controller-uid"
_AT_ONCE = (JobSet, JobSpecChanged, JobDeleting)


class Reflector:
    """`touched` collects the Jobs that something happened to: True where the next sync is due at once."""

    def __init__(self, journal: Journal, controllers: frozenset[str]) -> None:
        self._journal = journal
        self._projection: Projection = journal.projection
        self._controllers = controllers
        self._listing: dict[Kind, dict[str, Job | Pod]] = {}
        self._listed: dict[Kind, bool] = {"Job": False, "Pod": False}
        self._delivered: dict[Kind, int] = {"Job": 0, "Pod": 0}
        self._written: dict[str, int] = {}
        self._homes: dict[str, str] = {}
        self._waiting: dict[str, dict[str, Pod]] = {}
        self._orphans: dict[str, Pod] = {}
        self._foreign: set[str] = set()
        self.touched: dict[str, bool] = {}

    def __repr__(self) -> str:
        return (
            f"<Reflector {len(self._homes)} pods at home, {len(self._waiting)} Jobs awaited, "
            f"{len(self._orphans)} orphans, {len(self._written)} own writes not seen>"
        )

    @property
    def synced(self) -> bool:
        """Whether Jobs and pods have been listed once: before that nothing is decided."""
        return self._listed["Job"] and self._listed["Pod"]

    def take_touched(self) -> dict[str, bool]:
        """The Jobs touched since the last call."""
        touched, self.touched = self.touched, {}
        return touched

    def wrote(self, uid: str, resource_version: str) -> None:
        """We wrote this object ourselves: states older than that are not believed any more."""
        if resource_version.isdecimal():
            self._written[uid] = int(resource_version)

    def created(self, job: str, pod: Pod) -> None:
        """We created this pod ourselves."""
        self._homes[pod.metadata.uid] = job
        self.wrote(pod.metadata.uid, pod.metadata.resource_version)

    # ---- changes ----------------------------------------------------------------------------------------------------

    def observe(self, changes: Sequence[Change], now: float) -> None:
        """Turn changes into events, folded and staged in the journal."""
        for change in changes:
            match change:
                case Seen():
                    self._seen(change.object)
                case Gone():
                    self._gone(change)
                case ListBegan():
                    self._listing[change.kind] = {}
                case ListEnded():
                    self._list_ended(change, now)
                case Bookmark():
                    self._deliver(change.kind, change.resource_version)

    def _deliver(self, kind: Kind, resource_version: str) -> bool:
        """Note how far a kind's stream has come; whether this is new."""
        if not resource_version.isdecimal():
            return True
        version = int(resource_version)
        if version <= self._delivered[kind]:
            return False
        self._delivered[kind] = version
        return True

    def _seen(self, seen: Job | Pod) -> None:
        kind: Kind = "Job" if isinstance(seen, Job) else "Pod"
        listing = self._listing.get(kind)
        if listing is not None:
            listing[seen.metadata.uid] = seen
            return
        if self._deliver(kind, seen.metadata.resource_version):
            self._observe(seen)

    def _observe(self, seen: Job | Pod) -> None:
        meta = seen.metadata
        if self._written:
            written = self._written.get(meta.uid)
            if written is not None:
                if meta.resource_version.isdecimal() and int(meta.resource_version) < written:
                    return  # from before our own write, whose result we know
                del self._written[meta.uid]
        if isinstance(seen, Job):
            self._observe_job(seen)
        else:
            self._observe_pod(seen)

    def _gone(self, gone: Gone) -> None:
        listing = self._listing.get(gone.kind)
        if listing is not None:
            listing.pop(gone.uid, None)
            return
        self._deliver(gone.kind, gone.resource_version)
        self._written.pop(gone.uid, None)
        self._forget(gone.kind, gone.uid)

    def _forget(self, kind: Kind, uid: str) -> None:
        if kind == "Job":
            self._foreign.discard(uid)
            state = self._projection.states.get(uid)
            if state is not None and not state.missing:
                self._journal.add(observe_job_gone(state))
                self._touch(uid, at_once=True)
            return
        self._orphans.pop(uid, None)
        home = self._homes.pop(uid, None)
        for awaited in self._waiting.values():
            awaited.pop(uid, None)
        state = None if home is None else self._projection.states.get(home)
        if state is not None:
            self._add(state, observe_pod_gone(state, uid))

    def _touch(self, uid: str, *, at_once: bool) -> None:
        self.touched[uid] = at_once or self.touched.get(uid, False)

    def _add(self, state: JobState, events: Sequence[JobEvent]) -> None:
        if events:
            self._journal.add(events)
            self._touch(state.uid, at_once=False)

    # ---- lists ------------------------------------------------------------------------------------------------------

    def _list_ended(self, ended: ListEnded, now: float) -> None:
        """Take a whole list in: what it shows, then what it no longer shows."""
        kind = ended.kind
        listing = self._listing.pop(kind, {})
        version = int(ended.resource_version) if ended.resource_version.isdecimal() else 0
        known = max(self._delivered[kind], self._projection.revision)
        if version and version < known:
            if not ended.consistent:
                return  # a stale replica answered: the next list will know more
            self._journal.add([ClusterRewound(kind, str(known), ended.resource_version, now)])
            self._written.clear()
            self._delivered = {"Job": 0, "Pod": 0}
        if self._listed[kind]:
            self._journal.add([ListGap(kind, now)])
        for seen in listing.values():
            self._observe(seen)
        self._drop_unlisted(kind, listing, version)
        self._delivered[kind] = version
        self._listed[kind] = True
        if self.synced:
            self._settle_waiting()

    def _drop_unlisted(self, kind: Kind, listing: dict[str, Job | Pod], version: int) -> None:
        """What a list does not show is gone, unless we wrote it after the list was made."""
        if kind == "Job":
            for state in list(self._projection):
                if state.uid not in listing and not state.gone and _not_newer(state.resource_version, version):
                    self._forget("Job", state.uid)
            return
        for uid in [uid for uid in self._orphans if uid not in listing]:
            del self._orphans[uid]
        for state in list(self._projection):
            lost = [p.uid for p in state.pods.values() if p.uid not in listing and p.resource_version <= version]
            for uid in lost:
                if self._written.get(uid, 0) <= version:
                    self._homes[uid] = state.uid
                    self._forget("Pod", uid)

    def _settle_waiting(self) -> None:
        """Pods whose Job is in no list: one that is being deleted must lose the finalizer all the same."""
        for job, pods in list(self._waiting.items()):
            for pod in pods.values():
                self._miss(job, pod)
        self._waiting.clear()

    # ---- Jobs -------------------------------------------------------------------------------------------------------

    def _observe_job(self, job: Job) -> None:
        uid = job.metadata.uid
        if not is_managed_by(job.spec, self._controllers):
            self._foreign.add(uid)
            self._waiting.pop(uid, None)
            return
        state = self._projection.states.get(uid)
        if state is not None and not state.missing and _older(job.metadata.resource_version, state.resource_version):
            return
        events = observe_job(state, job)
        self._journal.add(events)
        if not events:
            return
        self._touch(uid, at_once=any(isinstance(event, _AT_ONCE) for event in events))
        if isinstance(events[0], JobSet):
            for pod in self._waiting.pop(uid, {}).values():
                self._observe_pod(pod)
            for pod in [p for p in self._orphans.values() if p.metadata.namespace == job.metadata.namespace]:
                self._observe_pod(pod)

    # ---- pods -------------------------------------------------------------------------------------------------------

    def _observe_pod(self, pod: Pod) -> None:
        meta = pod.metadata
        owner = meta.controller()
        if owner is not None:
            self._orphans.pop(meta.uid, None)
            if owner.kind != "Job" or not owner.api_version.startswith("batch/") or owner.uid in self._foreign:
                return
            self._leave_home(owner.uid, pod)
            self._observe_of(owner.uid, pod)
            return
        self._orphans[meta.uid] = pod
        home = self._homes.get(meta.uid)
        for state in self._candidates(pod, home):
            events = observe_pod(state, pod)
            self._add(state, events)
            if meta.uid in state.pods:
                self._homes[meta.uid] = state.uid

    def _observe_of(self, job: str, pod: Pod) -> None:
        """A pod that names its Job."""
        state = self._projection.states.get(job)
        if state is None or state.missing:
            if not self.synced:
                self._waiting.setdefault(job, {})[pod.metadata.uid] = pod
                return
            self._miss(job, pod)
            return
        self._add(state, observe_pod(state, pod))
        self._keep_home(state, pod)

    def _miss(self, job: str, pod: Pod) -> None:
        """A pod whose Job is not there: only one that is being deleted concerns us, for its finalizer's sake."""
        meta = pod.metadata
        owner = meta.controller()
        state = self._projection.states.get(job)
        held = meta.deletion_timestamp is not None and FINALIZER in meta.finalizers
        if owner is None or (state is None and not held):
            return
        if state is None:
            self._journal.add([JobMissing(job, meta.namespace, owner.name)])
            state = self._projection.states[job]
        self._add(state, observe_pod(state, pod))
        self._keep_home(state, pod)

    def _keep_home(self, state: JobState, pod: Pod) -> None:
        uid = pod.metadata.uid
        if uid in state.pods:
            self._homes[uid] = state.uid
        else:
            self._homes.pop(uid, None)

    def _leave_home(self, owner: str, pod: Pod) -> None:
        """A pod that another Job has now is no longer its former Job's."""
        home = self._homes.get(pod.metadata.uid)
        former = None if home is None or home == owner else self._projection.states.get(home)
        if former is not None:
            self._add(former, observe_pod_gone(former, pod.metadata.uid))

    def _candidates(self, pod: Pod, home: str | None) -> list[JobState]:
        """The Jobs an ownerless pod may concern: its former one, the one its label names, those that choose by hand."""
        states = self._projection.states
        named = pod.metadata.labels.get(_UID_LABEL)
        found = {uid: states[uid] for uid in (home, named) if uid is not None and uid in states}
        for state in self._projection.manual_selectors(pod.metadata.namespace):
            found[state.uid] = state
        return list(found.values())


def _older(version: str, known: str) -> bool:
    return version.isdecimal() and known.isdecimal() and int(version) < int(known)


def _not_newer(version: str, than: int) -> bool:
    return not version.isdecimal() or int(version) <= than
