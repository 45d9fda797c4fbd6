"""Keeps the watches of a cluster open, and begins all of them anew once it shows that it was restored from a backup.

A restore shows in the list of one kind first. What the other kinds' watches bring after that may still be of before,
and one that does not break would never list again. So all are left: a watch begins with a consistent list of its
kinds. What changes mean is `reflector.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager

import anyio

from podledger.errors import ClusterError
from podledger.ports import Change

__all__ = ["Watch", "keep_watching"]

Watch = Callable[[], AbstractAsyncContextManager[AsyncIterator[Sequence[Change]]]]
Take = Callable[[Sequence[Change]], Awaitable[bool]]


async def keep_watching(watches: Sequence[Watch], take: Take) -> None:
    """Hand on what these watches show, batch by batch, for ever; anew from the lists on whenever `take` returns False.

    Raises ClusterError, in an exception group.
    """
    while True:
        async with anyio.create_task_group() as tasks:
            for watch in watches:
                tasks.start_soon(_follow, watch, take, tasks.cancel_scope)


async def _follow(watch: Watch, take: Take, all_watches: anyio.CancelScope) -> None:
    async with watch() as batches:
        async for changes in batches:
            if all_watches.cancel_called:
                return  # this batch was under way already: it may be of before the restore
            if not await take(changes):
                all_watches.cancel()
                return
    raise ClusterError("the cluster's watch ended, which it never should")
