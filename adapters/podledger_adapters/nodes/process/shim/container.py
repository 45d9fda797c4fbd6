"""One run of a container, as the shim sees it: starting it, its output, its end.

What the container's own first process does is `init`; when to run it, and what its end means, is `pod`.
"""

import contextlib
import errno
import os
from collections.abc import Sequence
from typing import NamedTuple

from .cgroup import Cgroups, limit_by_rlimit, make_cgroups
from .init import run_init
from .linux import no_new_privileges
from .logs import LogWriter
from .mounts import mount_volumes
from .record import ContainerSpec, PodRecord, Volume

__all__ = ["START_ERROR", "START_ERROR_CODE", "ContainerRun", "Place"]

START_ERROR_CODE = 128
"""The exit code of a container whose command could not be started, as container runtimes report it."""

START_ERROR = "StartError"
"""The reason of such an end."""

_CHUNK = 64 * 1024
_DRAIN_CHUNKS = 64
"""What a pipe can hold is less; more is written by somebody outside the container."""


class Place(NamedTuple):
    """What all runs of a pod's containers share. `lock` is the descriptor that holds the pod's lock."""

    record: PodRecord
    volumes: Sequence[Volume]
    lock: int


class ContainerRun:
    """A container that was started. `status` and `output` are descriptors to poll for reading; -1 once closed."""

    def __init__(self, spec: ContainerSpec, place: Place, attempt: int) -> None:
        """Start it. Raises OSError.

        Its first process shares the pod's lock, so that the lock is free only when nothing of the pod runs any more,
        also where the shim is killed.
        """
        name = f"podledger-{place.record.uid}-{spec['name']}-{attempt}"
        self.cgroups = make_cgroups(spec, name)
        self._log = LogWriter(place.record.logs_path(spec["name"]), attempt)
        self._said = b""
        self.started = False
        self.failure = ""
        self.oom_killed = False
        self.message = ""
        self._message_from_log = spec["message_from_log"]
        self.wait_status: int | None = None
        self.output, output_write = os.pipe()
        self.status, status_write = os.pipe()
        command_read, self._command = os.pipe()
        try:
            self.pid = os.fork()
        except OSError:
            for fd in (self.output, self.status, self._command):
                os.close(fd)
            raise
        else:
            if self.pid == 0:
                _become_container(spec, place, self.cgroups, output_write, status_write, command_read)
        finally:
            for fd in (output_write, status_write, command_read):
                os.close(fd)
        os.set_blocking(self.output, False)

    def command(self, command: bytes) -> None:
        """Tell the container's first process; nothing if it is gone."""
        with contextlib.suppress(OSError):
            os.write(self._command, command)

    def read_output(self) -> None:
        """Move what was written to the log, or close the output where the container did."""
        try:
            chunk = os.read(self.output, _CHUNK)
        except BlockingIOError:
            return
        if chunk:
            self._log.write(chunk)
        else:
            os.close(self.output)
            self.output = -1

    def read_status(self) -> bool:
        """Take in what the first process said; whether it is over: then all its processes are gone, and reaped."""
        chunk = os.read(self.status, 4096)
        self._said += chunk
        *lines, self._said = self._said.split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            match word:
                case "started":
                    self.started = True
                case "failed":
                    self.failure = rest
                case _:
                    self.wait_status = int(rest)
        if chunk:
            return False
        self._finish()
        return True

    def _finish(self) -> None:
        os.close(self.status)
        self.status = -1
        os.close(self._command)
        own_status = os.waitpid(self.pid, 0)[1]
        if self.wait_status is None and not self.failure:
            # The first process was killed from outside: that is how the container ended.
            self.wait_status = own_status
        self._drain()
        self._log.close()
        if self._message_from_log and self.exit_code() != 0:
            self.message = self._log.tail()
        self.oom_killed = self.cgroups.memory != "" and self.cgroups.oom_killed()
        self.cgroups.remove()

    def _drain(self) -> None:
        """What is still in the pipe. Not until it is closed: somebody outside the container may hold it."""
        if self.output < 0:
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(_DRAIN_CHUNKS):
                chunk = os.read(self.output, _CHUNK)
                if not chunk:
                    break
                self._log.write(chunk)
        os.close(self.output)
        self.output = -1

    def exit_code(self) -> int:
        """The exit code as a kubelet reports it: 128 + n for signal n."""
        if self.failure or self.wait_status is None:
            return START_ERROR_CODE
        code = os.waitstatus_to_exitcode(self.wait_status)
        return code if code >= 0 else 128 - code


def _become_container(
    spec: ContainerSpec, place: Place, cgroups: Cgroups, output: int, status: int, command: int
) -> None:
    """In the child: never returns."""
    try:
        # All else is the shim's, such as its end of other containers' pipes, which must close with it.
        kept = (0, 1, 2, output, status, command, place.lock)
        for fd in [int(name) for name in os.listdir("/dev/fd")]:  # noqa: PTH208
            if fd not in kept:
                with contextlib.suppress(OSError):
                    os.close(fd)  # the listing's own is closed already
        # Standard input is /dev/null already; output and errors share the pipe, so that their order is kept.
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        run_init(lambda: _execute(spec, place, cgroups), status, command)
    finally:
        os._exit(1)


def _execute(spec: ContainerSpec, place: Place, cgroups: Cgroups) -> str:
    """Become the container's command, or say why not, in the words of a container runtime."""
    argv, env = spec["argv"], spec["env"]
    try:
        cgroups.enter()
        if spec["memory"] is not None and not cgroups.memory:
            limit_by_rlimit(spec["memory"])
    except (OSError, ValueError) as error:
        return f"resources.limits: {error}"
    try:
        if spec["mounts"]:
            mount_volumes(spec["mounts"], place.volumes, f"{place.record.path}/root")
    except OSError as error:
        return f"volumeMounts: {error}"
    try:
        os.chdir(spec["cwd"])
    except OSError as error:
        return f"chdir to cwd ({spec['cwd']!r}) set in config.json failed: {_reason(error)}"
    try:
        _set_user(spec)
        if spec["no_new_privileges"]:
            no_new_privileges()
    except OSError as error:
        return f"securityContext: {_reason(error)}"
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        if "/" not in argv[0] and error.errno in (errno.ENOENT, errno.ENOTDIR):
            return f'exec: "{argv[0]}": executable file not found in $PATH'
        return f'exec: "{argv[0]}": {_reason(error)}'
    except ValueError as error:
        return f'exec: "{argv[0]}": {error}'


def _set_user(spec: ContainerSpec) -> None:
    user, group = spec["user"], spec["group"]
    if group is not None and (group != os.getgid() or group != os.getegid()):
        os.setgroups([group])
        os.setgid(group)
    if user is not None and user != os.geteuid():
        if group is None:
            os.setgroups([])
        os.setuid(user)


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno else str(error)
