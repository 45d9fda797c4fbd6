"""The watches of a cluster: all are begun anew when one shows a restored cluster, and none is waited for."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import pytest
from anyio.streams.memory import MemoryObjectSendStream
from tests.unit.controller_world import turns

from podledger.errors import ClusterError
from podledger.ports import Bookmark, Change
from podledger.watching import keep_watching


class Feed:
    """A watch that shows what is put into it; `begun` and `open` count how often it was entered, and is."""

    def __init__(self) -> None:
        self.begun = self.open = 0
        self.show: MemoryObjectSendStream[Sequence[Change]]

    def watch(self) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]:
        """See `Cluster.watch`."""
        return self._watch()

    @asynccontextmanager
    async def _watch(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        self.show, shown = anyio.create_memory_object_stream[Sequence[Change]](10)
        self.begun += 1
        self.open += 1
        try:
            async with self.show, shown:
                yield shown
        finally:
            self.open -= 1


def bookmark(version: int) -> list[Change]:
    """A batch that tells itself from others."""
    return [Bookmark("Pod", str(version))]


@pytest.mark.asyncio
async def test_all_watches_are_begun_anew_when_one_asks_for_it_and_what_was_under_way_is_dropped() -> None:
    jobs, crons, taken = Feed(), Feed(), list[Sequence[Change]]()

    async def take(changes: Sequence[Change]) -> bool:
        taken.append(changes)
        return changes != bookmark(2)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep_watching, [jobs.watch, crons.watch], take)
        await turns()
        jobs.show.send_nowait(bookmark(1))
        await turns()
        jobs.show.send_nowait(bookmark(2))
        jobs.show.send_nowait(bookmark(3))
        crons.show.send_nowait(bookmark(4))
        await turns()
        assert (jobs.begun, crons.begun, jobs.open, crons.open) == (2, 2, 1, 1)
        crons.show.send_nowait(bookmark(5))
        await turns()
        assert taken == [bookmark(1), bookmark(2), bookmark(5)]
        tasks.cancel_scope.cancel()
    assert (jobs.open, crons.open) == (0, 0)


@pytest.mark.asyncio
async def test_a_watch_that_ends_is_an_error() -> None:
    feed = Feed()

    async def take(changes: Sequence[Change]) -> bool:
        return bool(changes)

    with pytest.RaisesGroup(pytest.RaisesExc(ClusterError, match="never should"), flatten_subgroups=True):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_watching, [feed.watch], take)
            await turns()
            await feed.show.aclose()
    assert (feed.begun, feed.open) == (1, 0)
