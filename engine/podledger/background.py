"""A service's tasks in a task of their own, so that `async with` may be entered and left in different tasks.

Fixtures and notebooks enter a context in one task and leave it in another, which an anyio task group does not allow.
Here the group lives in a task that nobody else is; its failure is raised by the next call and on leaving.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import anyio

from podledger.errors import ControllerStopped, PodledgerError

__all__ = ["Background"]


class Background:
    """Runs `main` until stopped; `name` says in messages what has stopped. `on_end` is called when it has ended.

    `error` is what callers are told with that it does not run.
    """

    def __init__(
        self,
        name: str,
        main: Callable[[], Awaitable[None]],
        on_end: Callable[[], None],
        *,
        error: type[PodledgerError] = ControllerStopped,
    ) -> None:
        self._name, self._main, self._on_end, self._error = name, main, on_end, error
        self._task: asyncio.Task[None] | None = None
        self._scope: anyio.CancelScope | None = None  # made on the event loop, which there may be none of yet
        self._failure: BaseException | None = None
        self._ended = anyio.Event()

    def start(self) -> None:
        """Start running; once."""
        self._scope = anyio.CancelScope()
        self._task = asyncio.create_task(self._run(self._scope), name=self._name)

    async def _run(self, scope: anyio.CancelScope) -> None:
        try:
            with scope:
                await self._main()
        except Exception as error:
            self._failure = _single(error)
        finally:
            self._ended.set()
            self._on_end()

    @property
    def failure(self) -> BaseException | None:
        """What it met, if it ended by that."""
        return self._failure

    def check(self) -> None:
        """Raise `error` if it does not run (any more), with its failure as the cause."""
        if self._failure is not None:
            raise self._error(f"the {self._name} stopped: {_said(self._failure)}") from self._failure
        if self._ended.is_set():
            raise self._error(f"the {self._name} has stopped")
        if self._task is None:
            raise self._error(f"the {self._name} does not run; use it inside `async with`")

    async def wait_ended(self) -> None:
        """Wait until it has ended, for whatever reason."""
        await self._ended.wait()

    async def stop(self) -> None:
        """Cancel and wait for the end. Not to be called from inside `main`."""
        if self._scope is not None and self._task is not None:
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([self._task])


def _single(error: Exception) -> Exception:
    """What happened, and not how tasks are grouped: the first failure, those that followed from it as notes."""
    leaves = list(dict.fromkeys(_leaves(error)))
    first = leaves[0]
    for other in leaves[1:]:
        first.add_note(f"then: {_said(other)}")
    return first


def _leaves(error: Exception) -> Iterator[Exception]:
    if isinstance(error, ExceptionGroup):
        for each in cast("ExceptionGroup[Exception]", error).exceptions:
            yield from _leaves(each)
    else:
        yield error


def _said(error: BaseException) -> str:
    """Our own errors speak for themselves, others with their name."""
    return str(error) if isinstance(error, PodledgerError) else f"{type(error).__name__}: {error}"
