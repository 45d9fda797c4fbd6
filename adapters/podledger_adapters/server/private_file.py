"""Files that only their owner may read: keys, tokens, kubeconfigs. Written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

__all__ = ["make_private_directory", "write_private"]


def make_private_directory(path: Path) -> None:
    """Make a directory of mode 0700 where there is none. Raises OSError."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(path: Path, data: bytes) -> None:
    """Write a file of mode 0600, replacing what is there, whatever mode that has. Raises OSError."""
    # mkstemp makes it with mode 0600: at no moment can anybody else open it.
    fd, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise
