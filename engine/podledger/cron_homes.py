"""Which CronJob a Job concerns: the one whose name its controller has, as Kubernetes goes by names here.

Jobs may be shown before their CronJob, outlive it, or lose their owner. What they mean for it is
`cron/observation.py`; what is stale was sorted out by `reflector.py` before. As `pod_homes.py` is for pods.
"""

from collections.abc import Callable, Sequence

from podledger.api.cronjob import CronJob
from podledger.api.job import Job, JobKey
from podledger.cron.event import CronEvent
from podledger.cron.observation import observe_cronjob, observe_cronjob_gone, observe_run, observe_run_gone
from podledger.cron_states import CronStates
from podledger.freshness import IsGone, version_of

__all__ = ["CronHomes"]

Report = Callable[[str, Sequence[CronEvent]], None]


class CronHomes:
    """Follows CronJobs and their runs. `report` folds events of a CronJob.

    `_owned` has the Jobs that name a controller, as they were seen last, by that name, and `_homes` each one's.
    """

    def __init__(self, states: CronStates, report: Report) -> None:
        self._states, self._report = states, report
        self._owned: dict[JobKey, dict[str, Job]] = {}
        self._homes: dict[str, JobKey] = {}

    def __repr__(self) -> str:
        return f"<CronHomes {len(self._states)} CronJobs, {len(self._homes)} Jobs>"

    # ---- CronJobs ---------------------------------------------------------------------------------------------------

    def observe(self, cronjob: CronJob, version: int) -> None:
        """Take in a CronJob as it is now; `version` is the number of its resourceVersion."""
        meta = cronjob.metadata
        state = self._states.get(meta.uid)
        if state is not None and version and version < version_of(state.resource_version):
            return  # from before our own last status
        if state is None and (namesake := self._states.find(cronjob.key)) is not None:
            self.gone(namesake.uid)  # one name, one CronJob: the former was deleted, though nobody said so
        self._report(meta.uid, observe_cronjob(state, cronjob))
        if state is None:
            state = self._states.get(meta.uid)
            assert state is not None, "just set"
            for job in self._owned.get(state.key, {}).values():
                self._report(state.uid, observe_run(state, job))

    def known_version(self, cronjob: CronJob) -> int:
        """The version of the CronJob that is known, 0 for none."""
        state = self._states.get(cronjob.metadata.uid)
        return 0 if state is None else version_of(state.resource_version)

    def gone(self, uid: str) -> None:
        """The CronJob is not there any more."""
        state = self._states.get(uid)
        if state is not None:
            self._report(uid, observe_cronjob_gone(state))

    def drop_unlisted(self, is_gone: IsGone) -> None:
        """Forget the CronJobs that a list shows to be gone."""
        for state in list(self._states):
            if is_gone(state.namespace, state.uid, version_of(state.resource_version)):
                self.gone(state.uid)

    # ---- Jobs -------------------------------------------------------------------------------------------------------

    def observe_job(self, job: Job) -> None:
        """Take in a Job as it is now."""
        meta = job.metadata
        controller = meta.controller()
        home = None if controller is None else JobKey(meta.namespace, controller.name)
        if self._homes.get(meta.uid, home) != home:
            self.job_gone(meta.uid)
        if home is None:
            return
        self._homes[meta.uid] = home
        self._owned.setdefault(home, {})[meta.uid] = job
        if (state := self._states.find(home)) is not None:
            self._report(state.uid, observe_run(state, job))

    def job_gone(self, uid: str) -> None:
        """The Job is not there any more, or nobody's."""
        home = self._homes.pop(uid, None)
        if home is None:
            return
        owned = self._owned[home]
        owned.pop(uid, None)
        if not owned:
            del self._owned[home]
        if (state := self._states.find(home)) is not None:
            self._report(state.uid, observe_run_gone(state, uid))

    def drop_unlisted_jobs(self, is_gone: IsGone) -> None:
        """Forget the Jobs that a list shows to be gone; one that we made since cannot be in it."""
        for uid in [uid for uid, home in self._homes.items() if is_gone(home.namespace, uid, 0)]:
            self.job_gone(uid)
        for state in list(self._states):
            for run in list(state.runs.values()):
                if is_gone(state.namespace, run.uid, run.resource_version):
                    self._report(state.uid, observe_run_gone(state, run.uid))
