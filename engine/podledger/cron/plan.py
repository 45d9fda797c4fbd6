"""A decision in the making: the state it reads, the time it was given, and what it has come to so far."""

from msgspec import Struct

from podledger.cron import event as ev
from podledger.cron.command import CronCommand, RecordCronEvent
from podledger.cron.state import CronState, CronStep

__all__ = ["CronDecision", "CronPlan"]


class CronDecision(Struct, frozen=True):
    """What a decision came to: events to append, then commands to perform; an empty one says when to look again.

    `wake_at` is wall time in Unix seconds, None for no timer.
    """

    events: tuple[ev.CronEvent, ...] = ()
    commands: tuple[CronCommand, ...] = ()
    wake_at: float | None = None


class CronPlan:
    """Collects events and commands of one step. `earliest`, `slot_s` and `missed` are what START found."""

    __slots__ = ("commands", "earliest", "events", "last_success_s", "missed", "now", "slot_s", "state")

    def __init__(self, state: CronState, now: float) -> None:
        self.state, self.now = state, now
        self.events: list[ev.CronEvent] = []
        self.commands: list[CronCommand] = []
        self.last_success_s = state.last_success_s
        self.earliest, self.slot_s, self.missed = 0.0, 0, 0

    @property
    def empty(self) -> bool:
        """Whether nothing was decided."""
        return not self.events and not self.commands

    def tell(self, type_: str, reason: str, message: str) -> None:
        """Record a Kubernetes Event about the CronJob."""
        self.commands.append(RecordCronEvent(self.state.uid, self.state.key, type_, reason, message))

    def decision(self, step: CronStep, position: int, *, starts: bool) -> CronDecision:
        """The plan, headed by what it saw."""
        state = self.state
        numbers = (len(state.active), self.earliest, self.slot_s, self.missed)
        head = ev.CronSyncDecided(state.uid, starts, step, self.now, position, *numbers)
        return CronDecision((head, *self.events), tuple(self.commands))
