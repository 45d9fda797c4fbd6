"""One sync of some Jobs together: decide, make durable, perform, fold the answers, and on until nothing is left.

Jobs that are due at the same time share their appends and their calls, so that ten thousand small Jobs cost few
batches. A sync of one Job never overlaps another of the same Job; who is due is the controller's business.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import anyio

from podledger.job.command import Command, CreatePod, RecordEvent
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


class SyncResult(NamedTuple):
    """How a Job's sync ended: when to look again (None for never), and whether a call failed."""

    job: str
    wake_at: float | None
    failed: bool


class Syncer:
    """Runs syncs against one cluster and one journal."""

    def __init__(self, cluster: Cluster, journal: Journal, reflector: Reflector, clock: Clock, limits: Limits) -> None:
        self._cluster, self._journal, self._reflector = cluster, journal, reflector
        self._clock, self._limits = clock, limits

    async def sync(self, jobs: Iterable[str]) -> list[SyncResult]:
        """Sync these Jobs (uids), each to its end. Raises the log's errors; what a call met is in the results."""
        states = self._journal.projection.states
        wakes: dict[str, float | None] = {}
        failed: set[str] = set()
        running = [state for uid in jobs if (state := states.get(uid)) is not None]
        running = [state for state in running if not (state.missing and await self._is_there(state))]
        begins = True
        while running:
            commands, running = self._decide(running, wakes, begins=begins)
            begins = False
            if commands:
                await self._journal.durable()
                # A call that was begun is finished and its answer kept, or a restart would have to ask again.
                with anyio.CancelScope(shield=True):
                    outcomes = await perform_all(self._cluster, commands)
                    await self._take_in(commands, outcomes, failed)
        self._journal.flush()
        return [SyncResult(uid, wake_at, uid in failed) for uid, wake_at in wakes.items()]

    async def _is_there(self, state: JobState) -> bool:
        """Whether a Job that only its pods told us of exists after all: then its pods are not ours to release."""
        job = await self._cluster.get_job(state.key)
        return job is not None and job.metadata.uid == state.uid

    def _decide(
        self, states: Sequence[JobState], wakes: dict[str, float | None], *, begins: bool
    ) -> tuple[list[Command], list[JobState]]:
        """One decision a Job, folded and staged; the commands to perform, and the Jobs that are not done."""
        journal, now = self._journal, self._clock.now()
        commands: list[Command] = []
        running: list[JobState] = []
        for state in states:
            position = journal.projection.position
            make = decide if begins else proceed
            decision: Decision = make(state, now, position=position, limits=self._limits)
            known = wakes.get(state.uid)
            if decision.wake_at is not None and (known is None or decision.wake_at < known):
                wakes[state.uid] = decision.wake_at
            else:
                wakes[state.uid] = known
            if not decision.events and not decision.commands:
                continue
            journal.add(decision.events)
            commands.extend(decision.commands)
            running.append(state)
        return commands, running

    async def _take_in(self, commands: Sequence[Command], outcomes: Sequence[Outcome], failed: set[str]) -> None:
        """Fold what the calls returned, tell users of it, and remember our own writes."""
        states = self._journal.projection.states
        reflector, now_s = self._reflector, int(self._clock.now())
        notices: list[RecordEvent] = []
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, RecordEvent):
                continue
            state = states.get(command.job)
            if state is None:  # the Job went while we were calling
                continue
            self._journal.add(observe_outcome(state, command, outcome, now_s))
            match outcome:
                case Created():
                    reflector.created(command.job, outcome.pod)
                case Done() if not isinstance(command, CreatePod):
                    uid = getattr(command, "uid", "") or command.job
                    reflector.wrote(uid, outcome.resource_version)
                case Failed() | Unknown():
                    if not _is_swallowed(outcome):
                        failed.add(command.job)
                case _:
                    pass
            notices.extend(notices_of(state, command, outcome))
        self._journal.flush()
        if notices:
            await perform_all(self._cluster, notices)


def _is_swallowed(outcome: Outcome) -> bool:
    """A create in a namespace that is going away is no error to retry (job-semantics 4.4)."""
    return isinstance(outcome, Failed) and outcome.reason == "NamespaceTerminating"
