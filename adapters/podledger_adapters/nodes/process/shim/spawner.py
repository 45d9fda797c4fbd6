"""The spawner: a lean process that forks one shim for each uid it reads, so that a shim costs a fork and no start-up.

It is podledger's child and ends with it (its standard input closes); the shims do not: each is in a session of its
own. Measured on two cores: a Python start of its own costs a shim 15 ms and 10 MB, a fork 1 ms and 2 MB.

    python -I -S -E -c "..." ROOT      standard input: one uid a line
"""

import codecs
import contextlib
import gc
import os
import select
import signal
import sys
import time
from typing import NoReturn

from .linux import become_subreaper, name_process
from .pod import PodShim
from .record import PodRecord, poke

__all__ = ["main"]

_LOCK_ATTEMPTS = 100
_LOCK_PAUSE_S = 0.01


def main() -> None:
    """Serve requests until standard input ends."""
    root = sys.argv[1]
    name_process("podledger-spawn")
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for name in ("ascii", "latin-1", "utf-8"):
        codecs.lookup(name)  # imported once here, not by each shim
    # What was made so far is never looked at again, so that its pages stay shared with the shims.
    gc.disable()
    gc.freeze()
    shims: dict[int, str] = {}
    poller = select.poll()
    poller.register(0, select.POLLIN)
    poller.register(wake_read, select.POLLIN)
    rest = b""
    while True:
        for fd, _ in poller.poll():
            if fd == wake_read:
                os.read(wake_read, 4096)
                _reap(root, shims)
                continue
            chunk = os.read(0, 65536)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                uid = line.decode()
                pid = os.fork()
                if pid == 0:
                    _become_shim(root, uid, (wake_read, wake_write))
                shims[pid] = uid


def _reap(root: str, shims: dict[int, str]) -> None:
    """Reap the shims that ended; the node hears of those that failed, as they may have recorded nothing."""
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            uid = shims.pop(pid, "")
            if status != 0:
                poke(f"{root}/wake", uid)


def _become_shim(root: str, uid: str, private: tuple[int, ...]) -> NoReturn:
    """In the child: run the pod."""
    code = 1
    try:
        os.setsid()
        name_process("podledger-shim")
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        # When the machine goes down the containers get them too, and how they end is still to be recorded.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for fd in private:
            os.close(fd)
        record = PodRecord(root, uid)
        # Before all else: of two shims for one pod, the second ends here.
        lock = _take_lock(record)
        spec = record.read_spec()
        if lock is not None and spec is not None and record.read_state() is None:
            become_subreaper()
            leash = None if spec["survive"] else os.dup(0)
            null = os.open(os.devnull, os.O_RDWR)
            for fd in (0, 1, 2):
                os.dup2(null, fd)
            os.close(null)
            PodShim(record, spec, lock=lock, leash=leash).run()
        code = 0
    except BaseException:
        _report_crash(root, uid)
    finally:
        os._exit(code)


def _take_lock(record: PodRecord) -> int | None:
    """The pod's lock. The node tries it too, for a moment, to see whether a shim lives: hence some attempts."""
    for _ in range(_LOCK_ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            lock = record.lock()
            if lock is not None:
                return lock
        time.sleep(_LOCK_PAUSE_S)
    return None


def _report_crash(root: str, uid: str) -> None:
    """Leave the traceback in the pod's directory: the node reports the pod as lost and names the file."""
    import traceback

    with contextlib.suppress(OSError), open(f"{root}/{uid}/crash.txt", "a", encoding="utf-8") as file:  # noqa: PTH123
        traceback.print_exc(file=file)
