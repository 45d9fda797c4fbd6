"""PATH.lock: one process may write a ledger. The kernel keeps the lock (flock), so it is free when the process ends.

The file is never unlinked: a lock on a file that is no longer there would keep nobody out. Its text (pid and host;
the time is the file's own) serves the message of whoever is refused, and nothing else.
"""

import fcntl
import os
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from podledger.errors import LedgerLocked

__all__ = ["LedgerLock", "last_writer", "lock_path"]

TEXT_LIMIT = 512


def lock_path(ledger: Path) -> Path:
    """Where the lock of a ledger is."""
    return ledger.with_name(ledger.name + ".lock")


class LedgerLock:
    """The right to write a ledger, held from `acquire` to `release`."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    @classmethod
    def acquire(cls, ledger: Path) -> Self:
        """Take the lock. Raises LedgerLocked if another process (or this one) has it, OSError if it cannot be made."""
        path = lock_path(ledger)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _who_and_when(descriptor)
                raise LedgerLocked(f"{ledger}: being written by {holder}; stop it, or use another --db") from None
            text = f"process {os.getpid()} on {socket.gethostname()}\n".encode()
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, text[:TEXT_LIMIT], 0)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    def release(self) -> None:
        """Let others write. Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def last_writer(ledger: Path) -> str | None:
    """Who took the lock last, and when: the present writer, if there is one. None if nobody is known."""
    try:
        descriptor = os.open(lock_path(ledger), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return _who_and_when(descriptor)
    finally:
        os.close(descriptor)


def _who_and_when(descriptor: int) -> str:
    holder = os.pread(descriptor, TEXT_LIMIT, 0).decode(errors="replace").strip()
    since = datetime.fromtimestamp(int(os.fstat(descriptor).st_mtime), UTC).isoformat()
    return f"{holder or 'another process'} since {since}"
