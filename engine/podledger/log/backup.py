"""A copy of a ledger, also of one that is being written: SQLite's backup API, checked, then given its name.

The copy holds what was durable when it began, in one view, and the writer goes on meanwhile. Blocking.
"""

import errno
import os
import sqlite3
from os import PathLike
from pathlib import Path
from tempfile import mkstemp

from msgspec import Struct

from podledger.errors import InputError
from podledger.log.file import connect_reader, sync_directory, translated
from podledger.log.opening import check_ends

__all__ = ["LedgerCopy", "copy_ledger"]

NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL})
"""What file systems without hard links answer (FAT, some network and FUSE ones)."""


class LedgerCopy(Struct, frozen=True):
    """A copy that was made: the position each stream ends at in it."""

    path: str
    bytes: int
    positions: dict[str, int]


def copy_ledger(source: str | PathLike[str], target: str | PathLike[str]) -> LedgerCopy:
    """Copy a ledger to a path that is free, readable by its owner only; there whole or not at all.

    Raises InputError for a target that is there; NotALedger, NewerSchema, LogUnavailable; DamagedLog if what was
    copied does not hold together.
    """
    ledger, copy = Path(source), Path(target)
    if copy.is_dir():
        raise InputError(f"{copy}: is a directory; name the file to make in it")
    if copy.exists():
        raise InputError(f"{copy}: exists already; name another file, or remove it first")
    reader = connect_reader(ledger)
    draft: Path | None = None
    try:
        with translated(copy):
            # A name of its own, so that nobody who copies to the same target takes our draft for theirs.
            descriptor, name = mkstemp(prefix=f"{copy.name}.", suffix=".new", dir=copy.parent)
            os.close(descriptor)
            draft = Path(name)
            writer = sqlite3.connect(draft, isolation_level=None)
            try:
                # In one step: one view of the source, which a writer's appends do not make begin anew.
                reader.backup(writer, pages=-1)
                heads = check_ends(writer, ledger)
            finally:
                writer.close()
            _place(draft, copy)
            size = copy.stat().st_size
    finally:
        reader.close()
        if draft is not None:
            draft.unlink(missing_ok=True)
    return LedgerCopy(str(copy), size, {name: head.position for name, head in heads.items()})


def _place(draft: Path, copy: Path) -> None:
    """Give the draft its name, unless somebody took it meanwhile."""
    try:
        try:
            os.link(draft, copy)
        except FileExistsError:
            raise
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            # The name is made ours first: a rename alone would replace whatever has it.
            os.close(os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            draft.replace(copy)
    except FileExistsError:
        raise InputError(f"{copy}: exists already; name another file, or remove it first") from None
    sync_directory(copy.parent)
