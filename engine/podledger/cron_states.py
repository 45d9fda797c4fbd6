"""The CronJobs' part of a stream's fold: every CronJob's state, by uid and by name.

What an event means is `podledger.cron.fold`; that it comes here is `projection.py`.
"""

from collections.abc import Iterable, Iterator

from podledger.api.job import JobKey
from podledger.cron.event import CronEvent, CronJobGone, CronJobSet
from podledger.cron.fold import abandon_cron_sync, fold_cron
from podledger.cron.state import CronState

__all__ = ["CronStates"]


class CronStates:
    """All states by CronJob uid; a CronJob that is gone has none any more."""

    def __init__(self) -> None:
        self._states: dict[str, CronState] = {}
        self._uids: dict[JobKey, str] = {}

    def __len__(self) -> int:
        return len(self._states)

    def __iter__(self) -> Iterator[CronState]:
        return iter(self._states.values())

    def __contains__(self, uid: object) -> bool:
        return uid in self._states

    def __repr__(self) -> str:
        return f"<CronStates of {len(self)} CronJobs>"

    def get(self, uid: str) -> CronState | None:
        """The state of the CronJob with this uid."""
        return self._states.get(uid)

    def find(self, key: JobKey) -> CronState | None:
        """The state of the CronJob that has this name."""
        uid = self._uids.get(key)
        return None if uid is None else self._states.get(uid)

    def apply(self, event: CronEvent) -> bool:
        """Fold one event; False if it is of a CronJob that no event before it set."""
        state = self._states.get(event.cronjob)
        if state is None:
            if not isinstance(event, CronJobSet):
                return False
            state = self._add(CronState(uid=event.cronjob, namespace=event.namespace, name=event.name))
        fold_cron(state, event)
        if isinstance(event, CronJobGone):
            del self._states[state.uid]
            if self._uids.get(state.key) == state.uid:
                del self._uids[state.key]
        return True

    def taken_over(self) -> None:
        """A new controller holds the stream: syncs that were under way are void."""
        for state in self:
            abandon_cron_sync(state)

    def rewound(self) -> None:
        """The cluster was restored: versions are compared only with newer ones, and deletions may be undone."""
        for state in self:
            state.resource_version = "0"
            state.deleting = False
            for run in state.runs.values():
                run.resource_version = 0

    def load(self, states: Iterable[CronState]) -> None:
        """Take over states that were stored."""
        for state in states:
            self._add(state)

    def _add(self, state: CronState) -> CronState:
        self._states[state.uid] = state
        self._uids[state.key] = state.uid
        return state
