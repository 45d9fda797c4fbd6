"""The sync of a CronJob, as `sync.py` is for Jobs."""

from collections.abc import Sequence

from podledger.cron.command import CronCommand, RecordCronEvent
from podledger.cron.decision import decide_cron, proceed_cron
from podledger.cron.outcome import CronOutcome, cron_notices_of, observe_cron_outcome
from podledger.cron.state import CronState
from podledger.event import Event
from podledger.job.outcome import Failed, Unknown
from podledger.journal import Journal
from podledger.performing import lost_as_unknown
from podledger.ports import Clock, CronCluster
from podledger.reflector import Reflector
from podledger.sync_together import OneSync, SyncResult, sync_together

__all__ = ["CronSyncer"]

NOT_RETRIED = ("AlreadyExists",)
"""A name that somebody else's Job has: asking again soon would not help, the next slot may."""


class CronSyncer:
    """Runs syncs of CronJobs against one cluster and one journal."""

    def __init__(self, cluster: CronCluster, journal: Journal, reflector: Reflector, clock: Clock) -> None:
        self._cluster, self._journal, self._reflector, self._clock = cluster, journal, reflector, clock

    async def sync(self, cronjobs: Sequence[str]) -> list[SyncResult]:
        """Sync these CronJobs (uids), each to its end; a result for each. Raises the log's errors."""
        states = self._journal.projection.crons
        known = [state for uid in cronjobs if (state := states.get(uid)) is not None]
        syncs = {state.uid: _CronSync(state, self._journal) for state in known}
        await sync_together(
            list(syncs.values()),
            lambda commands: lost_as_unknown(self._cluster.perform_cron, commands),
            incarnation=self._reflector.incarnation,
            journal=self._journal,
            reflector=self._reflector,
            clock=self._clock,
        )
        return [syncs[uid].result() if uid in syncs else SyncResult(uid) for uid in cronjobs]


class _CronSync(OneSync[CronCommand, CronOutcome]):
    """The sync of one CronJob, on the generation and the deletion that it has when the sync begins."""

    __slots__ = ("_deleting", "_generation", "_journal", "_state")

    def __init__(self, state: CronState, journal: Journal) -> None:
        super().__init__(state.uid)
        self._state, self._journal = state, journal
        self._generation, self._deleting = state.generation, state.deleting

    def decide(self, now: float, position: int, *, begins: bool) -> tuple[Sequence[Event], Sequence[CronCommand]]:
        """See `OneSync.decide`."""
        state = self._state
        if self._journal.projection.crons.get(self.uid) is not state:
            return (), ()  # what came while we called counts: it is gone
        if (state.generation, state.deleting) != (self._generation, self._deleting):
            return (), ()  # its user changed it meanwhile: it is due again for that very change
        decision = (decide_cron if begins else proceed_cron)(state, now, position=position)
        if not decision.events:
            self.wake_at = decision.wake_at
        return decision.events, decision.commands

    def take_in(self, command: CronCommand, outcome: CronOutcome, now: float) -> Sequence[CronCommand]:
        """See `OneSync.take_in`."""
        if isinstance(command, RecordCronEvent) or self._journal.projection.crons.get(self.uid) is not self._state:
            return ()  # of which there is no answer; or the CronJob went while we were calling
        if isinstance(outcome, Failed | Unknown) and not _is_settled(outcome):
            self.failed = True
        self._journal.add(observe_cron_outcome(self._state, command, outcome))
        return cron_notices_of(self._state, command, outcome)

    def result(self) -> SyncResult:
        """See `OneSync.result`."""
        return SyncResult(self.uid, self.wake_at, False, self.failed)


def _is_settled(outcome: Failed | Unknown) -> bool:
    """Whether there is no use in trying again soon: the name is another's, or what was looked up is not there."""
    return isinstance(outcome, Failed) and (outcome.reason in NOT_RETRIED or outcome.code == 404)
