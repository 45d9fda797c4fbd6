"""A service's tasks in a task of their own, so that `async with` may be entered and left in different tasks.

Fixtures and notebooks enter a context in one task and leave it in another, which an anyio task group does not allow.
Here the group lives in a task that nobody else is; its failure is raised by the next call and on leaving.
"""

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from podledger.errors import ControllerStopped

__all__ = ["Background"]


class Background:
    """Runs `main` until stopped; `name` says in messages what has stopped."""

    def __init__(self, name: str, main: Callable[[], Awaitable[None]]) -> None:
        self._name, self._main = name, main
        self._task: asyncio.Task[None] | None = None
        self._scope = anyio.CancelScope()
        self._failure: BaseException | None = None
        self._ended = anyio.Event()

    def start(self) -> None:
        """Start running."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def _run(self) -> None:
        try:
            with self._scope:
                await self._main()
        except Exception as error:
            self._failure = _single(error)
        finally:
            self._ended.set()

    def check(self) -> None:
        """Raise ControllerStopped if it does not run (any more), with its failure as the cause."""
        if self._task is None or self._ended.is_set():
            raise ControllerStopped(self._reason()) from self._failure

    def _reason(self) -> str:
        if self._failure is None:
            return f"the {self._name} is not running"
        return f"the {self._name} stopped: {self._failure}"

    async def wait_ended(self) -> None:
        """Wait until it has ended, for whatever reason."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Cancel and wait for the end; raises the failure if there was one. Not to be called from inside `main`."""
        self._scope.cancel()
        if self._task is not None:
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])
            self._task = None
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure


def _single(error: Exception) -> Exception:
    """The one error behind a group of one: what happened, and not how tasks are grouped."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        inner = error.exceptions[0]
        error = inner
    return error
