"""What the parts of the EventLog suite share: how a log is opened, events that are easily told apart, expectations."""

from collections.abc import Awaitable, Sequence
from contextlib import AbstractAsyncContextManager

from podledger.event import Event
from podledger.job.event import PodGone
from podledger.ports import EventLog, LogBatch

__all__ = ["EventLogTests", "chain_of", "events_of", "expect", "expect_error", "pods_gone", "read_all"]


class EventLogTests:
    """Base of the parts."""

    def open_log(self) -> AbstractAsyncContextManager[EventLog]:
        """The log under test; within one test always the same one."""
        raise NotImplementedError(f"{type(self).__name__} must define open_log")


def pods_gone(count: int, start: int = 0) -> list[Event]:
    """Events that are easily told apart."""
    return [PodGone("job", f"pod-{number}") for number in range(start, start + count)]


async def read_all(log: EventLog, stream: str = "main", after: int = 0) -> list[LogBatch]:
    """All batches behind a position."""
    return [batch async for batch in log.read(stream, after)]


async def events_of(log: EventLog, stream: str = "main", after: int = 0) -> list[Event]:
    """All events behind a position."""
    return [event for batch in await read_all(log, stream, after) for event in batch.events]


async def chain_of(log: EventLog, position: int, stream: str = "main") -> bytes:
    """The chain at the end of the batch that ends at a position."""
    for batch in await read_all(log, stream, position - 1):
        if batch.last == position:
            return batch.chain
    raise AssertionError(f"no batch ends at {position}")


async def expect(
    kind: type[Exception],
    log: EventLog,
    events: Sequence[Event],
    expected_position: int,
    *,
    epoch: int,
    batch_id: str = "unheard-of",
) -> None:
    """Append to `main` and expect an error."""
    await expect_error(
        kind, log.append("main", events, expected_position=expected_position, epoch=epoch, batch_id=batch_id)
    )


async def expect_error(kind: type[Exception], outcome: Awaitable[object]) -> None:
    """Await something and expect an error."""
    try:
        value = await outcome
    except kind:
        return
    raise AssertionError(f"expected {kind.__name__}, got {value!r}")
