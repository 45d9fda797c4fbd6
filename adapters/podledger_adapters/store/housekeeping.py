"""Runs the cluster's own small controllers over the store: one task, one watch, no polling.

A keeper is told of every change and queues what it must do; it does so in batches, with pauses in which others run.
The keepers are `garbage.py`, `pod_garbage.py`, `namespaces.py` and `ttl.py`.
"""

from collections.abc import Sequence
from typing import Protocol

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus

from podledger.errors import PodledgerError
from podledger.ports import Clock
from podledger_adapters.store.api_error import Expired
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.watch import StoreChange, StoreWatch

__all__ = ["Keeper", "keep_house"]

WRITES = 500
"""Objects a keeper treats before others get their turn."""


class Keeper(Protocol):
    """One small controller."""

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue what these changes ask for. At the start every object is shown as if it were added."""
        ...

    @property
    def busy(self) -> bool:
        """Whether anything is to be done now."""
        ...

    @property
    def wake_at(self) -> float | None:
        """When something will be though nothing changes, Unix seconds; None for never."""
        ...

    def work(self, batch: Batch, limit: int) -> None:
        """Treat up to `limit` queued objects, judged by what is stored now."""
        ...


async def keep_house(
    store: ObjectStore,
    keepers: Sequence[Keeper],
    *,
    task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Let the keepers work until cancelled. Raises StoreUnavailable when the store broke."""
    while True:
        watch = store.watch()
        try:
            _see(keepers, [StoreChange(stored, None) for stored in store.objects()])
            task_status.started()
            task_status = anyio.TASK_STATUS_IGNORED  # It is said once; what follows may be a fresh start.
            while True:
                while any(keeper.busy for keeper in keepers):
                    with store.batch() as batch:
                        for keeper in keepers:
                            keeper.work(batch, WRITES)
                    await batch.durable()
                    await anyio.lowlevel.checkpoint()
                _see(keepers, await _next_changes(watch, keepers, store.clock))
        except Expired:
            continue  # Too much happened at once: look at everything there is.
        finally:
            watch.close()


async def _next_changes(watch: StoreWatch, keepers: Sequence[Keeper], clock: Clock) -> Sequence[StoreChange]:
    """What is written next; nothing, once a keeper's time has come."""
    wake_at = min((keeper.wake_at for keeper in keepers if keeper.wake_at is not None), default=None)
    if wake_at is None:
        return await watch.next()
    changes: Sequence[StoreChange] = ()
    failure: PodledgerError | None = None
    async with anyio.create_task_group() as tasks:

        async def alarm() -> None:
            await clock.sleep_until(wake_at)
            tasks.cancel_scope.cancel()

        tasks.start_soon(alarm)
        try:
            changes = await watch.next()
        except PodledgerError as error:
            failure = error  # raised below: a task group would wrap it
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return changes


def _see(keepers: Sequence[Keeper], changes: Sequence[StoreChange]) -> None:
    for keeper in keepers:
        keeper.see(changes)
