"""The public suite of the EventLog port, played against the logs of the engine."""

from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from podledger.log import MemoryLedger, MemoryLog, SqliteLog
from podledger.ports import EventLog
from podledger.testing.event_log import EventLogConformance


@pytest.mark.asyncio
class TestSqliteLog(EventLogConformance):
    @pytest.fixture(autouse=True)
    def _place(self, tmp_path: Path) -> None:
        self.path = tmp_path / "ledger.db"

    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        return SqliteLog.open(self.path)


@pytest.mark.asyncio
class TestMemoryLog(EventLogConformance):
    @pytest.fixture(autouse=True)
    def _place(self) -> None:
        self.ledger = MemoryLedger()

    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        return MemoryLog(self.ledger)


@pytest.mark.asyncio
class TestForgetfulMemoryLog(EventLogConformance):
    """Behind its snapshots only what nobody needs is gone, so that it passes all the same."""

    @pytest.fixture(autouse=True)
    def _place(self) -> None:
        self.ledger = MemoryLedger()

    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        return MemoryLog(self.ledger, keep_events=False)
