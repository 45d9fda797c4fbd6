"""fold(state, event): what each event changes. Total, deterministic, and indifferent to repeats.

A fact that is known already, or that comes too late (a phase that would go backwards, a second judgement of a uid),
changes nothing. One small function an event type, found by the event's class: the Job's own in `fold_job.py`, what was
seen of pods in `fold_seen.py`, what was decided of them in `fold_decided.py`.
"""

from collections.abc import Callable
from typing import Any

from podledger.job import event as ev
from podledger.job.fold_decided import DECIDED_FOLDS
from podledger.job.fold_job import JOB_FOLDS
from podledger.job.fold_seen import SEEN_FOLDS
from podledger.job.state import JobState

__all__ = ["fold"]

_FOLDS: dict[type, Callable[[JobState, Any], None]] = {**JOB_FOLDS, **SEEN_FOLDS, **DECIDED_FOLDS}


def fold(state: JobState, event: ev.JobEvent) -> None:
    """Apply one event to the Job's state, in place. The event must be of this Job."""
    _FOLDS[type(event)](state, event)
