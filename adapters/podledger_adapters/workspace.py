"""Where a run keeps its ledger: in the file the user named, or in a directory of its own that goes when all is well."""

import contextlib
import shutil
import tempfile
from pathlib import Path

from podledger.errors import InputError, LogUnavailable

__all__ = ["Workspace"]

LEDGER_NAME = "ledger.db"


class Workspace:
    """The ledger's path. A temporary one lies in a fresh directory that only its user may enter (0700)."""

    def __init__(self, db: str | None) -> None:
        """Raises InputError for a `db` that is no path, LogUnavailable where no directory can be made."""
        self._directory: Path | None = None
        self.used = False
        """Whether a Job was submitted to it."""
        if db is not None:
            if "://" in db:
                raise InputError(f"--db {db}: only files can be ledgers yet; give a path such as jobs.db")
            self.ledger = Path(db)
            if not self.ledger.name:
                raise InputError(f"--db {db or '(empty)'}: names no file; give a path such as jobs.db")
            return
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="podledger-"))
        except OSError as error:
            text = f"no temporary directory can be made ({error.strerror}); set TMPDIR, or give --db PATH"
            raise LogUnavailable(text) from error
        self.ledger = self._directory / LEDGER_NAME

    @property
    def pods(self) -> Path:
        """Where the records and logs of the pods are: beside the ledger."""
        return self.ledger.with_name(f"{self.ledger.name}.pods")

    @property
    def temporary(self) -> bool:
        """Whether the ledger goes when all is well."""
        return self._directory is not None

    def remove(self) -> None:
        """Remove a temporary ledger and what lies beside it; one that was named stays."""
        if self._directory is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._directory)
