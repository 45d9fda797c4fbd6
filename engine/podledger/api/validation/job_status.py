"""Rules of a Job's status when it is written: what the API server enforces against a controller's mistakes.

Most rules are checked only when something they speak of changes, so that a status made invalid by a change of the spec
(completedIndexes beyond a lowered completions) does not stand in the way of unrelated writes.
"""

from msgspec import Struct

from podledger.api.field_error import OMITTED, FieldError, duplicate, invalid, required
from podledger.api.job import Job, JobStatus
from podledger.api.validation.go_types import internal_uncounted
from podledger.api.validation.indexes import IndexListFault, count_indexes, is_in_order, overlap_fault
from podledger.api.validation.metadata import IMMUTABLE, not_negative, validate_metadata_update

__all__ = ["validate_status_update"]

CONDITIONS = "status.conditions"
SUCCESS = "SuccessCriteriaMet"
ENDS = ("Complete", "Failed")
NO_CONDITIONS: frozenset[str] = frozenset()


def validate_status_update(new: Job, old: Job) -> list[FieldError]:
    """A write of the status subresource; `new` carries the stored spec."""
    changes = Changes.between(new, old)
    errors: list[FieldError] = []
    if new.metadata is not old.metadata:  # else it is the stored one, which was judged when it was stored
        errors += validate_metadata_update(new.metadata, old.metadata)
    errors += validate_counts(new.status)
    errors += validate_complete(new, changes)
    errors += validate_finished(new, changes)
    errors += validate_index_lists(new, changes)
    errors += validate_pods_left(new, changes)
    errors += validate_success_criteria(new, changes)
    return errors + validate_transition(new, old, changes)


class Changes(Struct, frozen=True):
    """What a status write changes; conditions count by whether they are True.

    `now` and `before` are the types of the conditions that are True: every rule asks for some, so they are looked up
    once.
    """

    now: frozenset[str]
    before: frozenset[str]
    complete: bool
    failed: bool
    failure_target: bool
    success_criteria: bool
    finished: bool
    active: bool
    ready: bool
    terminating: bool
    uncounted: bool
    start_time: bool
    completion_time: bool
    completed_indexes: bool
    failed_indexes: bool

    @classmethod
    def between(cls, new: Job, old: Job) -> "Changes":
        """Compare two states of a Job."""
        now, before = new.status, old.status
        is_true, was_true = true_conditions(now), true_conditions(before)
        turned = is_true ^ was_true
        return cls(
            now=is_true,
            before=was_true,
            complete="Complete" in turned,
            failed="Failed" in turned,
            failure_target="FailureTarget" in turned,
            success_criteria=SUCCESS in turned,
            finished=is_true.isdisjoint(ENDS) != was_true.isdisjoint(ENDS),
            active=now.active != before.active,
            ready=now.ready != before.ready,
            terminating=now.terminating != before.terminating,
            uncounted=now.uncounted_terminated_pods != before.uncounted_terminated_pods,
            start_time=now.start_time != before.start_time,
            completion_time=now.completion_time != before.completion_time,
            completed_indexes=now.completed_indexes != before.completed_indexes,
            failed_indexes=now.failed_indexes != before.failed_indexes,
        )


def true_conditions(status: JobStatus) -> frozenset[str]:
    """The types of the conditions that are True; of several of one type the first one counts."""
    if not status.conditions:
        return NO_CONDITIONS
    first = {condition.type: condition.status for condition in reversed(status.conditions)}
    return frozenset(kind for kind, value in first.items() if value == "True")


def refused(detail: str) -> FieldError:
    """A violation of the conditions as a whole."""
    return invalid(CONDITIONS, OMITTED, detail)


def validate_counts(status: JobStatus) -> list[FieldError]:
    """No negative count; every uncounted uid once."""
    errors: list[FieldError] = []
    for name, value in (
        ("active", status.active),
        ("succeeded", status.succeeded),
        ("failed", status.failed),
        ("ready", status.ready),
        ("terminating", status.terminating),
    ):
        if value is not None and value < 0:
            errors += not_negative(f"status.{name}", value)
    uncounted = status.uncounted_terminated_pods
    if uncounted is None:
        return errors
    seen: set[str] = set()
    for name, uids in (("succeeded", uncounted.succeeded), ("failed", uncounted.failed)):
        for number, uid in enumerate(uids):
            path = f"status.uncountedTerminatedPods.{name}[{number}]"
            if not uid:
                errors.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(path, uid))
            seen.add(uid)
    return errors


def validate_complete(new: Job, changes: Changes) -> list[FieldError]:
    """What Complete and Failed ask of the other conditions and of completionTime."""
    errors: list[FieldError] = []
    status, now = new.status, changes.now
    complete, failed, target = "Complete" in now, "Failed" in now, "FailureTarget" in now
    if (changes.complete or changes.failed) and complete and failed:
        errors.append(refused("cannot set Complete=True and Failed=true conditions"))
    if (changes.complete or changes.failure_target) and complete and target:
        errors.append(refused("cannot set Complete=True and FailureTarget=true conditions"))
    if changes.complete or changes.completion_time:
        if status.completion_time is not None and not complete:
            detail = "cannot set completionTime when there is no Complete=True condition"
            errors.append(invalid("status.completionTime", status.completion_time, detail))
        if status.completion_time is None and complete:
            errors.append(required("status.completionTime", "completionTime is required for Complete jobs"))
    started, ended = status.start_time, status.completion_time
    if (changes.start_time or changes.completion_time) and started and ended and ended < started:
        errors.append(invalid("status.completionTime", ended, "completionTime cannot be set before startTime"))
    if (changes.failed or changes.failed_indexes) and failed and not target:
        errors.append(refused("cannot set Failed=True condition without the FailureTarget=true condition"))
    if (changes.complete or changes.success_criteria) and complete and SUCCESS not in now:
        errors.append(refused("cannot set Complete=True condition without the SuccessCriteriaMet=true condition"))
    return errors


def validate_finished(new: Job, changes: Changes) -> list[FieldError]:
    """A finished Job has no active pod, a start and nothing left to count."""
    errors: list[FieldError] = []
    status, uncounted = new.status, new.status.uncounted_terminated_pods
    if changes.now.isdisjoint(ENDS):
        return errors
    if (changes.finished or changes.active) and status.active > 0:
        errors.append(invalid("status.active", status.active, "active>0 is invalid for finished job"))
    never_started = bool(new.spec.suspend) and new.spec.completions == 0
    if (changes.finished or changes.start_time) and status.start_time is None and not never_started:
        errors.append(required("status.startTime", "startTime is required for finished job"))
    listed = uncounted is not None and bool(uncounted.succeeded or uncounted.failed)
    if (changes.finished or changes.uncounted) and uncounted is not None and listed:
        detail = "uncountedTerminatedPods needs to be empty for finished job"
        errors.append(invalid("status.uncountedTerminatedPods", internal_uncounted(uncounted), detail))
    return errors


def validate_index_lists(new: Job, changes: Changes) -> list[FieldError]:
    """completedIndexes and failedIndexes: readable, within bounds, disjoint, and only where they have a meaning."""
    errors: list[FieldError] = []
    spec, completed, failed = new.spec, new.status.completed_indexes, new.status.failed_indexes
    completions, per_index = spec.completions, spec.backoff_limit_per_index is not None
    if changes.completed_indexes and completions is not None:
        errors += unreadable("completedIndexes", completed, completions)
    if changes.failed_indexes and completions is not None and per_index and failed is not None:
        errors += unreadable("failedIndexes", failed, completions)
    if changes.completed_indexes and completed and spec.completion_mode != "Indexed":
        detail = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid("status.completedIndexes", completed, detail))
    if changes.failed_indexes and failed is not None and not per_index:
        detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid("status.failedIndexes", failed, detail))
    if (changes.failed_indexes or changes.completed_indexes) and completions is not None and failed is not None:
        overlap = overlap_fault(completed, failed, completions)
        if overlap is not None:
            errors.append(invalid("status.failedIndexes", failed, overlap))
    return errors


def unreadable(name: str, text: str, completions: int) -> list[FieldError]:
    """The fault of an index list, if it has one."""
    if is_in_order(text, completions):
        return []
    try:
        count_indexes(text, completions)
    except IndexListFault as fault:
        return [invalid(f"status.{name}", text, f"error parsing {name}: {fault}")]
    return []


def validate_pods_left(new: Job, changes: Changes) -> list[FieldError]:
    """Terminating pods hold a Job open, and only active pods can be ready."""
    errors: list[FieldError] = []
    status = new.status
    if (changes.finished or changes.terminating) and status.finished and (status.terminating or 0) > 0:
        errors.append(invalid("status.terminating", status.terminating, "terminating>0 is invalid for finished job"))
    if (changes.ready or changes.active) and status.ready is not None and status.ready > status.active:
        errors.append(invalid("status.ready", status.ready, "cannot set more ready pods than active"))
    return errors


def validate_success_criteria(new: Job, changes: Changes) -> list[FieldError]:
    """SuccessCriteriaMet and failure exclude each other; checked on every write."""
    errors: list[FieldError] = []
    met = SUCCESS in changes.now
    if met and "Failed" in changes.now:
        errors.append(refused("cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if met and "FailureTarget" in changes.now:
        errors.append(refused("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"))
    if new.spec.success_policy is not None and not met and "Complete" in changes.now:
        detail = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.append(refused(detail))
    return errors


def validate_transition(new: Job, old: Job, changes: Changes) -> list[FieldError]:
    """What may not be taken back: conditions that end a Job, counters, times."""
    errors: list[FieldError] = []
    now, before = new.status, old.status
    for kind in ("Failed", "Complete", "FailureTarget"):
        if kind in changes.before and kind not in changes.now:
            errors.append(refused(f"cannot disable the terminal {kind}=True condition"))
    if now.failed < before.failed:
        errors.append(invalid("status.failed", now.failed, "cannot decrease the failed counter"))
    elastic = new.spec.completion_mode == "Indexed" and new.spec.completions == new.spec.parallelism
    if now.succeeded < before.succeeded and not elastic:
        errors.append(invalid("status.succeeded", now.succeeded, "cannot decrease the succeeded counter"))
    if changes.completion_time and now.completion_time is not None and before.completion_time is not None:
        errors.append(invalid("status.completionTime", now.completion_time, IMMUTABLE))
    resumed = "Suspended" in changes.before and "Suspended" not in changes.now
    if changes.start_time and before.start_time is not None and not new.spec.suspend and not resumed:
        errors.append(required("status.startTime", "startTime cannot be removed for unsuspended job"))
    if SUCCESS in changes.before and SUCCESS not in changes.now:
        errors.append(refused("cannot disable the SuccessCriteriaMet=True condition"))
    if "Complete" in changes.before and SUCCESS not in changes.before and SUCCESS in changes.now:
        detail = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.append(refused(detail))
    return errors
