"""A pod's directory: what the node asks for, what the shim records, and the lock that says whether a shim lives.

    ROOT/wake                 FIFO: shims write the uid of a pod that changed; only a hint
    ROOT/UID/lock             held (flock) by the shim for as long as it lives, and never unlinked before the pod is
    ROOT/UID/spec.json        what to run, written once by the node
    ROOT/UID/stop.json        that the pod shall end, written by the node; a repeat may shorten the grace
    ROOT/UID/control          FIFO: the node tells the shim that stop.json changed
    ROOT/UID/state.json       what became of it, written by the shim alone, each time by an atomic rename
    ROOT/UID/told.json        the number of the last notice that the node has passed on, written by the node
    ROOT/UID/logs/NAME/       what each container wrote
    ROOT/UID/volumes/NAME/    its emptyDir volumes
    ROOT/UID/root/            where a container's root is put together, if a mountPath does not exist on this machine
    ROOT/UID/crash.txt        the traceback of a shim that failed, which should not happen

The lock is a lock of the open file: the kernel frees it when the shim ends, however it ends. All is readable by its
owner only. Both sides use this module, so it is standard library only.
"""

import contextlib
import errno
import fcntl
import json
import os
import stat
from typing import Any, TypedDict

from .pod_spec import ShimSpec
from .pod_state import PodState

__all__ = ["PodRecord", "StopRequest", "poke", "read_json", "write_json"]


class StopRequest(TypedDict):
    """stop.json. `grace_s` counts from when the shim reads it."""

    grace_s: float


def read_json(path: str) -> Any:
    """The file's content, None if there is no such file. Raises ValueError for a damaged one."""
    try:
        with open(path, encoding="utf-8") as file:  # noqa: PTH123  pathlib costs the shim 8 ms
            return json.load(file)
    except FileNotFoundError:
        return None


def write_json(path: str, value: object, *, durable: bool) -> None:
    """Replace the file in one step; with `durable` it survives a loss of power. Raises OSError."""
    draft, data = f"{path}.new", json.dumps(value).encode()
    try:
        _write(draft, data, durable=durable)
        os.replace(draft, path)  # noqa: PTH105
    except OSError:
        # On a full disk it would only take more room.
        with contextlib.suppress(OSError):
            os.unlink(draft)  # noqa: PTH108
        raise
    if durable:
        sync_directory(os.path.dirname(path))  # noqa: PTH120


def _write(path: str, data: bytes, *, durable: bool) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        while data:
            data = data[os.write(fd, data) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def sync_directory(path: str) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def poke(fifo: str, line: str) -> bool:
    """Write a line to a FIFO if somebody reads it; whether it was delivered. Never blocks, never raises."""
    try:
        fd = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Not to a file that somebody put in its place: that would grow for ever.
        if not stat.S_ISFIFO(os.fstat(fd).st_mode):
            return False
        os.write(fd, f"{line}\n".encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class PodRecord:
    """The directory of one pod."""

    def __init__(self, root: str, uid: str) -> None:
        self.root, self.uid = root, uid
        self.path = os.path.join(root, uid)  # noqa: PTH118
        self.spec_path = f"{self.path}/spec.json"
        self.state_path = f"{self.path}/state.json"
        self.stop_path = f"{self.path}/stop.json"
        self.told_path = f"{self.path}/told.json"
        self.control_path = f"{self.path}/control"
        self.wake_path = os.path.join(root, "wake")  # noqa: PTH118

    def __repr__(self) -> str:
        return f"PodRecord({self.path!r})"

    def logs_path(self, container: str) -> str:
        """The directory of a container's log."""
        return f"{self.path}/logs/{container}"

    def volume_path(self, volume: str) -> str:
        """The directory of an emptyDir volume."""
        return f"{self.path}/volumes/{volume}"

    def read_spec(self) -> ShimSpec | None:
        """What to run; None before it was written."""
        spec: ShimSpec | None = read_json(self.spec_path)
        return spec

    def read_state(self) -> PodState | None:
        """What became of it; None before the shim recorded anything."""
        state: PodState | None = read_json(self.state_path)
        return state

    def read_stop(self) -> StopRequest | None:
        """The request to end; None if there is none."""
        stop: StopRequest | None = read_json(self.stop_path)
        return stop

    def lock(self) -> int | None:
        """Take the pod's lock; the descriptor that holds it, None if another process does. Raises OSError."""
        fd = os.open(f"{self.path}/lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return None
            raise
        return fd

    def locked(self) -> bool:
        """Whether a shim lives. A directory that is gone is locked by nobody."""
        try:
            fd = self.lock()
        except FileNotFoundError:
            return False
        if fd is None:
            return True
        os.close(fd)
        return False

    def make_control(self) -> int:
        """Make and open the control FIFO, for reading; open for writing too, so that it never reads as ended."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.control_path, 0o600)
        return os.open(self.control_path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
