"""What may end a run before its Jobs do: Ctrl-C, SIGTERM, a terminal that goes away, --timeout; and how urgently.

The first request asks for an orderly end, a second signal for one at once. What that means for Jobs is `suspending.py`.
"""

import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum

import anyio
from anyio.abc import TaskStatus

from podledger.ports import Clock
from podledger_adapters.cli.exit_code import ExitCode

__all__ = ["Stop", "StopReason", "run_until_stopped", "signals_heeded"]

logger = logging.getLogger(__name__)


class StopReason(Enum):
    """Why a run stops early: the words for it, and its exit code."""

    INTERRUPT = ("interrupted", ExitCode.INTERRUPTED)
    TERMINATE = ("asked to end by SIGTERM", ExitCode.TERMINATED)
    HANGUP = ("the terminal went away", ExitCode.HANGUP)
    TIMEOUT = ("timed out", ExitCode.FAILED)

    def __init__(self, words: str, code: ExitCode) -> None:
        self.words, self.code = words, code


SHOW_CURSOR = b"\x1b[?25h"
SIGNALS = {
    signal.SIGINT: StopReason.INTERRUPT,
    signal.SIGTERM: StopReason.TERMINATE,
    signal.SIGHUP: StopReason.HANGUP,
}


class Stop:
    """Whether a run shall stop. `requested` and `urgent` are awaited; the first reason is the one that counts."""

    def __init__(self) -> None:
        self.reason: StopReason | None = None
        self.requested = anyio.Event()
        self.urgent = anyio.Event()

    def request(self, reason: StopReason) -> None:
        """Stop for this reason. A second request is urgent, a third ends the process where it stands."""
        if self.reason is None:
            self.reason = reason
            self.requested.set()
        elif not self.urgent.is_set():
            self.urgent.set()
        else:
            # Whoever asks a third time means it: something is stuck, such as a reader that does not read.
            if sys.stderr.isatty():
                os.write(2, SHOW_CURSOR)
            os._exit(self.reason.code)

    async def after(self, clock: Clock, timeout_s: float) -> None:
        """Request a stop when this much time has passed on the cluster's clock, whatever is done to the wall clock."""
        end_s = clock.monotonic() + timeout_s
        while (left_s := end_s - clock.monotonic()) > 0:
            await clock.sleep_until(clock.now() + left_s)
        if self.reason is None:
            self.request(StopReason.TIMEOUT)


@asynccontextmanager
async def signals_heeded(stop: Stop) -> AsyncGenerator[None]:
    """A scope in which signals request a stop. One that was ignored when podledger started (nohup) stays ignored."""

    async def heed(*, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        with anyio.open_signal_receiver(*heeded) as signals:
            task_status.started()
            async for number in signals:
                stop.request(SIGNALS[number])

    async with anyio.create_task_group() as tasks:
        await tasks.start(heed)
        yield
        tasks.cancel_scope.cancel()


async def run_until_stopped(work: Callable[[], Awaitable[None]]) -> ExitCode:
    """Do work that knows no end of its own until a signal asks to stop; the exit code. Raises what the work meets."""
    stop = Stop()
    async with signals_heeded(stop), anyio.create_task_group() as tasks:

        async def heed() -> None:
            await stop.requested.wait()
            assert stop.reason is not None
            logger.info("stopping: %s", stop.reason.words)
            tasks.cancel_scope.cancel()

        tasks.start_soon(heed)
        await work()
        tasks.cancel_scope.cancel()
    return ExitCode.OK if stop.reason is None else stop.reason.code
