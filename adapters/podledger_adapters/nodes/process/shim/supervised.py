"""A process under an init of its own, as its parent sees it: starting it, its output, its end.

Containers are run so, and what probes and hooks do. What the init does is `init`.
"""

import contextlib
import os
from collections.abc import Callable

from .init import run_init
from .poller import Poller

__all__ = ["START_ERROR_CODE", "Supervised"]

START_ERROR_CODE = 128
"""The exit code of a container whose command could not be started, as container runtimes report it."""

_CHUNK = 64 * 1024
_DRAIN_CHUNKS = 64
"""What a pipe can hold is less; more is written by somebody outside the container."""


class Supervised:
    """A process that was started. `over`: all its processes are gone, and reaped.

    `failure`: why it could not start, "" if it could.
    """

    def __init__(
        self,
        poller: Poller,
        execute: Callable[[], str],
        *,
        lock: int,
        sink: Callable[[bytes], None],
        changed: Callable[[], None],
    ) -> None:
        """Start it. `execute` becomes the process, or returns why it cannot. Raises OSError.

        `sink` takes what it writes, `changed` is called when it has started and when it is over. It shares the lock,
        so that this is free only when nothing of the pod runs any more, also where the shim is killed.
        """
        self._poller, self._sink, self._changed = poller, sink, changed
        self._said = b""
        self.started = self.over = False
        self.failure = ""
        self._wait_status: int | None = None
        pipes: list[int] = []
        try:
            for _ in range(3):
                pipes += os.pipe()
            self._pid = os.fork()
        except OSError:
            for fd in pipes:
                os.close(fd)
            raise
        self._output, output_write, self._status, status_write, command_read, self._command = pipes
        if self._pid == 0:
            _become_init(execute, output_write, status_write, command_read, lock)
        for fd in (output_write, status_write, command_read):
            os.close(fd)
        os.set_blocking(self._output, False)
        poller.watch(self._output, self._read_output)
        poller.watch(self._status, self._read_status)

    def command(self, command: bytes) -> None:
        """Tell the init; nothing if it is gone."""
        if not self.over:
            with contextlib.suppress(OSError):
                os.write(self._command, command)

    def exit_code(self) -> int:
        """The exit code as a kubelet reports it: 128 + n for signal n."""
        if self.failure or self._wait_status is None:
            return START_ERROR_CODE
        code = os.waitstatus_to_exitcode(self._wait_status)
        return code if code >= 0 else 128 - code

    def _read_output(self, events: int) -> None:
        try:
            chunk = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._sink(chunk)
        else:
            self._close_output()

    def _read_status(self, events: int) -> None:
        chunk = os.read(self._status, 4096)
        self._said += chunk
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            match word:
                case "started":
                    self.started = True
                case "failed":
                    self.failure = rest
                case _:
                    self._wait_status = int(rest)
        if not chunk:
            self._finish()
        self._changed()

    def _finish(self) -> None:
        self.over = True
        self._poller.forget(self._status)
        os.close(self._status)
        os.close(self._command)
        # Not there any more where the shim has killed and reaped all that was left.
        with contextlib.suppress(ChildProcessError):
            own_status = os.waitpid(self._pid, 0)[1]
            if self._wait_status is None and not self.failure:
                # The init was killed from outside: that is how it ended.
                self._wait_status = own_status
        self._drain()

    def _drain(self) -> None:
        """What is still in the pipe. Not until it is closed: somebody outside may hold it."""
        if self._output < 0:
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(_DRAIN_CHUNKS):
                chunk = os.read(self._output, _CHUNK)
                if not chunk:
                    break
                self._sink(chunk)
        self._close_output()

    def _close_output(self) -> None:
        self._poller.forget(self._output)
        os.close(self._output)
        self._output = -1


def _become_init(execute: Callable[[], str], output: int, status: int, command: int, lock: int) -> None:
    """In the child: never returns."""
    try:
        # All else is the shim's, such as its end of other processes' pipes, which must close with it.
        kept = (0, 1, 2, output, status, command, lock)
        for fd in [int(name) for name in os.listdir("/dev/fd")]:  # noqa: PTH208
            if fd not in kept:
                with contextlib.suppress(OSError):
                    os.close(fd)  # the listing's own is closed already
        # Standard input is /dev/null already; output and errors share the pipe, so that their order is kept.
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        run_init(execute, status, command)
    finally:
        os._exit(1)
