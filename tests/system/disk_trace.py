"""The trace of a process's disk writes, and the disks a power cut could leave at any point of it.

What was written before a file's last sync is on the disk. Of what was written to it since, none, all or any part may
be, single sectors of a write apart, in any order. Unlinking may or may not have reached the disk. The shim that writes
the trace is `disk_shim.c`.
"""

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["SURVIVALS", "Change", "Survival", "build_shim", "read_trace", "shim_environment", "surviving_files"]

SECTOR_BYTES = 512
SHIM_SOURCE = Path(__file__).with_name("disk_shim.c")


class Change(NamedTuple):
    """One record: kind w (write), t (truncate to `offset`), s (sync), u (unlink)."""

    kind: str
    path: str
    offset: int
    data: bytes


class Survival(NamedTuple):
    """What becomes of changes that were not synced: the odds that one reaches the disk, and whether in parts."""

    name: str
    odds: float
    torn: bool


SURVIVALS = (
    Survival("nothing unsynced", 0.0, False),
    Survival("everything", 1.0, False),
    Survival("some writes", 0.5, False),
    Survival("some sectors", 0.5, True),
)


def build_shim(folder: Path) -> Path:
    """Compile the shim; skips the test where that cannot be done."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or os.uname().sysname != "Linux":
        pytest.skip("needs Linux and a C compiler (cc) to stand between the writer and its disk")
    shim = folder / "disk_shim.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", shim, SHIM_SOURCE, "-ldl", "-lpthread"], check=True)
    return shim


def shim_environment(shim: Path, prefix: Path, **more: str) -> dict[str, str]:
    """The environment in which a process's changes of files beginning with `prefix` go through the shim."""
    return {**os.environ, "LD_PRELOAD": str(shim), "DISK_PREFIX": str(prefix), **more}


def read_trace(path: Path) -> list[Change]:
    """The records of a trace, in the order they happened."""
    content = path.read_bytes()
    changes: list[Change] = []
    at = 0
    while at < len(content):
        kind = chr(content[at])
        offset, path_size, size = struct.unpack_from("=qqq", content, at + 1)
        at += 25
        name = content[at : at + path_size].decode()
        changes.append(Change(kind, name, offset, content[at + path_size : at + path_size + size]))
        at += path_size + size
    return changes


def surviving_files(
    before: Mapping[str, bytes], changes: Sequence[Change], survival: Survival, draws: random.Random
) -> dict[str, bytes]:
    """What is on the disk after a power cut behind these changes, by path; `before` is what was there to begin with."""
    disk = {path: bytearray(content) for path, content in before.items()}
    unsynced: dict[str, list[Change]] = {}
    for change in changes:
        if change.kind == "s":
            for earlier in unsynced.pop(change.path, []):
                _apply(disk, earlier)
        else:
            unsynced.setdefault(change.path, []).append(change)
    for path in sorted(unsynced):
        for change in unsynced[path]:
            if change.kind == "w" and survival.torn:
                for start in range(0, len(change.data), SECTOR_BYTES):
                    if draws.random() < survival.odds:
                        part = change.data[start : start + SECTOR_BYTES]
                        _apply(disk, Change("w", path, change.offset + start, part))
            elif draws.random() < survival.odds:
                _apply(disk, change)
    return {path: bytes(content) for path, content in disk.items()}


def _apply(disk: dict[str, bytearray], change: Change) -> None:
    if change.kind == "u":
        disk.pop(change.path, None)
        return
    content = disk.setdefault(change.path, bytearray())
    if change.kind == "t":
        del content[change.offset :]
        content.extend(bytes(change.offset - len(content)))
        return
    content.extend(bytes(max(0, change.offset - len(content))))
    content[change.offset : change.offset + len(change.data)] = change.data
