"""One sync of some Jobs together: decide, make durable, perform, fold the answers, and on until nothing is left.

Jobs that are due at the same time share their appends and their calls, so that ten thousand small Jobs cost few
batches. A sync of one Job never overlaps another of the same Job; who is due is the controller's business.
"""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import anyio

from podledger.errors import ClusterError
from podledger.job.command import Command, CreatePod, PublishStatus, RecordEvent
from podledger.job.decision import Decision, decide, proceed
from podledger.job.limits import Limits
from podledger.job.notice import notices_of
from podledger.job.outcome import Created, Done, Failed, Outcome, Unknown, observe_outcome
from podledger.job.state import JobState
from podledger.journal import Journal
from podledger.performing import perform_all
from podledger.ports import Clock, Cluster
from podledger.reflector import Reflector

__all__ = ["SyncResult", "Syncer"]

logger = logging.getLogger(__name__)

_FAULTS = (Failed, Unknown)
_NOT_OF_A_POD = (CreatePod, PublishStatus, RecordEvent)  # a pod that is to be created has no uid yet


class SyncResult(NamedTuple):
    """How a Job's sync ended.

    `wake_at`: wall time of the next timer, None for none. `left`: results were left for the next sync. `failed`: a call
    failed, or nothing could be done about what is left; try again by the retry curve.
    """

    job: str
    wake_at: float | None = None
    left: bool = False
    failed: bool = False


class _Progress:
    """What a sync of one Job has come to so far."""

    __slots__ = ("acted", "failed", "left", "wake_at")

    def __init__(self) -> None:
        self.acted = self.failed = self.left = False
        self.wake_at: float | None = None

    def note(self, decision: Decision, now: float) -> None:
        """Take a decision's timer in: the last decision says whether something is left."""
        wake_at = decision.wake_at
        self.left = wake_at is not None and wake_at <= now
        if wake_at is not None and wake_at > now and (self.wake_at is None or wake_at < self.wake_at):
            self.wake_at = wake_at
        if decision.events or decision.commands:
            self.acted = True

    def result(self, job: str) -> SyncResult:
        """How it ended. What is left though nothing was done is stuck: to look again at once would go on for ever."""
        return SyncResult(job, self.wake_at, self.left, self.failed or (self.left and not self.acted))


class Syncer:
    """Runs syncs against one cluster and one journal."""

    def __init__(self, cluster: Cluster, journal: Journal, reflector: Reflector, clock: Clock, limits: Limits) -> None:
        self._cluster, self._journal, self._reflector = cluster, journal, reflector
        self._clock, self._limits = clock, limits

    async def sync(self, jobs: Sequence[str]) -> list[SyncResult]:
        """Sync these Jobs (uids), each to its end; a result for each. Raises the log's errors.

        What calls met, the question for a missing Job included, is in the results.
        """
        states = self._journal.projection.states
        progress = {uid: _Progress() for uid in jobs}
        running = [state for uid in jobs if (state := states.get(uid)) is not None]
        if any(state.missing for state in running):
            running = [state for state in running if not (state.missing and await self._may_be_there(state, progress))]
        begins = True
        while running:
            commands, running = self._decide(running, progress, begins=begins)
            begins = False
            if commands:
                await self._journal.durable()
                # A call that was begun is finished and its answer kept, or a restart would have to ask again.
                with anyio.CancelScope(shield=True):
                    outcomes = await perform_all(self._cluster, commands)
                    await self._take_in(commands, outcomes, progress)
        self._journal.flush()
        return [each.result(uid) for uid, each in progress.items()]

    async def _may_be_there(self, state: JobState, progress: dict[str, _Progress]) -> bool:
        """Whether a Job that only its pods told us of exists after all: then its pods are not ours to release."""
        try:
            job = await self._cluster.get_job(state.key)
        except ClusterError as error:
            logger.warning("cannot tell whether Job %s is there: %s", state.key, error)
            progress[state.uid].failed = True
            return True
        return job is not None and job.metadata.uid == state.uid

    def _decide(
        self, states: Sequence[JobState], progress: dict[str, _Progress], *, begins: bool
    ) -> tuple[list[Command], list[JobState]]:
        """One decision a Job, folded and staged; the commands to perform, and the Jobs that are not done."""
        journal, now = self._journal, self._clock.now()
        make = decide if begins else proceed
        commands: list[Command] = []
        running: list[JobState] = []
        for state in states:
            decision = make(state, now, position=journal.projection.position, limits=self._limits)
            progress[state.uid].note(decision, now)
            if not decision.events and not decision.commands:
                continue
            journal.add(decision.events)
            commands.extend(decision.commands)
            running.append(state)
        return commands, running

    async def _take_in(
        self, commands: Sequence[Command], outcomes: Sequence[Outcome], progress: dict[str, _Progress]
    ) -> None:
        """Fold what the calls returned, tell users of it, and remember our own writes."""
        states, now_s = self._journal.projection.states, int(self._clock.now())
        notices: list[RecordEvent] = []
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, RecordEvent):
                continue
            if isinstance(outcome, _FAULTS) and not _is_swallowed(outcome):
                progress[command.job].failed = True
            state = states.get(command.job)
            if state is None:  # the Job went while we were calling
                continue
            self._fold_outcome(state, command, outcome, now_s)
            notices.extend(notices_of(state, command, outcome))
        self._journal.flush()
        if notices:
            await perform_all(self._cluster, notices)

    def _fold_outcome(self, state: JobState, command: Command, outcome: Outcome, now_s: int) -> None:
        reflector = self._reflector
        if isinstance(outcome, Created):
            if isinstance(command, CreatePod) and command.intent not in state.creating:
                return  # the watch was faster and may know more by now: that the pod ended, or is gone
            self._journal.add(observe_outcome(state, command, outcome, now_s))
            reflector.created(state, outcome.pod)
            return
        self._journal.add(observe_outcome(state, command, outcome, now_s))
        if isinstance(outcome, Done) and not isinstance(command, _NOT_OF_A_POD):
            reflector.wrote_pod(state.namespace, command.uid, outcome.resource_version)


def _is_swallowed(outcome: Outcome) -> bool:
    """A create in a namespace that is going away is no error to retry, here as upstream."""
    return isinstance(outcome, Failed) and outcome.reason == "NamespaceTerminating"
