"""Whether a Job is to finish, and why: the first reason that holds, in the order in which Kubernetes asks.

Once the interim condition (FailureTarget or SuccessCriteriaMet) is there it alone speaks: the outcome is fixed.
"""

from typing import NamedTuple

from podledger.job.state import JobState
from podledger.job.success import matching_success_rule

__all__ = [
    "Finish",
    "completions_reached",
    "decide_finish",
    "failed_index_count",
    "failed_total",
    "finish_under_way",
    "may_fail_index",
    "succeeded_total",
]

FAILURE_TARGET = "FailureTarget"
SUCCESS_CRITERIA_MET = "SuccessCriteriaMet"


class Finish(NamedTuple):
    """How a Job is to finish: the interim condition's type, its reason and message."""

    condition: str
    reason: str
    message: str

    @property
    def failing(self) -> bool:
        """Whether the Job is to fail."""
        return self.condition == FAILURE_TARGET


SUCCESS_POLICY = "SuccessPolicy"
BACKOFF_LIMIT_EXCEEDED = Finish(FAILURE_TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit")
DEADLINE_EXCEEDED = Finish(FAILURE_TARGET, "DeadlineExceeded", "Job was active longer than specified deadline")
MAX_FAILED_INDEXES_EXCEEDED = Finish(
    FAILURE_TARGET,
    "MaxFailedIndexesExceeded",
    "Job has exceeded the specified maximal number of failed indexes",
)
FAILED_INDEXES = Finish(FAILURE_TARGET, "FailedIndexes", "Job has failed indexes")
BY_REASON = {
    finish.reason: finish
    for finish in (BACKOFF_LIMIT_EXCEEDED, DEADLINE_EXCEEDED, MAX_FAILED_INDEXES_EXCEEDED, FAILED_INDEXES)
}


def succeeded_total(state: JobState) -> int:
    """Results that count as successes, those not yet written included."""
    if not state.indexed:
        return state.succeeded + len(state.uncounted_succeeded) + state.tally.new_succeeded
    return state.completed.size + sum(1 for index in state.tally.new_indexes if index not in state.completed)


def failed_total(state: JobState) -> int:
    """Results that count as failures, those not yet written included, without those a policy ignores."""
    return state.failed + len(state.uncounted_failed) + state.tally.new_failed


def failed_index_count(state: JobState) -> int:
    """How many indexes have failed for good, those not yet written included."""
    return state.failed_indexes.size + sum(1 for i in state.tally.new_failed_indexes if may_fail_index(state, i))


def may_fail_index(state: JobState, index: int) -> bool:
    """Whether a failure of this index can still fail it: completed and failed indexes never meet."""
    return index not in state.failed_indexes and index not in state.completed and index not in state.tally.new_indexes


def decide_finish(state: JobState, now: float) -> Finish | None:
    """Ranks 1 to 8: those that are looked at before replica management."""
    for condition in (SUCCESS_CRITERIA_MET, FAILURE_TARGET):
        known = state.condition(condition)
        if known is not None and known.status == "True":
            return Finish(condition, known.reason, known.message)
    if state.fail_job:
        return Finish(FAILURE_TARGET, "PodFailurePolicy", state.fail_job)
    spec = state.spec
    if failed_total(state) > _backoff_limit(state) or _past_restart_limit(state):
        return BACKOFF_LIMIT_EXCEEDED
    if _past_deadline(state, now):
        return DEADLINE_EXCEEDED
    if not state.indexed:
        return None
    if state.per_index:
        failed = failed_index_count(state)
        if spec.max_failed_indexes is not None and failed > spec.max_failed_indexes:
            return MAX_FAILED_INDEXES_EXCEEDED
        if failed > 0 and failed + succeeded_total(state) >= (spec.completions or 0):
            return FAILED_INDEXES
    return _by_success_policy(state)


def finish_under_way(state: JobState) -> Finish | None:
    """What the sync under way deletes pods for, None if it deletes none or the reason cannot have changed.

    Upstream's sync works on what it saw at its start. Seen anew, deleted pods may have taken the reason with them
    (their restarts), or have failed by the delete in a way that a failure policy takes for a reason of its own.
    """
    if state.finish_reason == SUCCESS_POLICY:
        return _by_success_policy(state)
    return BY_REASON.get(state.finish_reason)


def completions_reached(state: JobState) -> Finish | None:
    """Rank 9: enough pods succeeded and none is active; looked at after replica management."""
    if state.tally.active > 0:
        return None
    total = succeeded_total(state)
    wanted = state.spec.completions
    if (total > 0) if wanted is None else (total >= wanted):
        return Finish(SUCCESS_CRITERIA_MET, "CompletionsReached", "Reached expected number of succeeded pods")
    return None


def _by_success_policy(state: JobState) -> Finish | None:
    rule = matching_success_rule(state)
    return None if rule is None else Finish(SUCCESS_CRITERIA_MET, SUCCESS_POLICY, f"Matched rules at index {rule}")


def _backoff_limit(state: JobState) -> int:
    limit = state.spec.backoff_limit
    return 6 if limit is None else limit


def _past_restart_limit(state: JobState) -> bool:
    """OnFailure only: restarts in place are failures too; one fewer is allowed than failed pods."""
    if state.spec.template.spec.get("restartPolicy") != "OnFailure":
        return False
    limit, restarts = _backoff_limit(state), state.tally.restarts
    return restarts > 0 if limit == 0 else restarts >= limit


def _past_deadline(state: JobState, now: float) -> bool:
    limit_s = state.spec.active_deadline_seconds
    if limit_s is None or state.spec.suspend:
        return False
    # A Job that was never synced starts with this very sync.
    return limit_s <= 0 if not state.start_s else now >= state.start_s + limit_s
