"""Which Job a pod concerns: its owner, one whose selector it matches, or one that only its pods still tell of.

Pods may be shown before their Job, outlive it, lose their owner or change it. What the pod's state means for its Job
is `job/observation.py`; what is stale was sorted out by `reflector.py` before.
"""

from collections.abc import Callable, Mapping, Sequence

from podledger.api.pod import Pod
from podledger.freshness import IsGone
from podledger.job.event import JobEvent, JobMissing
from podledger.job.names import FINALIZER
from podledger.job.observation import observe_pod, observe_pod_gone, observe_stray
from podledger.job.state import JobState
from podledger.projection import Projection

__all__ = ["PodHomes"]

_UID_LABEL = "batch.kubernetes.io/controller-uid"

Report = Callable[[str, Sequence[JobEvent]], None]


class PodHomes:
    """Finds the Jobs of pods. `report` folds events of a Job; `foreign` are the Jobs that others manage.

    `_homes` has the Job of every owned pod that is of interest, `_waiting` the pods whose Job was not shown yet, or
    that have to be freed when it goes, `_orphans` those without an owner, and `_claims` the Jobs that keep an eye on
    one of these.
    """

    def __init__(
        self, projection: Projection, foreign: Mapping[str, object], report: Report, *, frees_strays: bool = False
    ) -> None:
        """`frees_strays`: whether pods that nobody accounts for are ours to free of the finalizer."""
        self._frees_strays = frees_strays
        self._projection, self._foreign, self._report = projection, foreign, report
        self._homes: dict[str, str] = {}
        self._waiting: dict[str, dict[str, Pod]] = {}
        self._orphans: dict[str, Pod] = {}
        self._claims: dict[str, dict[str, None]] = {}
        self._settled = False
        for state in projection:  # what became of them while nobody watched is seen against what was known
            for pod in state.pods.values():
                if pod.owned:
                    self._homes[pod.uid] = state.uid
                else:
                    self._claims.setdefault(pod.uid, {})[state.uid] = None

    def __repr__(self) -> str:
        waiting = sum(len(pods) for pods in self._waiting.values())
        return f"<PodHomes {len(self._homes)} at home, {waiting} waiting, {len(self._orphans)} orphans>"

    # ---- what is seen -----------------------------------------------------------------------------------------------

    def observe(self, pod: Pod) -> None:
        """Take in a pod as it is now."""
        uid, owner = pod.metadata.uid, pod.metadata.controller()
        if owner is None:
            self._observe_orphan(pod)
            return
        job = owner.uid if owner.kind == "Job" and owner.api_version.startswith("batch/") else ""
        if uid in self._orphans or self._homes.get(uid, job) != job:
            self._leave(uid, job)
        if job in self._foreign:
            self._observe_foreign(job, pod)
        elif job:
            self._observe_owned(job, pod)

    def created(self, state: JobState, pod: Pod) -> None:
        """We created this pod ourselves."""
        self._keep(state, pod.metadata.uid)

    def gone(self, uid: str) -> None:
        """The pod is not there any more."""
        self._leave(uid, "")

    def known_version(self, pod: Pod) -> int:
        """The version of this pod that its Job knows, 0 for none."""
        owner = pod.metadata.controller()
        state = None if owner is None else self._projection.states.get(owner.uid)
        known = None if state is None else state.pods.get(pod.metadata.uid)
        return 0 if known is None else known.resource_version

    # ---- what Jobs have to do with it -------------------------------------------------------------------------------

    def welcome(self, state: JobState) -> None:
        """A Job was shown for the first time: here are the pods that were there before it."""
        for pod in self._waiting.pop(state.uid, {}).values():
            self.observe(pod)
        for pod in [pod for pod in self._orphans.values() if pod.metadata.namespace == state.namespace]:
            self._observe_orphan(pod)

    def give_up(self, job: str) -> None:
        """The Job is somebody else's to manage: so are its pods, for as long as it is there."""
        for pod in list(self._waiting.get(job, {}).values()):
            self._observe_foreign(job, pod)

    def foreign_gone(self, job: str) -> None:
        """A Job that somebody else managed is not there any more: nobody frees the pods that it leaves."""
        for pod in list(self._waiting.get(job, {}).values()):
            self._observe_lost(job, pod)

    def settle(self) -> None:
        """Jobs and pods were listed: a pod that is being deleted and whose Job is not there must lose the finalizer."""
        self._settled = True
        for pods in list(self._waiting.values()):
            for pod in list(pods.values()):
                self.observe(pod)
        for pod in list(self._orphans.values()):
            self._free_stray(pod)

    def unsettle(self) -> None:
        """Jobs and pods are to be listed anew: until then whose Job is not there is not known."""
        self._settled = False

    def drop_unlisted(self, is_gone: IsGone) -> None:
        """Forget the pods that a list shows to be gone."""
        for state in list(self._projection):
            lost = [pod.uid for pod in state.pods.values() if is_gone(state.namespace, pod.uid, pod.resource_version)]
            for uid in lost:
                self._report(state.uid, observe_pod_gone(state, uid))
                self._leave(uid, "")
        shown = [*self._orphans.values(), *(pod for pods in self._waiting.values() for pod in pods.values())]
        for pod in shown:
            if is_gone(pod.metadata.namespace, pod.metadata.uid, 0):
                self._leave(pod.metadata.uid, "")

    # ---- homes ------------------------------------------------------------------------------------------------------

    def _observe_owned(self, job: str, pod: Pod) -> None:
        meta = pod.metadata
        state = self._projection.states.get(job)
        if state is not None:
            self._take_home(state, pod)
        elif meta.deletion_timestamp is not None and FINALIZER in meta.finalizers and self._settled:
            self._observe_lost(job, pod)
        else:
            self._wait_for(job, pod)

    def _observe_lost(self, job: str, pod: Pod) -> None:
        """Nobody but us takes its finalizer off; the sync asks the cluster first whether the Job is really gone."""
        owner = pod.metadata.controller()
        assert owner is not None, "it names the Job"
        if job not in self._projection.states:
            self._report(job, [JobMissing(job, pod.metadata.namespace, owner.name)])
        self._take_home(self._projection.states[job], pod)

    def _observe_foreign(self, job: str, pod: Pod) -> None:
        """A pod of somebody else's Job: ours to free once the Job is gone, if that is our business at all."""
        if self._frees_strays and FINALIZER in pod.metadata.finalizers:
            self._wait_for(job, pod)
        else:
            self._stop_waiting(job, pod.metadata.uid)
            self._homes.pop(pod.metadata.uid, None)

    def _wait_for(self, job: str, pod: Pod) -> None:
        self._waiting.setdefault(job, {})[pod.metadata.uid] = pod
        self._homes[pod.metadata.uid] = job

    def _take_home(self, state: JobState, pod: Pod) -> None:
        self._stop_waiting(state.uid, pod.metadata.uid)
        self._report(state.uid, observe_pod(state, pod))
        self._keep(state, pod.metadata.uid)

    def _observe_orphan(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self._orphans[uid] = pod
        home = self._homes.pop(uid, None)
        if home is not None:
            self._stop_waiting(home, uid)
        for state in self._candidates(pod, home):
            self._report(state.uid, observe_pod(state, pod))
            if uid in state.pods:
                self._claims.setdefault(uid, {})[state.uid] = None
        self._free_stray(pod)

    def _free_stray(self, pod: Pod) -> None:
        """See to it that a pod loses the finalizer that no Job will ever take off."""
        meta = pod.metadata
        uid, states = meta.uid, self._projection.states
        if not (self._frees_strays and self._settled and FINALIZER in meta.finalizers) or uid in states:
            return
        if any(job in states and uid in states[job].pods for job in self._claims.get(uid, ())):
            return  # a Job has to do with it still: it adopts it, or frees it itself
        self._report(uid, observe_stray(pod))
        self._claims.setdefault(uid, {})[uid] = None

    def _candidates(self, pod: Pod, home: str | None) -> list[JobState]:
        """The Jobs an ownerless pod may concern: former ones, the one its label names, those that choose by hand."""
        states, meta = self._projection.states, pod.metadata
        uids = [home, *self._claims.get(meta.uid, ()), meta.labels.get(_UID_LABEL)]
        found = {uid: states[uid] for uid in uids if uid is not None and uid in states}
        for state in self._projection.manual_selectors(meta.namespace):
            found[state.uid] = state
        return list(found.values())

    def _keep(self, state: JobState, uid: str) -> None:
        if uid in state.pods:
            self._homes[uid] = state.uid
        else:
            self._homes.pop(uid, None)

    def _leave(self, uid: str, owner: str) -> None:
        """The pod is no longer any Job's but `owner`'s, "" for none."""
        self._orphans.pop(uid, None)
        former = self._claims.pop(uid, {})
        home = self._homes.get(uid)
        if home is not None and home != owner:
            del self._homes[uid]
            self._stop_waiting(home, uid)
            former[home] = None
        for job in former:
            state = self._projection.states.get(job)
            if state is not None and job != owner:
                self._report(job, observe_pod_gone(state, uid))

    def _stop_waiting(self, job: str, uid: str) -> None:
        pods = self._waiting.get(job)
        if pods is not None:
            pods.pop(uid, None)
            if not pods:
                del self._waiting[job]
