"""What the node does to its directory: take it over, keep its name in it, tell the pods' shims what to do.

All of it blocks for a moment and runs in a thread. What is where, `shim.record` says.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from podledger.errors import ClusterError
from podledger_adapters.nodes.process.shim.pod_spec import ShimSpec
from podledger_adapters.nodes.process.shim.record import PodRecord, poke, write_json

__all__ = ["find_records", "kept_name", "open_root", "remove_records", "request_stops", "write_specs"]


_NAME_FILE = "node.json"


def kept_name(root: Path) -> str | None:
    """The name of the node that this directory is of; None where there was none yet.

    Pods are bound to a node by its name, so the name must stay though the machine is given another (a laptop in another
    network, a container made anew): else nobody would know the pods of earlier runs.
    """
    try:
        kept: object = json.loads((root / _NAME_FILE).read_bytes())
    except (OSError, ValueError):
        return None
    return kept if isinstance(kept, str) and kept else None


def open_root(root: Path, name: str) -> tuple[int, int]:
    """Make and lock the directory, and keep the node's name in it; the lock and the FIFO that shims write to.

    Raises ClusterError.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileExistsError):
                os.mkfifo(root / "wake", 0o600)
            if kept_name(root) != name:
                write_json(str(root / _NAME_FILE), name, durable=True)
            # For writing too, so that it never reads as ended.
            return lock, os.open(root / "wake", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except BaseException:
            os.close(lock)
            raise
    except BlockingIOError as error:
        raise ClusterError(f"{root}: another podledger runs pods in this directory; use another --db") from error
    except OSError as error:
        raise ClusterError(f"{root}: cannot be the directory of the pods: {error.strerror}") from error


def write_specs(pods: Sequence[tuple[PodRecord, ShimSpec]]) -> dict[str, str]:
    """Make the pods' directories; by uid, why one could not be made."""
    failures: dict[str, str] = {}
    for record, spec in pods:
        try:
            Path(record.path).mkdir(mode=0o700, exist_ok=True)
            Path(record.path, "logs").mkdir(mode=0o700, exist_ok=True)
            write_json(record.spec_path, spec, durable=False)
        except OSError as error:
            failures[record.uid] = f"cannot write {error.filename or record.path}: {error.strerror}"
    return failures


def request_stops(stops: Sequence[tuple[PodRecord, int]]) -> None:
    """Tell the shims to end their pods, with this grace in seconds; a repeat may only shorten it. Raises OSError."""
    for record, grace_s in stops:
        try:
            before = record.read_stop()
        except ValueError:
            before = None  # cut short by a loss of power
        if before is not None and before["grace_s"] <= grace_s:
            continue
        with contextlib.suppress(FileNotFoundError):
            write_json(record.stop_path, {"grace_s": float(grace_s)}, durable=False)
            # A shim that is not there yet reads the file when it begins.
            poke(record.control_path, "stop")


def remove_records(records: Sequence[PodRecord]) -> None:
    """Remove the pods' directories with all that is in them, as far as that can be."""
    for record in records:
        shutil.rmtree(record.path, ignore_errors=True)


def find_records(root: Path) -> Sequence[tuple[PodRecord, ShimSpec]]:
    """The pods of earlier runs. What was begun and never handed to a shim is removed: the cluster asks again."""
    found: list[tuple[PodRecord, ShimSpec]] = []
    for path in sorted(root.iterdir()):
        if not path.is_dir():
            continue
        record = PodRecord(str(root), path.name)
        try:
            spec = record.read_spec()
        except ValueError:
            spec = None  # cut short by a loss of power
        if spec is not None:
            found.append((record, spec))
        elif not record.locked():
            shutil.rmtree(path)
    return found
