"""Doing something to its end though the caller is cancelled: opening and closing, where half done is worst."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import anyio

__all__ = ["completed"]

T = TypeVar("T")


async def completed(work: Coroutine[object, object, T]) -> T:
    """Await `work` to its end, in a task of its own; a cancellation of the caller is raised only then.

    A shielded scope alone would keep out anyio's cancellations and not asyncio's own (`Task.cancel`).
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # looked at, so that nobody is told it was not; the cancellation is what the caller gets
    raise cancelled
