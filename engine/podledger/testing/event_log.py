"""The conformance suite of the `EventLog` port: every log, the authors' own included, passes these tests.

Subclass it where your tests are, say how a log is opened, and mark the class for your runner of async tests::

    @pytest.mark.asyncio
    class TestMyLog(EventLogConformance):
        @pytest.fixture(autouse=True)
        def _place(self, tmp_path): self.path = tmp_path / "log"

        def open_log(self): return MyLog(self.path)

`open_log` returns an async context manager; within one test it always opens the same log again. What a log promises
about crashes is beyond a port's suite: it depends on what it is stored in.
"""

from podledger.testing.event_log_append import AppendConformance, TakeConformance
from podledger.testing.event_log_read import LifeConformance, ReadConformance, SnapshotConformance

__all__ = ["EventLogConformance"]


class EventLogConformance(TakeConformance, AppendConformance, ReadConformance, SnapshotConformance, LifeConformance):
    """The whole suite. Order and text of errors are free, their types and what is stored are not."""
