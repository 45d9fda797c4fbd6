"""What a finished Job must say of itself, by a model so naive that it fits on a page: from its spec and its counts.

It knows nothing of syncs, pods or time. How the counts came about is `cluster_oracle.py`'s.
"""

from podledger.api.job import Job
from podledger.job.intervals import parse_intervals

__all__ = ["wrong_outcome"]


def wrong_outcome(job: Job) -> str:
    """What is wrong with the outcome of a finished Job, "" if nothing is."""
    outcomes = [each for each in job.status.conditions if each.type in ("Complete", "Failed") and each.status == "True"]
    if len(outcomes) != 1:
        return f"{len(outcomes)} outcomes"
    (outcome,) = outcomes
    interim = "SuccessCriteriaMet" if outcome.type == "Complete" else "FailureTarget"
    if not job.status.is_true(interim):
        return f"{outcome.type} without {interim}"
    if outcome.reason == "PodFailurePolicy" and _may_fail_by_policy(job):
        return ""
    may_be = _reason_to_fail(job) or _reason_to_succeed(job)
    return "" if outcome.reason == may_be else f"{outcome.reason}, but the counts say {may_be or 'that it goes on'}"


def _reason_to_succeed(job: Job) -> str:
    """Why the Job must have succeeded, "" if it must not. A work queue has done enough with one success."""
    spec, succeeded = job.spec, job.status.succeeded
    rules = spec.success_policy.rules if spec.success_policy is not None else ()
    if any(rule.succeeded_count is not None and succeeded >= rule.succeeded_count for rule in rules):
        return "SuccessPolicy"
    wanted = 1 if spec.completions is None else spec.completions
    return "CompletionsReached" if succeeded >= wanted else ""


def _may_fail_by_policy(job: Job) -> bool:
    """Whether some exit of a pod fails the Job at once."""
    policy = job.spec.pod_failure_policy
    return policy is not None and any(rule.action == "FailJob" for rule in policy.rules)


def _reason_to_fail(job: Job) -> str:
    """Why the Job must have failed, "" if it must not."""
    spec, status = job.spec, job.status
    if spec.backoff_limit_per_index is not None:
        failed = parse_intervals(status.failed_indexes or "", spec.completions or 0).size
        return "FailedIndexes" if failed and failed + status.succeeded >= (spec.completions or 0) else ""
    limit = 6 if spec.backoff_limit is None else spec.backoff_limit
    return "BackoffLimitExceeded" if status.failed > limit else ""
