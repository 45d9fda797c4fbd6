"""What a controller makes of Jobs and pods, counted from its events by the meaning of Kubernetes' own metrics.

The names they are shown by are in `metrics_page.py`. Counting begins with the process, as in Kubernetes.
"""

from collections import Counter
from collections.abc import Callable, Sequence

from podledger.event import Event
from podledger.job.event import (
    CallFailed,
    ConditionDecided,
    CreateIntended,
    DeleteAccepted,
    PodCounted,
    PodCreated,
    PodFailed,
    PodFinalizerGone,
    PodGone,
    PodLetGo,
    PodReleased,
    PodSucceeded,
    SyncDecided,
)
from podledger.job.failure import judge_failure
from podledger.job.outcome import SKIPPED
from podledger.job.state import JobState

__all__ = ["JobMeasures"]


class JobMeasures:
    """Counters. `find` gives what is known of a Job by uid, once the events that are noted are folded."""

    def __init__(self, find: Callable[[str], JobState | None]) -> None:
        self._find = find
        self.jobs: Counter[tuple[str, str, str]] = Counter()
        """Finished Jobs by completion mode, result and reason."""
        self.pods: Counter[tuple[str, str]] = Counter()
        """Pods that counted, by completion mode and result."""
        self.indexes: Counter[tuple[str, str]] = Counter()
        """Finished indexes by result and by whose limit they are retried: perIndex or global."""
        self.failures: Counter[str] = Counter()
        """Pods that a rule of a podFailurePolicy matched, by its action."""
        self.tracked: Counter[str] = Counter()
        """Ended pods that bear the tracking finalizer: how many came to (add), how many no more do (delete)."""
        self.created: Counter[tuple[str, str]] = Counter()
        """Creates of pods by reason and result."""
        self._creating: dict[str, str] = {}
        self._held: set[str] = set()

    def note(self, events: Sequence[Event]) -> None:
        """Events were made."""
        failed = terminating = 0
        for event in events:
            match event:
                case SyncDecided():
                    failed, terminating = event.failed, event.terminating
                case CreateIntended():
                    self._creating[event.intent] = self._reason(event.job, failed, terminating)
                case CallFailed() if event.call == "create" and not event.unknown:
                    self._create_ended(event.subject, "" if event.reason == SKIPPED else "failed")
                case PodCreated():
                    self._create_ended(event.intent, "succeeded")
                case PodSucceeded() | PodFailed():
                    self._pod_ended(event.job, event.pod)
                case PodCounted():
                    self._counted(event)
                case PodReleased() | PodFinalizerGone() | PodLetGo() | PodGone() | DeleteAccepted(released=True):
                    if event.pod in self._held:
                        self._held.remove(event.pod)
                        self.tracked["delete"] += 1
                case ConditionDecided() if event.status == "True" and event.condition in ("Complete", "Failed"):
                    result = "succeeded" if event.condition == "Complete" else "failed"
                    self.jobs[self._mode(event.job), result, event.reason] += 1
                case _:
                    pass

    def _mode(self, job: str) -> str:
        state = self._find(job)
        return "Indexed" if state is not None and state.indexed else "NonIndexed"

    def _reason(self, job: str, failed: int, terminating: int) -> str:
        """Why a pod is created in a sync that sees so many failed and terminating pods."""
        state = self._find(job)
        if state is not None and state.spec.pod_replacement_policy == "Failed" and failed:
            return "recreate_failed"
        return "recreate_terminating_or_failed" if failed or terminating else "new"

    def _create_ended(self, intent: str, result: str) -> None:
        """A create has its answer; `result` is "" for one that was never made."""
        reason = self._creating.pop(intent, None)
        if reason is not None and result:
            self.created[reason, result] += 1

    def _pod_ended(self, job: str, uid: str) -> None:
        state = self._find(job)
        pod = None if state is None else state.pods.get(uid)
        if pod is not None and pod.finalizer and uid not in self._held:
            self._held.add(uid)
            self.tracked["add"] += 1

    def _counted(self, event: PodCounted) -> None:
        state = self._find(event.job)
        if state is not None and event.as_ in ("failed", "ignored"):
            self._note_policy(state, event.pod)
        if event.as_ not in ("succeeded", "failed"):
            return
        mode = "NonIndexed" if event.index < 0 else "Indexed"
        self.pods[mode, event.as_] += 1
        if state is None or not state.indexed:
            return
        limit = "perIndex" if state.per_index else "global"
        if event.as_ == "succeeded":
            self.indexes["succeeded", limit] += 1
        elif event.fails_index:
            self.indexes["failed", limit] += 1

    def _note_policy(self, state: JobState, uid: str) -> None:
        policy, pod = state.spec.pod_failure_policy, state.pods.get(uid)
        if policy is None or pod is None:
            return
        verdict = judge_failure(policy, state.namespace, pod.name, pod.exits, pod.conditions)
        if verdict.rule >= 0:
            self.failures[verdict.action] += 1
