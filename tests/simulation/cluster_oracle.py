"""What must hold of the stored Jobs and pods, whatever the controller went through: told of every write, in order.

It keeps books of its own, from the cluster alone: which uids were ever listed as uncounted, and which left the lists.
So it holds as well when the log is lost. What must hold of the log is `log_oracle.py`.
"""

from collections.abc import Callable, Sequence

from podledger.api.defaults import CONTROLLER_UID_LABEL
from podledger.api.job import Job, JobStatus
from podledger.api.pod import Pod
from podledger.job.command import Command, CreatePod, PublishStatus
from podledger.job.intervals import parse_intervals
from podledger.job.names import FINALIZER, INTENT_ANNOTATION
from podledger.ports import Created, Failed, Outcome
from podledger_adapters.store import StoreChange
from tests.simulation.account import ENDED, NOTHING_LISTED, Account, is_active, require_finished, violated
from tests.simulation.saboteur import NOTE, STRIPPED

__all__ = ["ClusterOracle"]

TERMINAL = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")


class ClusterOracle:
    """Follows every write. What the log says of a pod is asked for only where the cluster cannot tell.

    `rule_of`: by which recorded rule a pod may be let go uncounted, "" for none; `judgement_of`: as what the log counts
    it towards the counters, "" for not at all.
    """

    def __init__(self, rule_of: Callable[[str], str], judgement_of: Callable[[str], str]) -> None:
        self.accounts: dict[str, Account] = {}
        self._rule_of, self._judgement_of = rule_of, judgement_of
        # Losing the log loses what was intended but not seen: pods it knew nothing of may be too many for a while.
        self.surplus_allowed = False
        # What a lost log knew of pods that were let go is known to nobody any more.
        self.log_lost = False

    def told(self, change: StoreChange) -> None:
        """One write was made."""
        written, before = change.object, change.previous
        if isinstance(written, Job):
            account = self.accounts.get(written.metadata.uid)
            if account is None:
                account = self.accounts[written.metadata.uid] = Account(written, written.spec.parallelism or 0)
            account.most_parallel = max(account.most_parallel, written.spec.parallelism or 0)
            account.gone = change.removed
            if isinstance(before, Job):
                self._status_changed(account, before.status, written)
            account.job = written
        elif isinstance(written, Pod):
            account = self._account_of(written)
            if account is not None:
                self._pod_changed(account, before if isinstance(before, Pod) else None, written, change.removed)

    def _account_of(self, pod: Pod) -> Account | None:
        """The books that a pod is in, though it may have lost its owner since; None for nobody's."""
        owner = pod.metadata.controller()
        if owner is not None:
            return self.accounts.get(owner.uid)
        return next((each for each in self.accounts.values() if pod.metadata.uid in each.pods), None)

    def restored(self, objects: Sequence[Job | Pod]) -> None:
        """The cluster was set back to these objects: what was counted stands, pods live again or were never made."""
        pods = {each.metadata.uid: each for each in objects if isinstance(each, Pod)}
        jobs = {each.metadata.uid: each for each in objects if isinstance(each, Job)}
        for uid, account in self.accounts.items():
            account.job, account.carried_over = jobs[uid], dict(account.listed)
            account.intents = {intent: pod for intent, pod in account.intents.items() if pod in pods}
            if (
                account.stripped
            ):  # one that was kept from counting is held again: it may count if nobody knows of the end
                account.final = None
            for pod in account.pods:
                if pod in pods:
                    account.pods[pod] = pods[pod]
                    account.removed.pop(pod, None)
                    account.undone.pop(pod, None)
                elif not account.has_gone(pod):
                    account.removed[pod] = account.undone[pod] = None
        # Pods that were to be deleted are active again, beside those that were made in their place.
        self.surplus_allowed = True

    def called(self, command: Command, outcome: Outcome | None, *, late: bool) -> None:
        """A call was made (no outcome yet), or answered; `late`: by a controller that is dead or was replaced."""
        account = self.accounts.get(command.job)
        if account is None:
            return
        if isinstance(outcome, Created) and late and outcome.pod.metadata.uid not in account.pods:
            account.late[outcome.pod.metadata.uid] = None
        if isinstance(command, CreatePod) and outcome is None and not late:
            terminal = [type_ for type_ in TERMINAL if account.job.status.is_true(type_)]
            if terminal:
                violated(f"a pod of {account.job.key} is created though the Job is {terminal[0]}")
        if isinstance(command, PublishStatus) and isinstance(outcome, Failed) and outcome.code == 422:
            violated(f"the API server refuses a status of {account.job.key}: {outcome.message}")

    def at_rest(self) -> None:
        """The run has come to rest: everything is finished, counted, published and let go."""
        for account in self.accounts.values():
            if not account.gone:
                require_finished(account)
                self._require_one_end_each(account)
        if self.held():
            violated(f"all Jobs are finished and pods are held: {self.held()}")

    def held(self) -> list[str]:
        """The names of pods that still bear the finalizer."""
        return [
            pod.metadata.name
            for account in self.accounts.values()
            for uid, pod in account.pods.items()
            if uid not in account.removed and FINALIZER in pod.metadata.finalizers
        ]

    # ---- statuses ----------------------------------------------------------------------------------------------

    def _status_changed(self, account: Account, old: JobStatus, job: Job) -> None:
        new, key = job.status, job.key
        if old == new:
            return
        if old.is_true(NOTE) and not new.is_true(NOTE):
            violated(f"{key}: the condition that somebody wrote is lost: {new}")
        if (old.finished or new.finished) and account.final not in (None, (new.succeeded, new.failed)):
            violated(f"{key} was finished with {account.final}, now it has {new.succeeded}/{new.failed}")
        if new.finished:
            account.final = (new.succeeded, new.failed)
        if counts_of(old) == counts_of(new):
            return  # whatever the log counts meanwhile is in a status to come
        listed = new.uncounted_terminated_pods or NOTHING_LISTED
        self._lists_changed(account, "succeeded", listed.succeeded)
        self._lists_changed(account, "failed", listed.failed)
        for uid in (*account.undone, *account.disowned, *account.stripped):
            # Its count is in the log. With nothing left to hold, it goes from there to the counters.
            judgement = self._judgement_of(uid)
            if judgement and uid not in account.listed:
                account.listed[uid], account.left[uid] = judgement, None
        if new.failed != account.settled("failed"):
            violated(f"{key}: failed is {new.failed}, and {account.settled('failed')} uids ever left the list")
        if account.indexed:
            self._indexes_changed(account, job)
        elif new.succeeded != account.settled("succeeded"):
            violated(f"{key}: succeeded is {new.succeeded}, and {account.settled('succeeded')} uids ever left the list")

    def _lists_changed(self, account: Account, name: str, now: tuple[str, ...]) -> None:
        """Check a list of uncounted uids, and note those that left it."""
        key = account.job.key
        if len(set(now)) != len(now):
            violated(f"{key}: a uid is in uncounted {name} twice")
        for uid in now:
            if uid in account.left:
                violated(f"{key}: {uid} was counted as {account.listed[uid]} and is in uncounted {name} again")
            if account.listed.setdefault(uid, name) != name:
                violated(f"{key}: {uid} was in uncounted {account.listed[uid]} and is in uncounted {name}")
            pod = account.pods.get(uid)
            if pod is None:
                violated(f"{key}: {uid} in uncounted {name} is no pod of this Job")
            ends = account.ends.get(uid, ())
            if name == "succeeded" and "Succeeded" not in ends:
                violated(f"{key}: {uid} in uncounted succeeded is {pod.status.phase}")
            if name == "failed" and "Failed" not in ends and uid not in account.deleted:
                violated(f"{key}: {uid} in uncounted failed is {pod.status.phase} and not being deleted")
        # All that ever was in it: a restored cluster lists what had left, and not what came later.
        left = [
            uid for uid, was in account.listed.items() if was == name and uid not in now and uid not in account.left
        ]
        for uid in left:
            # Of what was listed before a restore the log knows, whether the restored cluster lists it or not.
            if uid in account.carried_over or uid in account.disowned or account.has_gone(uid):
                continue
            if FINALIZER in account.pods[uid].metadata.finalizers:
                violated(f"{key}: {uid} left uncounted {name} while its finalizer is on: it could be counted again")
        account.left.update(dict.fromkeys(left))

    def _indexes_changed(self, account: Account, job: Job) -> None:
        limit = job.spec.completions or 0
        before = account.completed
        now = parse_intervals(job.status.completed_indexes, limit)
        failed = parse_intervals(job.status.failed_indexes or "", limit)
        if job.status.succeeded != now.size:
            violated(f"{job.key}: succeeded is {job.status.succeeded}, completedIndexes {job.status.completed_indexes}")
        if now.count_of(before) != before.size:
            violated(f"{job.key}: completedIndexes lost some: {before.format()} -> {job.status.completed_indexes}")
        if now.count_of(failed):
            violated(f"{job.key}: completedIndexes and failedIndexes overlap: {job.status}")
        account.completed = now

    # ---- pods --------------------------------------------------------------------------------------------------

    def _pod_changed(self, account: Account, before: Pod | None, pod: Pod, removed: bool) -> None:
        uid, key = pod.metadata.uid, account.job.key
        account.pods[uid] = pod
        if pod.status.phase in ENDED:
            account.ends[uid] = (*account.ends.get(uid, ()), pod.status.phase)
        if pod.metadata.deletion_timestamp is not None:
            account.deleted[uid] = None
        if removed:
            account.removed[uid] = None
        if STRIPPED in pod.metadata.annotations:
            account.stripped[uid] = None
        if pod.metadata.controller() is None or CONTROLLER_UID_LABEL not in pod.metadata.labels:
            account.disowned[uid] = None
        if before is None:
            self._pod_created(account, pod)
            return
        had, has = FINALIZER in before.metadata.finalizers, FINALIZER in pod.metadata.finalizers
        if had and (not has or removed):
            why = self._may_be_released(account, before)
            if not why:
                violated(
                    f"{key}: {before.metadata.name} ({before.status.phase}) is let go and nothing tells that it counted"
                )

    def _pod_created(self, account: Account, pod: Pod) -> None:
        key, name = account.job.key, pod.metadata.name
        if FINALIZER not in pod.metadata.finalizers:
            violated(f"{key}: {name} was created without the finalizer")
        intent = pod.metadata.annotations.get(INTENT_ANNOTATION, "")
        if not intent:
            violated(f"{key}: {name} bears no intent")
        uid = pod.metadata.uid
        if uid in account.late:
            self._late_pod_created(account, uid, intent)
            return
        former = account.intents.setdefault(intent, uid)
        taken = former in account.disowned or former in account.stripped  # and gone since, it may be
        if former != uid and not taken and not self.surplus_allowed:
            violated(f"{key}: two pods were created for the intent {intent}")
        active = [
            uid
            for uid, each in account.pods.items()
            if is_active(each) and not account.has_gone(uid) and uid not in account.late and uid not in account.disowned
        ]
        if len(active) > account.most_parallel and not self.surplus_allowed:
            violated(f"{key}: {len(active)} active pods, parallelism was never above {account.most_parallel}")

    def _late_pod_created(self, account: Account, uid: str, intent: str) -> None:
        """A replaced controller's call arrived: its pod is surplus, and may bear an intent whose pod went meanwhile."""
        former = account.intents.setdefault(intent, uid)
        if former != uid and not account.has_gone(former) and not self.surplus_allowed:
            violated(f"{account.job.key}: a late call made a second pod for the intent {intent}, beside {former}")
        if account.job.status.finished:
            account.after_end[uid] = None

    def _require_one_end_each(self, account: Account) -> None:
        """Each pod counted, or was let go by a recorded rule: none fell through."""
        key = account.job.key
        for uid, pod in account.pods.items():
            if uid in account.listed or (account.indexed and account.completed_its_index(pod)):
                if uid in account.after_end:
                    violated(f"{key}: {uid} was created after the Job had finished, and counted")
            elif not (self._rule_of(uid) or self.log_lost or account.is_excused(uid)):
                violated(f"{key}: {uid} ({pod.status.phase}) neither counted nor was it let go by any rule")
            if uid in account.after_end and not account.has_gone(uid) and is_active(pod):
                violated(f"{key}: {uid} was created after the Job had finished, and is active still")

    def _may_be_released(self, account: Account, pod: Pod) -> str:
        """Why it may be let go: not ended, published as counted, or by a recorded rule; "" if none is known."""
        uid, job = pod.metadata.uid, account.job
        if pod.status.phase not in ENDED and pod.metadata.deletion_timestamp is None:
            return "not ended"
        if uid in account.listed:
            return f"listed as {account.listed[uid]}"
        if uid in account.disowned:
            return "the Job had to let it go"
        if uid in account.stripped:
            return "somebody took its finalizer off"
        if account.gone or job.metadata.deletion_timestamp is not None:
            return "the Job goes"
        if account.indexed and account.completed_its_index(pod):
            return "its index is published as completed"
        return self._rule_of(uid)


def counts_of(status: JobStatus) -> tuple[object, ...]:
    """All that a status counts by."""
    listed = status.uncounted_terminated_pods or NOTHING_LISTED
    return status.succeeded, status.failed, listed, status.completed_indexes, status.failed_indexes
