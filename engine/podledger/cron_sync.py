"""One sync of some CronJobs together, as `sync.py` is for Jobs: decide, make durable, perform, fold, and on."""

import logging
from collections.abc import Sequence

import anyio

from podledger.cron.command import CronCommand, RecordCronEvent
from podledger.cron.decision import CronDecision, decide_cron, proceed_cron
from podledger.cron.outcome import CronOutcome, cron_notices_of, observe_cron_outcome
from podledger.cron.state import CronState
from podledger.job.outcome import Failed, Unknown
from podledger.journal import Journal
from podledger.ports import Clock, CronCluster
from podledger.sync import SyncResult

__all__ = ["CronSyncer"]

logger = logging.getLogger(__name__)

NOT_RETRIED = ("AlreadyExists",)
"""A name that somebody else's Job has: asking again soon would not help, the next slot may."""


class _Progress:
    """What a sync of one CronJob has come to so far; `generation` and `deleting` are the CronJob's when it began."""

    __slots__ = ("deleting", "failed", "generation", "wake_at")

    def __init__(self, state: CronState | None) -> None:
        self.failed = False
        self.wake_at: float | None = None
        self.generation, self.deleting = (0, False) if state is None else (state.generation, state.deleting)

    def is_of(self, state: CronState) -> bool:
        """Whether the CronJob is still what the sync began with, as far as its user is concerned."""
        return state.generation == self.generation and state.deleting == self.deleting


class CronSyncer:
    """Runs syncs of CronJobs against one cluster and one journal."""

    def __init__(self, cluster: CronCluster, journal: Journal, clock: Clock) -> None:
        self._cluster, self._journal, self._clock = cluster, journal, clock

    async def sync(self, cronjobs: Sequence[str]) -> list[SyncResult]:
        """Sync these CronJobs (uids), each to its end; a result for each. Raises the log's errors."""
        states = self._journal.projection.crons
        progress = {uid: _Progress(states.get(uid)) for uid in cronjobs}
        running = [state for uid in cronjobs if (state := states.get(uid)) is not None]
        begins = True
        while running:
            commands, running = self._decide(running, progress, begins=begins)
            begins = False
            if commands:
                await self._journal.durable()
                # A call that was begun is finished and its answer kept, or a restart would have to ask again.
                with anyio.CancelScope(shield=True):
                    await self._take_in(commands, await self._perform(commands), progress)
            # What came while we called counts: a CronJob may be gone.
            running = [state for state in running if states.get(state.uid) is state]
        self._journal.flush()
        return [SyncResult(uid, each.wake_at, False, each.failed) for uid, each in progress.items()]

    def _decide(
        self, states: Sequence[CronState], progress: dict[str, _Progress], *, begins: bool
    ) -> tuple[list[CronCommand], list[CronState]]:
        """One decision a CronJob, folded and staged; the commands to perform, and the CronJobs that are not done."""
        journal, now = self._journal, self._clock.now()
        commands: list[CronCommand] = []
        running: list[CronState] = []
        for state in states:
            if not progress[state.uid].is_of(state):
                continue  # its user changed it meanwhile: it is due again for that very change
            make = decide_cron if begins else proceed_cron
            decision: CronDecision = make(state, now, position=journal.projection.position)
            if not decision.events:
                progress[state.uid].wake_at = decision.wake_at
                continue
            journal.add(decision.events)
            commands.extend(decision.commands)
            running.append(state)
        return commands, running

    async def _perform(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """The outcomes; an adapter that raises is taken as a lost answer."""
        try:
            return await self._cluster.perform_cron(commands)
        except Exception as error:
            logger.warning("%d calls to the cluster, their answers lost: %r", len(commands), error)
            return [Unknown(f"{type(error).__name__}: {error}")] * len(commands)

    async def _take_in(
        self, commands: Sequence[CronCommand], outcomes: Sequence[CronOutcome], progress: dict[str, _Progress]
    ) -> None:
        """Fold what the calls returned, and tell users of it."""
        states = self._journal.projection.crons
        notices: list[RecordCronEvent] = []
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, RecordCronEvent):
                continue
            state = states.get(command.cronjob)
            if state is None:  # the CronJob went while we were calling
                continue
            events = observe_cron_outcome(state, command, outcome)
            if isinstance(outcome, Failed | Unknown) and not _is_settled(outcome):
                progress[command.cronjob].failed = True
            self._journal.add(events)
            notices.extend(cron_notices_of(state, command, outcome))
        self._journal.flush()
        if notices:
            await self._perform(notices)


def _is_settled(outcome: Failed | Unknown) -> bool:
    """Whether there is no use in trying again soon: the name is another's, or what was looked up is not there."""
    return isinstance(outcome, Failed) and (outcome.reason in NOT_RETRIED or outcome.code == 404)
