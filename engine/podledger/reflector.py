"""From a cluster's changes to events: what is stale, what is gone without a word, and what the rest means.

Plain bookkeeping between the Cluster port and the pure `observe`. Lists are compared with what was known. One that is
older than that shows that the cluster was restored, if it is consistent (`ClusterRewound`): then all kinds have to be
listed anew. Else a stale replica answered, and is waited for until it has caught up. How versions compare is
`freshness.py`, whose a pod is `pod_homes.py`, whose a Job `cron_homes.py`; who asks for the lists is `watching.py`.
"""

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from podledger.api.cronjob import CronJob
from podledger.api.job import Job, JobKey
from podledger.api.kubernetes_event import KubernetesEvent
from podledger.api.pod import Pod
from podledger.cron.event import CronEvent
from podledger.cron.state import CronState
from podledger.cron_homes import CronHomes
from podledger.event import ClusterRewound, ListGap
from podledger.freshness import Freshness, IsGone, version_of
from podledger.job.decision import is_managed_by
from podledger.job.event import JobDeleting, JobEvent, JobGone, JobSet, JobSpecChanged
from podledger.job.names import JOB_CONTROLLER
from podledger.job.observation import observe_job, observe_job_gone
from podledger.job.state import JobState
from podledger.journal import Journal
from podledger.pod_homes import PodHomes
from podledger.ports import Bookmark, Change, Gone, Kind, ListBegan, ListEnded, Seen

__all__ = ["Reflector"]

_AT_ONCE: frozenset[type] = frozenset({JobSet, JobSpecChanged, JobDeleting, JobGone})


class _Listing(Struct):
    """A list being shown. `known` is what it has to reach, `behind` whether it ended before and is catching up."""

    began: ListBegan
    known: int
    objects: dict[str, Job | Pod | CronJob] = {}
    behind: bool = False


class Reflector:
    """Takes changes in; `controllers` are the values of spec.managedBy that are ours, None for whatever they say.

    With `cronjobs`, Jobs are also told to the CronJobs that made them, and CronJobs have to be listed too.
    """

    def __init__(self, journal: Journal, controllers: frozenset[str] | None, *, cronjobs: bool = False) -> None:
        self._journal, self._projection, self._controllers = journal, journal.projection, controllers
        self._freshness = Freshness(journal.projection.revision)
        self._listing: dict[Kind, _Listing] = {}
        kinds: Sequence[Kind] = ("Job", "Pod", "CronJob") if cronjobs else ("Job", "Pod")
        self._listed: dict[Kind, ListBegan | None] = dict.fromkeys(kinds)
        """What was listed of each kind, None where its list has not come yet."""
        self.incarnation = 1
        """Which life of the cluster this is, counted from the start: a restore from a backup begins another."""
        self._foreign: dict[str, str] = {}
        """The namespaces of the Jobs that are there and not ours, by uid."""
        self.foreign_seen: Counter[str] = Counter()
        """Jobs that are not ours, each counted once when it is first seen, by the controller it names."""
        self._touched: dict[str, bool] = {}
        self._homes = PodHomes(
            journal.projection,
            self._foreign,
            self._report,
            frees_strays=controllers is not None and JOB_CONTROLLER in controllers,
        )
        self._crons = CronHomes(journal.projection.crons, self._report_cron) if cronjobs else None
        self._touched_crons: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"<Reflector {self._freshness!r}, {self._homes!r}, {len(self._foreign)} foreign Jobs>"

    @property
    def synced(self) -> bool:
        """Whether everything has been listed in this incarnation of the cluster: before that nothing is decided."""
        return None not in self._listed.values()

    def oversees(self, state: JobState | CronState) -> bool:
        """Whether a Job or CronJob is looked after: of a namespace that is listed, and if it is a Job, ours.

        A log may know others, from when more namespaces were listed, or the Jobs of more controllers were ours.
        """
        for began in self._listed.values():
            if began is not None and not began.covers(state.namespace):
                return False
        return state.uid not in self._foreign

    def is_current(self, incarnation: int) -> bool:
        """Whether what was begun in an incarnation of the cluster may go on."""
        return incarnation == self.incarnation and self.synced

    @property
    def jobs(self) -> int:
        """How many Jobs are there that are looked after."""
        return sum(not state.gone and self.oversees(state) for state in self._projection)

    def take_touched(self) -> dict[str, bool]:
        """The Jobs something happened to since the last call: True where the next sync is due at once.

        Once everything has been listed these are all Jobs that are looked after: what a restart or a restore
        interrupted is taken up again.
        """
        touched, self._touched = self._touched, {}
        states = self._projection.states
        return {uid: due for uid, due in touched.items() if (state := states.get(uid)) is None or self.oversees(state)}

    def take_touched_crons(self) -> dict[str, None]:
        """The CronJobs something happened to since the last call; their next sync is due at once."""
        touched, self._touched_crons = self._touched_crons, {}
        return touched

    def created(self, state: JobState, pod: Pod) -> None:
        """We created this pod ourselves."""
        self._homes.created(state, pod)
        self.wrote_pod(pod.metadata.namespace, pod.metadata.uid, pod.metadata.resource_version)

    def wrote_pod(self, namespace: str, uid: str, resource_version: str) -> None:
        """We wrote this pod ourselves: states older than that are not believed any more."""
        self._freshness.wrote_pod(namespace, uid, version_of(resource_version))

    # ---- changes ----------------------------------------------------------------------------------------------------

    def observe(self, changes: Sequence[Change], now: float) -> bool:
        """Turn changes into events, folded and staged in the journal. `now` is wall time.

        False when they show that the cluster was restored: the rest is passed over, and all kinds are to be listed
        anew, by watches begun from now on.
        """
        for change in changes:
            match change:
                case Seen(object=seen):
                    if not isinstance(seen, KubernetesEvent):  # those are shown to `event_homes.py`
                        self._seen(seen, now)
                case Gone():
                    self._gone(change, now)
                case ListBegan():
                    self._listing[change.kind] = _Listing(change, self._freshness.list_known(change.kind))
                case ListEnded():
                    if not self._list_ended(change, now):
                        return False
                case Bookmark():
                    version = version_of(change.resource_version)
                    if not self._is_listing(change.kind, version, now):
                        self._freshness.take_list(change.kind, version)
        return True

    def _seen(self, seen: Job | Pod | CronJob, now: float) -> None:
        meta = seen.metadata
        kind: Kind = "Job" if isinstance(seen, Job) else "Pod" if isinstance(seen, Pod) else "CronJob"
        version = version_of(meta.resource_version)
        listing = self._listing.get(kind)
        if listing is not None:
            listing.objects[meta.uid] = seen
            self._is_listing(kind, version, now)
        elif self._freshness.deliver(kind, meta.namespace, version):
            self._observe(seen, version)

    def _observe(self, seen: Job | Pod | CronJob, version: int) -> None:
        if isinstance(seen, Job):
            self._observe_job(seen, version)
            if self._crons is not None:
                self._crons.observe_job(seen)
        elif isinstance(seen, CronJob):
            if self._crons is not None:
                self._crons.observe(seen, version)
        elif not self._freshness.is_overtaken(seen.metadata.uid, version):
            self._homes.observe(seen)

    def _gone(self, gone: Gone, now: float) -> None:
        version = version_of(gone.resource_version)
        listing = self._listing.get(gone.kind)
        if listing is not None:
            listing.objects.pop(gone.uid, None)
            self._is_listing(gone.kind, version, now)
            return
        self._freshness.deliver(gone.kind, gone.namespace, version)
        self._freshness.forget(gone.uid)
        if gone.kind == "Job":
            self._job_gone(gone.uid)
            if self._crons is not None:
                self._crons.job_gone(gone.uid)
        elif gone.kind == "Pod":
            self._homes.gone(gone.uid)
        elif self._crons is not None:
            self._crons.gone(gone.uid)

    def _report(self, job: str, events: Sequence[JobEvent]) -> None:
        """Fold events of a Job, which is due for that."""
        if events:
            self._journal.add(events)
            at_once = not _AT_ONCE.isdisjoint(map(type, events))
            self._touched[job] = at_once or self._touched.get(job, False)

    def _report_cron(self, cronjob: str, events: Sequence[CronEvent]) -> None:
        """Fold events of a CronJob, which is due for that."""
        if events:
            self._journal.add(events)
            self._touched_crons[cronjob] = None

    # ---- lists ------------------------------------------------------------------------------------------------------

    def _list_ended(self, ended: ListEnded, now: float) -> bool:
        """Take a list in, if it may be; False when it shows that the cluster was restored."""
        listing = self._listing.get(ended.kind)
        if listing is None:
            return True
        version = version_of(ended.resource_version)
        known = listing.known if 0 < version < listing.known else 0
        if not ended.consistent:
            listing.behind = known > 0
            if listing.behind:
                return True
        elif known := known or self._undone(listing, version):
            self._journal.add([ClusterRewound(ended.kind, str(known), ended.resource_version, now)])
            self._rewind()
            return False
        self._take_list(ended.kind, version, now)
        return True

    def _rewind(self) -> None:
        """The cluster was restored: nothing that was listed before stands, of no kind."""
        self.incarnation += 1
        self._freshness.rewind()
        self._listing.clear()
        self._listed = dict.fromkeys(self._listed)
        self._homes.unsettle()

    def _undone(self, listing: _Listing, version: int) -> int:
        """The version we know of an object that a whole list of this version shows in an older state, 0 for none.

        No list that was made after a write lacks it, unless the write was undone. (A restored cluster may have been
        told to go on from higher revisions, and so not be seen by its list's version.)
        """
        for seen in listing.objects.values():
            meta = seen.metadata
            if isinstance(seen, Job):
                state = self._projection.states.get(meta.uid)
                known = 0 if state is None else version_of(state.resource_version)
            elif isinstance(seen, Pod):
                known = max(self._homes.known_version(seen), self._freshness.written(meta.uid))
            else:
                known = 0 if self._crons is None else self._crons.known_version(seen)
            if 0 < version_of(meta.resource_version) < known <= version:
                return known
        return 0

    def _is_listing(self, kind: Kind, version: int, now: float) -> bool:
        """Whether the kind is being listed still; a list that was behind is taken in once it has caught up."""
        listing = self._listing.get(kind)
        if listing is None:
            return False
        if listing.behind and version >= listing.known:
            self._take_list(kind, version, now)
        return True

    def _take_list(self, kind: Kind, version: int, now: float) -> None:
        """Take a whole list in: what it shows, then what it no longer shows."""
        listing, unlisted = self._listing.pop(kind), not self.synced
        began, listed = listing.began, listing.objects
        if self._listed[kind] is not None:
            self._journal.add([ListGap(kind, now)])
        elif self._leaves_out(began):
            why = f"from here on only seen in {', '.join(began.namespaces)}; elsewhere it stays as last known"
            self._journal.add([ListGap(kind, now, why)])
        self._freshness.take_list(kind, version)
        for seen in listed.values():
            self._observe(seen, version_of(seen.metadata.resource_version))

        def is_gone(namespace: str, uid: str, known: int) -> bool:
            # What we wrote after the list was made cannot be in it.
            is_older = known <= version and not self._freshness.written_after(uid, version)
            return is_older and uid not in listed and began.covers(namespace)

        if kind == "Job":
            self._drop_unlisted_jobs(is_gone)
        elif kind == "Pod":
            self._homes.drop_unlisted(is_gone)
        elif self._crons is not None:
            self._crons.drop_unlisted(is_gone)
        self._listed[kind] = began
        if self.synced:
            self._homes.settle()
            if unlisted:
                self._touched |= dict.fromkeys(self._projection.states, True)
                self._touched_crons |= {state.uid: None for state in self._projection.crons if self.oversees(state)}

    def _leaves_out(self, began: ListBegan) -> bool:
        """Whether something is known of the kind that is in none of the namespaces of its list."""
        known = self._projection.crons if began.kind == "CronJob" else self._projection
        return any(not began.covers(state.namespace) for state in known)

    def _drop_unlisted_jobs(self, is_gone: IsGone) -> None:
        if self._crons is not None:
            self._crons.drop_unlisted_jobs(is_gone)
        for uid in [uid for uid, namespace in self._foreign.items() if is_gone(namespace, uid, 0)]:
            self._job_gone(uid)
        for state in list(self._projection):
            if is_gone(state.namespace, state.uid, version_of(state.resource_version)):
                self._job_gone(state.uid)

    # ---- Jobs -------------------------------------------------------------------------------------------------------

    def _observe_job(self, job: Job, version: int) -> None:
        meta = job.metadata
        if self._controllers is not None and not is_managed_by(job.spec, self._controllers):
            if meta.uid not in self._foreign:
                self._foreign[meta.uid] = meta.namespace
                self.foreign_seen[job.spec.managed_by or JOB_CONTROLLER] += 1
            self._homes.give_up(meta.uid)
            return
        state = self._projection.states.get(meta.uid)
        if state is not None and state.gone:
            state = None  # known by its pods only, or back from a backup: told from the beginning
        if state is not None and version and version < version_of(state.resource_version):
            return  # from before our own last status
        if state is None and (namesake := self._projection.find(JobKey(meta.namespace, meta.name))) is not None:
            self._job_gone(namesake.uid)  # one name, one Job: the former was deleted, though nobody said so
        events = observe_job(state, job)
        self._report(meta.uid, events)
        if events and isinstance(events[0], JobSet):
            self._homes.welcome(self._projection.states[meta.uid])

    def _job_gone(self, uid: str) -> None:
        if uid in self._foreign:
            del self._foreign[uid]
            self._homes.foreign_gone(uid)
        state = self._projection.states.get(uid)
        if state is not None and not state.missing:
            self._report(uid, observe_job_gone(state))
