"""The EventLog port with faults: a memory log on a ledger that outlives the process, whose disk the simulator plays.

An append is stored some time after it was handed in, together with what was handed in meanwhile; a crash before,
during or after it leaves none, some or all of it. Faults of the disk itself are those of `faults.py`'s log part.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from podledger.errors import LogUnavailable
from podledger.event import Event
from podledger.log.memory import MemoryLedger, MemoryLog
from podledger.log.pending import Appending
from podledger.ports import LogBatch, PendingAppend, Snapshot, Taken
from tests.simulation.faults import Fault, Faults
from tests.simulation.life import Life

__all__ = ["FaultyLog"]

# The longest an append waits for the disk, virtual seconds.
FLUSH_S = 0.2


class FaultyLog(Appending):
    """`podledger.ports.EventLog` for one life."""

    def __init__(self, ledger: MemoryLedger, life: Life, faults: Faults) -> None:
        self._log = MemoryLog(ledger, manual=True)
        self._life, self._faults = life, faults
        self._flush: asyncio.TimerHandle | None = None
        life.at_end(self._log.crash)

    async def take(self, stream: str, holder: str) -> Taken:
        """See `EventLog.take`."""
        self._life.point(Fault.CRASH_AT_PORT)
        taken = await self._log.take(stream, holder)
        self._life.point(Fault.CRASH_AT_PORT)
        return taken

    def append_nowait(
        self, stream: str, events: Sequence[Event], *, expected_position: int, epoch: int, batch_id: str
    ) -> PendingAppend:
        """See `EventLog.append_nowait`."""
        self._life.point(Fault.CRASH_BEFORE_APPEND)
        pending = self._log.append_nowait(
            stream, events, expected_position=expected_position, epoch=epoch, batch_id=batch_id
        )
        if self._flush is None:
            self._flush = asyncio.get_running_loop().call_later(self._faults.seconds(FLUSH_S), self._flush_now)
        return pending

    async def read(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.read`."""
        self._life.point(Fault.CRASH_AT_PORT)
        async with aclosing(self._log.read(stream, after)) as batches:
            async for batch in batches:
                yield batch
                self._life.check()

    async def tail(self, stream: str, after: int = 0) -> AsyncGenerator[LogBatch]:
        """See `EventLog.tail`."""
        self._life.point(Fault.CRASH_AT_PORT)
        async with aclosing(self._log.tail(stream, after)) as batches:
            async for batch in batches:
                yield batch
                self._life.check()

    async def put_snapshot(self, stream: str, snapshot: Snapshot) -> None:
        """See `EventLog.put_snapshot`."""
        self._life.point(Fault.CRASH_AT_PORT)
        await self._log.put_snapshot(stream, snapshot)
        self._life.point(Fault.CRASH_AT_PORT)

    async def snapshots(self, stream: str) -> Sequence[Snapshot]:
        """See `EventLog.snapshots`."""
        self._life.point(Fault.CRASH_AT_PORT)
        return await self._log.snapshots(stream)

    async def bind_cluster(self, cluster_id: str) -> None:
        """See `EventLog.bind_cluster`."""
        self._life.point(Fault.CRASH_AT_PORT)
        await self._log.bind_cluster(cluster_id)

    async def aclose(self) -> None:
        """See `EventLog.aclose`."""
        self._life.check()
        await self._log.aclose()

    def _flush_now(self) -> None:
        """The disk's turn: store what waits, or do what a failing disk does."""
        self._flush = None
        if not self._life.alive:
            return
        waiting = self._log.waiting
        if self._faults.strikes(Fault.LOG_REFUSES):
            self._log.fail(LogUnavailable("no space left on the simulated disk"))
        elif self._faults.strikes(Fault.CRASH_DURING_APPEND):
            self._log.commit(self._faults.draw.randrange(waiting + 1) if waiting > 1 else 0)
            self._life.die(Fault.CRASH_DURING_APPEND)
        else:
            self._log.commit()
            if self._faults.strikes(Fault.CRASH_AFTER_APPEND):
                self._life.die(Fault.CRASH_AFTER_APPEND)
