"""What must hold of the log at every position: it is one unbroken chain, counts a uid once, and its decisions replay.

Reads each ledger's rows as they are stored, and folds them itself, from zero, beside the controller. What must hold of
the cluster is `cluster_oracle.py`.
"""

from collections.abc import Sequence

from podledger.event import Event
from podledger.job import event as ev
from podledger.job.decision import decide, proceed
from podledger.job.finish import succeeded_total
from podledger.job.limits import Limits
from podledger.job.state import JobState, Standing
from podledger.log.codec import GENESIS, StoredBatch, check_link, decode_batch
from podledger.log.memory import MemoryLedger
from podledger.projection import Projection, decode_projection, encode_projection
from tests.simulation.account import violated

__all__ = ["STREAM", "LogOracle"]

STREAM = "main"
# Rules by which pods are let go without being judged, once nothing of their Job is counted any more.
SWEPT = ("the Job is finished", "the Job is gone", "the Job had finished")


class LogOracle:
    """Follows one ledger, written under these limits.

    By uid of a pod: `rules` by which it was judged uncounted or let go, `judgements` that go through the lists.
    """

    def __init__(self, ledger: MemoryLedger, limits: Limits = Limits()) -> None:  # noqa: B008  # frozen
        self._ledger, self._limits = ledger, limits
        self._rows_read = 0
        self._position, self.chain, self._epoch = 0, GENESIS, 0
        self.projection = Projection()
        self._folded_to: dict[str, int] = {}
        self._counted: dict[str, int] = {}
        self.rules: dict[str, str] = {}
        self.judgements: dict[str, str] = {}

    def check(self) -> None:
        """Read what was stored since the last call."""
        rows = self._ledger.rows.get(STREAM, [])
        while self._rows_read < len(rows):
            self._read(rows[self._rows_read])
            self._rows_read += 1

    def at_rest(self) -> None:
        """Folding again, from zero or from any kept snapshot, gives the same bytes."""
        self.check()
        ours = encode_projection(self.projection)
        starts = [Projection(), *(decode_projection(each.body) for each in self._ledger.snapshots.get(STREAM, []))]
        for start in starts:
            began = start.position
            for row in self._ledger.rows.get(STREAM, []):
                start.apply_all(decode_batch(row, began).events if row.last > began else ())
            if encode_projection(start) != ours:
                violated(f"folded from position {began}, the state at {self._position} is another one")

    def _read(self, row: StoredBatch) -> None:
        check_link(row, STREAM, self._position, self.chain)
        if row.epoch < self._epoch:
            violated(f"position {row.first} was appended under epoch {row.epoch} after epoch {self._epoch} had begun")
        events = decode_batch(row).events
        for offset, event in enumerate(events):
            if isinstance(event, ev.SyncDecided):
                self._replay(event, events[offset:], row.first + offset)
            self._fold(event, row.first + offset)
        self._position, self.chain, self._epoch = row.last, row.chain, row.epoch

    def _fold(self, event: Event, position: int) -> None:
        self.projection.apply(event)
        if isinstance(event, ev.JobEvent):
            self._folded_to[event.job] = position
        match event:
            case ev.PodCounted():
                first = self._counted.setdefault(event.pod, position)
                if first != position:
                    violated(f"{event.pod} is counted at position {first} and again at {position}: {event}")
                if event.listed and event.as_ in ("succeeded", "failed"):
                    self.judgements[event.pod] = event.as_
                if event.as_ in ("none", "ignored"):
                    self.rules[event.pod] = event.rule
            case ev.DeleteIntended() if event.release:
                self.rules[event.pod] = event.rule
            case ev.ReleaseIntended() if event.rule in SWEPT and event.pod not in self._counted:
                self.rules[event.pod] = event.rule
            case ev.CreateIntended():
                self._require_wanted(self.projection.states[event.job], position)
            case _:
                pass

    def _require_wanted(self, state: JobState, position: int) -> None:
        """No create is intended when what is active and what was intended before meet the wanted number already."""
        spec = state.spec
        left = spec.parallelism or 0 if spec.completions is None else spec.completions - succeeded_total(state)
        wanted = min(spec.parallelism or 0, left)
        there = sum(1 for pod in state.pods.values() if pod.owned and pod.matches and pod.standing == Standing.ACTIVE)
        if there + len(state.creating) > wanted:
            violated(
                f"position {position}: {there} pods and {len(state.creating)} intents of {state.key}, not {wanted}"
            )

    def _replay(self, head: ev.SyncDecided, behind: Sequence[Event], position: int) -> None:
        """The decision that begins here, taken again from the fold, must be the same."""
        state = self.projection.states[head.job]
        if self._folded_to[head.job] > head.position:
            violated(
                f"position {position}: decided at {head.position}, but the Job went on to {self._folded_to[head.job]}"
            )
        take = decide if head.starts else proceed
        again = take(state, head.now_s, position=head.position, limits=self._limits)
        found = tuple(behind[: len(again.events)])
        if found != again.events:
            violated(f"position {position}: the log has {found}, replayed it is {again.events}")
