"""The ledger as a file: told apart from other files, made whole or not at all, opened for writing or reading.

All of it blocks, and runs in the thread of the connection it makes. SQLite's errors become ours here (`translated`).

Nobody but SQLite opens the file. Whoever closes it takes all POSIX locks away that the process has on it, also those by
which a connection keeps other programs from taking its WAL away, and with it what was acknowledged; SQLite knows that.
"""

import errno
import os
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from podledger.errors import DamagedLog, LogUnavailable, NotALedger
from podledger.log import schema

__all__ = ["check_file", "connect_reader", "connect_writer", "file_identity", "sync_directory", "translated"]

BUSY_TIMEOUT_S = 5.0
"""How long a foreign process (an sqlite3 shell, say) may hold up a flush before the log gives up."""
WAL_PAGES = 2000
"""A checkpoint is tried once the WAL has so many pages."""
WAL_KEPT_BYTES = 64 << 20
"""A WAL that a long reader let grow is cut to this afterwards."""

_OUTCOMES: dict[int, str] = {
    sqlite3.SQLITE_FULL: "the disk is full; make room",
    sqlite3.SQLITE_IOERR: "the disk reported an error; see the system's log",
    sqlite3.SQLITE_BUSY: "another program holds the ledger locked; end it",
    sqlite3.SQLITE_LOCKED: "another program holds the ledger locked; end it",
    sqlite3.SQLITE_READONLY: "may not be written; make file and directory writable, or name another --db",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened; check the path and its permissions",
    sqlite3.SQLITE_PERM: "access was denied; check the permissions",
    sqlite3.SQLITE_AUTH: "access was denied; check the permissions",
    sqlite3.SQLITE_NOMEM: "out of memory",
}


@contextmanager
def translated(path: Path) -> Generator[None]:
    """Turn what SQLite and the system raise into LogUnavailable, DamagedLog or NotALedger, naming the path."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        if code == sqlite3.SQLITE_NOTADB:
            raise NotALedger(f"{path}: not a podledger ledger; name another --db") from error
        if code == sqlite3.SQLITE_CORRUPT or "no such table" in str(error) or "no such column" in str(error):
            raise DamagedLog(
                f"{path}: damaged ({error}); see `podledger log verify`, and restore a copy of it", 0
            ) from error
        text = _OUTCOMES.get(code, "SQLite failed")
        name = getattr(error, "sqlite_errorname", type(error).__name__)
        raise LogUnavailable(f"{path}: {text} ({error}, {name})") from error
    except UnicodeDecodeError as error:
        # Of a name in the schema: sqlite3 cannot even say what is wrong with the file.
        raise DamagedLog(
            f"{path}: damaged ({error.reason} in its schema); see `podledger log verify`, and restore a copy of it", 0
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise LogUnavailable(f"{path}: {_OUTCOMES[sqlite3.SQLITE_FULL]} ({error.strerror})") from error
        raise LogUnavailable(f"{path}: {error.strerror or error}; check the path and its permissions") from error


def check_file(path: Path, *, missing_ok: bool) -> bool:
    """Whether there is a ledger to open (False: none yet). Opens nothing for writing. Raises as `translated`."""
    if path.is_dir():
        raise NotALedger(f"{path}: is a directory; name a file in it")
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        if missing_ok:
            return False
        raise NotALedger(f"{path}: no such file; check the path") from None
    if not size and missing_ok:
        return False
    if not size or (application_id := _application_id(path)) is None:
        raise NotALedger(f"{path}: not a podledger ledger; name another --db")
    if application_id != schema.APPLICATION_ID:
        raise NotALedger(f"{path}: an SQLite database, but no podledger ledger; name another --db")
    return True


def _application_id(path: Path) -> int | None:
    """What the header says whose database it is; None if it is none. Neither locks nor makes anything."""
    with translated(path):
        connection = sqlite3.connect(_uri(path, "ro&immutable=1"), uri=True, isolation_level=None)
        try:
            (found,) = connection.execute("PRAGMA application_id").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                return None
            if error.sqlite_errorcode == sqlite3.SQLITE_CORRUPT and _wal(path).exists():
                # A checkpoint that was cut short: the WAL, which is left out here, makes the file whole. Whose it is
                # shows when it is opened with that (`schema.check_version`).
                return schema.APPLICATION_ID
            raise
        finally:
            connection.close()
    return int(found)


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing, made or migrated where need be. The caller holds its lock. Raises as `translated`."""
    with translated(path):
        if not check_file(path, missing_ok=True):
            _create(path)
        # Asked first, since SQLite would open what it may not write for reading, and fail at the first append.
        if not os.access(path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        connection = sqlite3.connect(_uri(path, "rw"), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            version = schema.check_version(connection, path)
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "fullfsync = ON",  # macOS, where fsync alone reaches only the drive's cache
                "checkpoint_fullfsync = ON",
                f"wal_autocheckpoint = {WAL_PAGES}",
                f"journal_size_limit = {WAL_KEPT_BYTES}",
                "trusted_schema = OFF",
            ):
                connection.execute(f"PRAGMA {pragma}").fetchall()
            schema.migrate(connection, version)
        except BaseException:
            connection.close()
            raise
    return connection


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open a ledger for reading only, without its lock, also while it is written. Raises as `translated`."""
    with translated(path):
        check_file(path, missing_ok=False)
        mode = "ro"
        if not _wal(path).exists():
            # Nobody has it open. A WAL database needs files beside it even for reading, which only a connection that
            # may write takes away again: left behind by another user, they keep the ledger's owner from writing.
            writable = os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
            mode = "rw" if writable else "ro&immutable=1"  # the latter needs no files, and sees no later writer
        connection = sqlite3.connect(_uri(path, mode), uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)
        try:
            schema.check_version(connection, path)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
    return connection


def file_identity(path: Path) -> tuple[int, int]:
    """What tells a file from another one put in its place. Raises OSError."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _create(path: Path) -> None:
    """Make an empty ledger beside its place and move it there, so that it is there whole or not at all."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        connection = sqlite3.connect(_uri(draft, "rw"), uri=True, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            schema.create_schema(connection)
            connection.execute("COMMIT")
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
        finally:
            connection.close()
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _uri(path: Path, mode: str) -> str:
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
