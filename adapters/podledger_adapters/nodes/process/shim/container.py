"""One run of a container, as the shim sees it: its control groups and its log, how its command is executed.

What the container's own first process does is `init`; when to run it, and what its end means, is `pod_container`.
"""

import errno
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from .cgroup import Cgroups, limit_by_rlimit, make_cgroups
from .linux import no_new_privileges
from .logs import LogWriter
from .mounts import mount_volumes
from .pod_spec import ContainerSpec, Volume
from .poller import Poller
from .record import PodRecord
from .supervised import Supervised

__all__ = ["START_ERROR", "ContainerRun", "Place", "execute"]

START_ERROR = "StartError"
"""The reason of the end of a container that could not be started."""


class Place(NamedTuple):
    """What all runs of a pod's containers share. `lock` is the descriptor that holds the pod's lock.

    `groups` are the control groups that were made and not removed yet.
    """

    record: PodRecord
    volumes: Sequence[Volume]
    lock: int
    poller: Poller
    groups: list[Cgroups]

    def remove_groups(self) -> None:
        """Remove the groups of runs that are over, where nothing is left in them. To be called when something ended."""
        self.groups[:] = [each for each in self.groups if not (each.over and each.remove())]


class ContainerRun(Supervised):
    """A container that was started."""

    def __init__(self, spec: ContainerSpec, place: Place, attempt: int, changed: Callable[[], None]) -> None:
        """Start it; `changed` is called when it has started and when it is over. Raises OSError."""
        name = f"podledger-{place.record.uid}-{spec['name']}-{attempt}"
        self._place = place
        self._message_from_log = spec["message_from_log"]
        self.oom_killed = False
        self.message = ""
        self.cgroups = Cgroups("", "")
        self._log = LogWriter(place.record.logs_path(spec["name"]), attempt)
        try:
            self.cgroups = cgroups = make_cgroups(spec, name)
            if cgroups.paths:
                place.groups.append(cgroups)
            super().__init__(
                place.poller,
                lambda: execute(spec, spec["argv"], place, cgroups),
                lock=place.lock,
                sink=self._log.write,
                changed=changed,
            )
        except OSError:
            self._leave()
            raise

    def _finish(self) -> None:
        super()._finish()
        if self._message_from_log and self.exit_code() != 0:
            self.message = self._log.tail()
        self.oom_killed = self.cgroups.memory != "" and self.cgroups.oom_killed()
        self._leave()

    def _leave(self) -> None:
        """Give back what it took: nothing of it runs."""
        self._log.close()
        self.cgroups.over = True
        self._place.remove_groups()


def execute(spec: ContainerSpec, argv: Sequence[str], place: Place, cgroups: Cgroups) -> str:
    """Become a command in the container, or say why not, in the words of a container runtime."""
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
        os.execvpe(argv[0], list(argv), spec["env"])
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
