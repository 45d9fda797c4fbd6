"""What must hold of the stored Jobs and pods, whatever the controller went through: told of every write, in order.

It keeps books of its own, from the cluster alone: which uids were ever listed as uncounted, and which left the lists.
So it holds as well when the log is lost. What must hold of the log is `log_oracle.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from podledger.api.job import Job, JobStatus, UncountedTerminatedPods
from podledger.api.pod import Pod
from podledger.job.command import Command, CreatePod, PublishStatus
from podledger.job.intervals import parse_intervals
from podledger.job.names import COMPLETION_INDEX, FINALIZER, INTENT_ANNOTATION
from podledger.ports import Failed, Outcome
from podledger_adapters.store import StoreChange

__all__ = ["ClusterOracle", "Violation"]

ENDED = ("Succeeded", "Failed")
TERMINAL = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")
NOTHING_LISTED = UncountedTerminatedPods()


class Violation(AssertionError):
    """An oracle found that something does not hold."""


def violated(what: str) -> NoReturn:
    """End the run."""
    raise Violation(what)


@dataclass
class Account:
    """The books of one Job. `listed` are uids that ever were in an uncounted list, with the list's name."""

    job: Job
    most_parallel: int
    listed: dict[str, str] = field(default_factory=dict[str, str])
    left: dict[str, None] = field(default_factory=dict[str, None])
    pods: dict[str, Pod] = field(default_factory=dict[str, Pod])
    removed: dict[str, None] = field(default_factory=dict[str, None])
    intents: dict[str, str] = field(default_factory=dict[str, str])
    gone: bool = False

    @property
    def indexed(self) -> bool:
        """Whether completionMode is Indexed."""
        return self.job.spec.completion_mode == "Indexed"


class ClusterOracle:
    """Follows every write. `rule_of` tells by which recorded rule a pod may be let go uncounted, "" for none."""

    def __init__(self, rule_of: Callable[[str], str]) -> None:
        self.accounts: dict[str, Account] = {}
        self._rule_of = rule_of
        # Losing the log loses what was intended but not seen: pods it knew nothing of may be too many for a while.
        self.surplus_allowed = False

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
            owner = written.metadata.controller()
            account = self.accounts.get(owner.uid) if owner is not None else None
            if account is not None:
                self._pod_changed(account, before if isinstance(before, Pod) else None, written, change.removed)

    def called(self, command: Command, outcome: Outcome | None) -> None:
        """A call was made (no outcome yet), or answered."""
        account = self.accounts.get(command.job)
        if account is None:
            return
        if isinstance(command, CreatePod) and outcome is None:
            terminal = [type_ for type_ in TERMINAL if account.job.status.is_true(type_)]
            if terminal:
                violated(f"a pod of {account.job.key} is created though the Job is {terminal[0]}")
        if isinstance(command, PublishStatus) and isinstance(outcome, Failed) and outcome.code == 422:
            violated(f"the API server refuses a status of {account.job.key}: {outcome.message}")

    def at_rest(self) -> None:
        """The run has come to rest: everything is finished, counted, published and let go."""
        for account in self.accounts.values():
            if not account.gone:
                _require_finished(account)
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
        if old.finished and (old.succeeded, old.failed) != (new.succeeded, new.failed):
            violated(f"{key} was finished with {old.succeeded}/{old.failed}, now it has {new.succeeded}/{new.failed}")
        listed_before, listed = (
            old.uncounted_terminated_pods or NOTHING_LISTED,
            (new.uncounted_terminated_pods or NOTHING_LISTED),
        )
        left_succeeded = self._lists_changed(account, "succeeded", listed_before.succeeded, listed.succeeded)
        left_failed = self._lists_changed(account, "failed", listed_before.failed, listed.failed)
        if new.failed - old.failed != left_failed:
            violated(f"{key}: failed went from {old.failed} to {new.failed} while {left_failed} uids left the list")
        if account.indexed:
            self._indexes_changed(account, old, job)
        elif new.succeeded - old.succeeded != left_succeeded:
            violated(
                f"{key}: succeeded went from {old.succeeded} to {new.succeeded}; {left_succeeded} uids left the list"
            )

    def _lists_changed(self, account: Account, name: str, before: tuple[str, ...], now: tuple[str, ...]) -> int:
        """Check a list of uncounted uids; how many left it."""
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
            if name == "succeeded" and pod.status.phase != "Succeeded":
                violated(f"{key}: {uid} in uncounted succeeded is {pod.status.phase}")
            if name == "failed" and pod.status.phase != "Failed" and pod.metadata.deletion_timestamp is None:
                violated(f"{key}: {uid} in uncounted failed is {pod.status.phase} and not being deleted")
        left = [uid for uid in before if uid not in now]
        for uid in left:
            if uid not in account.removed and FINALIZER in account.pods[uid].metadata.finalizers:
                violated(f"{key}: {uid} left uncounted {name} while its finalizer is on: it could be counted again")
        account.left.update(dict.fromkeys(left))
        return len(left)

    def _indexes_changed(self, account: Account, old: JobStatus, job: Job) -> None:
        limit = job.spec.completions or 0
        before = parse_intervals(old.completed_indexes, limit)
        now = parse_intervals(job.status.completed_indexes, limit)
        failed = parse_intervals(job.status.failed_indexes or "", limit)
        if job.status.succeeded != now.size:
            violated(f"{job.key}: succeeded is {job.status.succeeded}, completedIndexes {job.status.completed_indexes}")
        if now.count_of(before) != before.size:
            violated(
                f"{job.key}: completedIndexes lost some: {old.completed_indexes} -> {job.status.completed_indexes}"
            )
        if now.count_of(failed):
            violated(f"{job.key}: completedIndexes and failedIndexes overlap: {job.status}")

    # ---- pods --------------------------------------------------------------------------------------------------

    def _pod_changed(self, account: Account, before: Pod | None, pod: Pod, removed: bool) -> None:
        uid, key = pod.metadata.uid, account.job.key
        account.pods[uid] = pod
        if removed:
            account.removed[uid] = None
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
        if account.intents.setdefault(intent, pod.metadata.uid) != pod.metadata.uid and not self.surplus_allowed:
            violated(f"{key}: two pods were created for the intent {intent}")
        active = [uid for uid, each in account.pods.items() if _is_active(each) and uid not in account.removed]
        if len(active) > account.most_parallel and not self.surplus_allowed:
            violated(f"{key}: {len(active)} active pods, parallelism was never above {account.most_parallel}")

    def _may_be_released(self, account: Account, pod: Pod) -> str:
        """Why it may be let go: not ended, published as counted, or by a recorded rule; "" if none is known."""
        uid, job = pod.metadata.uid, account.job
        if pod.status.phase not in ENDED and pod.metadata.deletion_timestamp is None:
            return "not ended"
        if uid in account.listed:
            return f"listed as {account.listed[uid]}"
        if account.gone or job.metadata.deletion_timestamp is not None:
            return "the Job goes"
        if account.indexed and pod.status.phase == "Succeeded":
            index = int(pod.metadata.annotations.get(COMPLETION_INDEX, "-1"))
            done = parse_intervals(job.status.completed_indexes, job.spec.completions or 0)
            if index in done:
                return "its index is published as completed"
        return self._rule_of(uid)


def _is_active(pod: Pod) -> bool:
    return pod.status.phase not in ENDED and pod.metadata.deletion_timestamp is None


def _require_finished(account: Account) -> None:
    job, status = account.job, account.job.status
    if not status.finished:
        violated(f"{job.key} is not finished at rest: {status}")
    if (status.uncounted_terminated_pods or NOTHING_LISTED) != NOTHING_LISTED:
        violated(f"{job.key} is finished and has uncounted pods: {status}")
    if status.active or status.terminating:
        violated(f"{job.key} is finished and has pods: {status}")
    names = list(account.listed.values())
    if status.failed != names.count("failed"):
        violated(f"{job.key}: failed is {status.failed}, but {names.count('failed')} uids were ever listed")
    if not account.indexed and status.succeeded != names.count("succeeded"):
        violated(f"{job.key}: succeeded is {status.succeeded}, but {names.count('succeeded')} uids were ever listed")
    completions = job.spec.completions
    if status.is_true("Complete") and completions is not None and status.succeeded < completions:
        violated(f"{job.key} is Complete with {status.succeeded} of {completions}")
