"""The sync of a Job: decide, perform, fold the answer, and on until nothing is left. How many go together is
`sync_together.py`. A sync of one Job never overlaps another of the same Job; who is due is the controller's business.
"""

import logging
from collections.abc import Sequence

from podledger.errors import ClusterError
from podledger.event import Event
from podledger.job.command import Command, CreatePod, DeletePod, PublishStatus, RecordEvent
from podledger.job.decision import decide, proceed
from podledger.job.limits import Limits
from podledger.job.notice import notices_of
from podledger.job.outcome import Created, Done, Failed, Outcome, Unknown, observe_outcome
from podledger.job.state import JobState
from podledger.journal import Journal
from podledger.performing import perform_all
from podledger.ports import Clock, Cluster
from podledger.reflector import Reflector
from podledger.sync_metrics import SyncKind, SyncMetrics
from podledger.sync_together import OneSync, SyncResult, sync_together

__all__ = ["Syncer"]

logger = logging.getLogger(__name__)

_FAULTS = (Failed, Unknown)
_NOT_OF_A_POD = (CreatePod, PublishStatus, RecordEvent)  # a pod that is to be created has no uid yet


class Syncer:
    """Runs syncs of Jobs against one cluster and one journal, and counts them."""

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        reflector: Reflector,
        clock: Clock,
        limits: Limits,
        metrics: SyncMetrics,
    ) -> None:
        self._cluster, self._journal, self._reflector = cluster, journal, reflector
        self._clock, self._limits, self._metrics = clock, limits, metrics

    async def sync(self, jobs: Sequence[str]) -> list[SyncResult]:
        """Sync these Jobs (uids), each to its end; a result for each. Raises the log's errors.

        What calls met, the question for a missing Job included, is in the results.
        """
        begun_s = self._clock.monotonic()
        journal, reflector, incarnation = self._journal, self._reflector, self._reflector.incarnation
        states = journal.projection.states
        syncs = [_JobSync(uid, states.get(uid), journal, reflector, self._limits) for uid in jobs]
        running = [sync for sync in syncs if sync.state is not None]
        if any(sync.state is not None and sync.state.missing for sync in running):
            running = [sync for sync in running if not await self._may_be_there(sync)]
        await sync_together(
            running,
            lambda commands: perform_all(self._cluster, commands),
            incarnation=incarnation,
            journal=journal,
            reflector=reflector,
            clock=self._clock,
        )
        took_s = self._clock.monotonic() - begun_s
        results = [sync.result() for sync in syncs]
        for sync, result in zip(syncs, results, strict=True):
            if sync.open:
                self._metrics.ended(sync.kind(failed=result.failed), took_s)
        return results

    async def _may_be_there(self, sync: "_JobSync") -> bool:
        """Whether a Job that only its pods told us of exists after all: then its pods are not ours to release."""
        state = sync.state
        if state is None or not state.missing:
            return False
        try:
            job = await self._cluster.get_job(state.key)
        except ClusterError as error:
            logger.warning("cannot tell whether Job %s is there: %s", state.key, error)
            sync.failed = True
            return True
        return job is not None and job.metadata.uid == state.uid


class _JobSync(OneSync[Command, Outcome]):
    """The sync of one Job; `state` is None for one that is not known any more.

    `open`: the Job was neither gone nor finished when it began, so that it was more than a sweep.
    """

    __slots__ = ("_acted", "_action", "_found", "_journal", "_left", "_limits", "_reflector", "open", "state")

    def __init__(
        self, uid: str, state: JobState | None, journal: Journal, reflector: Reflector, limits: Limits
    ) -> None:
        super().__init__(uid)
        self.state, self._journal, self._reflector, self._limits = state, journal, reflector, limits
        self._acted = self._left = self._found = self.open = False
        self._action = ""

    def decide(self, now: float, position: int, *, begins: bool) -> tuple[Sequence[Event], Sequence[Command]]:
        """See `OneSync.decide`."""
        assert self.state is not None
        if begins:
            self.open = not (self.state.gone or self.state.finished)
        make = decide if begins else proceed
        decision = make(self.state, now, position=position, limits=self._limits)
        wake_at = decision.wake_at
        self._left = wake_at is not None and wake_at <= now  # the last decision says whether something is left
        if wake_at is not None and wake_at > now and (self.wake_at is None or wake_at < self.wake_at):
            self.wake_at = wake_at
        if decision.events or decision.commands:
            self._acted = True
            self._action = self._action or _action_of(decision.commands)
        return decision.events, decision.commands

    def take_in(self, command: Command, outcome: Outcome, now: float) -> Sequence[Command]:
        """See `OneSync.take_in`; our own writes are remembered."""
        if isinstance(command, RecordEvent):
            return ()
        if isinstance(outcome, _FAULTS) and not _is_swallowed(outcome):
            self.failed = True
        state = self._journal.projection.states.get(self.uid)
        if state is None:  # the Job went while we were calling
            return ()
        self._fold_outcome(state, command, outcome, int(now))
        return notices_of(state, command, outcome)

    def _fold_outcome(self, state: JobState, command: Command, outcome: Outcome, now_s: int) -> None:
        reflector = self._reflector
        if isinstance(outcome, Created):
            if isinstance(command, CreatePod) and command.intent not in state.creating:
                return  # the watch was faster and may know more by now: that the pod ended, or is gone
            events = observe_outcome(state, command, outcome, now_s)
            self._journal.add(events)
            reflector.created(state, outcome.pod)
            # An earlier call made it, and it went on since: the watch will not show again what is known by now.
            self._found = self._found or len(events) > 1
            return
        self._journal.add(observe_outcome(state, command, outcome, now_s, self._limits))
        if isinstance(outcome, Done) and not isinstance(command, _NOT_OF_A_POD):
            reflector.wrote_pod(state.namespace, command.uid, outcome.resource_version)

    def kind(self, *, failed: bool) -> SyncKind:
        """What it is counted as."""
        state = self.state
        assert state is not None
        action = self._action
        if not action:
            ending = state.deleting or state.is_true("FailureTarget") or state.is_true("SuccessCriteriaMet")
            action = "reconciling" if ending or state.unresolved else "tracking"
        mode = state.spec.completion_mode or "NonIndexed"
        return SyncKind(mode, "error" if failed else "success", action)

    def result(self) -> SyncResult:
        """How it ended. What is left though nothing was done is stuck: to look again at once would go on for ever."""
        stuck = self._left and not self._acted
        return SyncResult(self.uid, self.wake_at, self._left or self._found, self.failed or stuck)


def _action_of(commands: Sequence[Command]) -> str:
    """What replica management does with these calls, "" for nothing; deletes that end a Job are none of its."""
    for command in commands:
        if isinstance(command, CreatePod):
            return "pods_created"
        if isinstance(command, DeletePod) and command.release:
            return "pods_deleted"
    return ""


def _is_swallowed(outcome: Outcome) -> bool:
    """A create in a namespace that is going away is no error to retry, here as upstream."""
    return isinstance(outcome, Failed) and outcome.reason == "NamespaceTerminating"
