"""The process 1 of a container: runs the main process, reaps, and kills what that leaves behind.

A kubelet's containers live in a pid namespace, whose end is the end of its first process. Here a subreaper takes that
part: every orphan below it becomes its child, so that none escapes by forking twice or by a session of its own. It
ends everything when told to, and when the shim is gone (its end of the command pipe closes); should it be killed
itself, the shim is the next subreaper up. Off Linux there is no subreaper: there the process group is ended.

The status pipe carries lines to the shim: `started`, or `failed TEXT`; then `ended WAIT_STATUS`.
"""

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable, Collection
from typing import NoReturn

from .linux import become_subreaper, die_with_parent, name_process

__all__ = ["KILL", "TERM", "children", "kill_children", "run_init"]

KILL_ROUND_MS = 10
"""While killing: how soon to look for children that appeared since."""
TERM = b"T"
"""Command: send the main process SIGTERM, and nobody else, as a container runtime does."""
KILL = b"K"
"""Command: send everything SIGKILL. A closed command pipe says the same."""

_MESSAGE_LIMIT = 4096


def children() -> list[int]:
    """The processes whose parent is this one, zombies included. Empty where /proc does not tell."""
    me = os.getpid()
    with contextlib.suppress(OSError), open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:  # noqa: PTH123
        return [int(pid) for pid in file.read().split()]
    found: list[int] = []
    with contextlib.suppress(OSError):
        for entry in os.listdir("/proc"):  # noqa: PTH208
            if entry.isdecimal() and _parent(entry) == me:
                found.append(int(entry))
    return found


def _parent(pid: str) -> int:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="latin-1") as file:  # noqa: PTH123
        # The second field, the command's name, is in parentheses and may hold anything.
        return int(file.read().rpartition(")")[2].split()[1])
    return 0


def kill_children() -> bool:
    """Send SIGKILL to all children and to their process groups; whether there were any.

    Only children are named by pid: they are not reaped yet, so their pids cannot have been given to someone else.
    Their own children become ours when they die, and are met in the next round.
    """
    own_group, any_left = os.getpgrp(), False
    for pid in children():
        any_left = True
        with contextlib.suppress(OSError):
            group = os.getpgid(pid)
            if group != own_group:
                # The whole group in one step: no process in it can fork away meanwhile.
                os.killpg(group, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
    return any_left


def reset_signals() -> None:
    """Default dispositions and an empty mask: what Python changed must not reach a container."""
    for number in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):
            if signal.getsignal(number) is not signal.SIG_DFL:
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def run_init(execute: Callable[[], str], status: int, command: int) -> NoReturn:
    """Be a container's process 1. `execute` becomes the main process, or returns why it could not."""
    try:
        # A group of its own, so that nothing the container's processes do to their groups reaches the shim.
        os.setpgid(0, 0)
        become_subreaper()
        name_process("podledger-init")
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        os.set_blocking(wake_read, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        main, start = _start_main(execute, (status, command, wake_read, wake_write))
        failure, commands = _await_start(main, start, command)
        if failure:
            os.waitpid(main, 0)
            _say(status, f"failed {failure}")
            os._exit(0)
        _say(status, "started")
        wait_status = _supervise(main, command, wake_read, commands)
        _say(status, f"ended {wait_status}")
    except BaseException as error:
        _say(status, f"failed the container's supervisor: {error!r}")
    # Whatever went wrong above, nothing may stay behind.
    while kill_children():
        _reap(blocking=True)
    os._exit(0)


def _say(status: int, line: str) -> None:
    # The shim may be gone, which ends the container but concerns nobody else.
    with contextlib.suppress(OSError):
        os.write(status, line.replace("\n", " ").encode()[:_MESSAGE_LIMIT] + b"\n")


def _start_main(execute: Callable[[], str], private: Collection[int]) -> tuple[int, int]:
    """Fork the main process; its pid, and what it says why it could not start on: closed once it executes something."""
    read, write = os.pipe()
    me = os.getpid()
    main = os.fork()
    if main == 0:
        failure = "?"
        try:
            signal.set_wakeup_fd(-1)
            for fd in (*private, read):
                os.close(fd)
            die_with_parent(signal.SIGKILL)
            if os.getppid() != me:
                os._exit(1)  # the parent died before the line above could see it
            os.setsid()
            reset_signals()
            failure = execute()
        except BaseException as error:
            failure = repr(error)
        finally:
            os.write(write, failure.encode()[:_MESSAGE_LIMIT])
            os._exit(1)
    os.close(write)
    # The output pipe belongs to the main process now; a copy here would keep it open.
    os.close(1)
    os.close(2)
    return main, read


def _await_start(main: int, start: int, command: int) -> tuple[str, bytes]:
    """Wait until the main process executes something, or gives up: why or "", and what was commanded meanwhile.

    It can be killed here already: a directory may not answer, and what a probe asks over the network executes nothing.
    TERM waits: until then the process ignores it, as the shim does.
    """
    poller = select.poll()
    poller.register(start, select.POLLIN)
    poller.register(command, select.POLLIN)
    said = commands = b""
    while True:
        for fd, _ in poller.poll():
            if fd == command:
                commands += os.read(command, 16) or KILL
                if KILL in commands:
                    poller.unregister(command)
                    os.kill(main, signal.SIGKILL)
            elif chunk := os.read(start, _MESSAGE_LIMIT):
                said += chunk
            else:
                os.close(start)
                return said.decode(errors="replace"), commands


def _supervise(main: int, command: int, wake: int, commands: bytes) -> int:
    """Wait for the main process, obeying commands; then end all others. The main process' wait status."""
    poller = select.poll()
    poller.register(command, select.POLLIN)
    poller.register(wake, select.POLLIN)
    killing = KILL in commands
    if TERM in commands:
        os.kill(main, signal.SIGTERM)
    while not _has_ended(main):
        if killing:
            _kill_group(main)
            kill_children()
        _reap(main)
        for fd, _ in poller.poll(KILL_ROUND_MS if killing else None):
            if fd == wake:
                os.read(wake, 4096)
                continue
            received = os.read(command, 16)
            if TERM in received:
                os.kill(main, signal.SIGTERM)
            if KILL in received or not received:
                killing = True
                if not received:
                    poller.unregister(command)
    # Before it is reaped: until then its process group's number belongs to it.
    _kill_group(main)
    wait_status = os.waitpid(main, 0)[1]
    while kill_children():
        _reap(blocking=True)
    return wait_status


def _kill_group(leader: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(leader, signal.SIGKILL)


def _has_ended(pid: int) -> bool:
    """Whether the child ended; it is not reaped."""
    if sys.platform != "darwin":
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    # waitid came to macOS with Python 3.13; a kernel queue refuses a process that ended, or tells that it just did.
    queue = select.kqueue()
    try:
        event = select.kevent(pid, select.KQ_FILTER_PROC, select.KQ_EV_ADD | select.KQ_EV_ONESHOT, select.KQ_NOTE_EXIT)
        return bool(queue.control([event], 1, 0))
    except ProcessLookupError:
        return True
    finally:
        queue.close()


def _reap(spared: int = 0, *, blocking: bool = False) -> None:
    """Reap the children that ended, but for `spared`; with `blocking`, wait for at least one."""
    if sys.platform == "darwin":
        return  # without a subreaper there are no children but the main process
    options = os.WEXITED | (0 if blocking else os.WNOHANG)
    with contextlib.suppress(ChildProcessError):
        while True:
            ended = os.waitid(os.P_ALL, 0, options | os.WNOWAIT)
            if ended is None or ended.si_pid == spared:
                # Others behind it are met in the round after the main process was reaped.
                return
            os.waitpid(ended.si_pid, 0)
            options |= os.WNOHANG
