"""resources.limits through control groups, where this user may make some; else what rlimits can do.

A container with limits gets a group below the nearest one that lets us (version 2: an ancestor that hands the
controller on; version 1: our own). It holds the container's processes, not its supervisor. Without a group a memory
limit becomes RLIMIT_DATA of each process: memory is then refused and not killed for, so the container's own error is
what one sees; a cpu limit has no such substitute.
"""

import contextlib
import os
import resource
from collections.abc import Iterator

from .pod_spec import ContainerSpec

__all__ = ["Cgroups", "controllers", "limit_by_rlimit", "make_cgroups"]

PROC_SELF = "/proc/self"
CPU_PERIOD_US = 100_000
"""The period in which a cpu quota is counted: the kernel's and the kubelet's default."""


class Cgroups:
    """The groups of one run of a container: `memory` and `cpu` are paths, "" for none; version 2 has one for both.

    `over`: the run is, and what a probe left in them is being killed.
    """

    def __init__(self, memory: str, cpu: str) -> None:
        self.memory, self.cpu = memory, cpu
        self.over = False

    @property
    def paths(self) -> list[str]:
        """Each once."""
        return sorted({self.memory, self.cpu} - {""})

    def enter(self) -> None:
        """Move this process in. Raises OSError."""
        for path in self.paths:
            _write(f"{path}/cgroup.procs", "0" if _is_v2(path) else str(os.getpid()))

    def oom_killed(self) -> bool:
        """Whether the kernel killed a process in the group for want of memory."""
        name = "memory.events" if _is_v2(self.memory) else "memory.oom_control"
        with contextlib.suppress(OSError), open(f"{self.memory}/{name}", encoding="ascii") as file:  # noqa: PTH123
            for line in file:
                word, _, value = line.partition(" ")
                if word == "oom_kill":
                    return int(value) > 0
        return False

    def remove(self) -> bool:
        """Remove the groups; whether they are gone. One that still holds a process stays."""
        for path in self.paths:
            with contextlib.suppress(OSError):
                os.rmdir(path)  # noqa: PTH106
        return not any(map(os.path.exists, self.paths))


def controllers() -> dict[str, str]:
    """Where groups can be made, by controller (`memory`, `cpu`); a controller that is out of reach is missing."""
    found: dict[str, str] = {}
    for wanted in ("memory", "cpu"):
        for parent in _candidates(wanted):
            if _lets_us(parent):
                found[wanted] = parent
                break
    return found


def _lets_us(parent: str) -> bool:
    """Whether this user can make groups below, and in version 2 move processes to them out of its own group."""
    if not os.access(parent, os.W_OK | os.X_OK):
        return False
    # Whoever moves a process must be let write at the nearest group above both (cgroups(7), delegation containment).
    return not _is_v2(parent) or os.access(f"{parent}/cgroup.procs", os.W_OK)


def make_cgroups(spec: ContainerSpec, name: str) -> Cgroups:
    """Make the groups that the container's limits ask for. Raises OSError."""
    made = Cgroups("", "")
    if spec["memory"] is None and spec["cpu"] is None:
        return made
    places = controllers()
    try:
        if spec["memory"] is not None and "memory" in places:
            made.memory = _make(places["memory"], name)
            _limit_memory(made.memory, spec["memory"])
        if spec["cpu"] is not None and "cpu" in places:
            made.cpu = _make(places["cpu"], name)
            _limit_cpu(made.cpu, spec["cpu"])
    except OSError:
        made.remove()
        raise
    return made


def limit_by_rlimit(limit: int) -> None:
    """Refuse this process and its children more private memory than that, each. Raises OSError."""
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    ceiling = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, ceiling))


def _make(parent: str, name: str) -> str:
    path = f"{parent.rstrip('/')}/{name}"
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o755)  # noqa: PTH102
    return path


def _limit_memory(path: str, limit: int) -> None:
    if _is_v2(path):
        _write(f"{path}/memory.max", str(limit))
        # No way out into swap, and all of the container killed at once: both as a kubelet sets them.
        with contextlib.suppress(OSError):
            _write(f"{path}/memory.swap.max", "0")
        with contextlib.suppress(OSError):
            _write(f"{path}/memory.oom.group", "1")
    else:
        _write(f"{path}/memory.limit_in_bytes", str(limit))
        with contextlib.suppress(OSError):
            _write(f"{path}/memory.memsw.limit_in_bytes", str(limit))


def _limit_cpu(path: str, cores: float) -> None:
    # The kernel takes no quota under 1 ms.
    quota = max(1000, round(cores * CPU_PERIOD_US))
    if _is_v2(path):
        _write(f"{path}/cpu.max", f"{quota} {CPU_PERIOD_US}")
    else:
        _write(f"{path}/cpu.cfs_quota_us", str(quota))


def _is_v2(path: str) -> bool:
    return os.path.exists(f"{path}/cgroup.controllers")  # noqa: PTH110


def _candidates(controller: str) -> Iterator[str]:
    """Directories in which a child would have the controller, nearest first."""
    mounts = _mounts()
    with contextlib.suppress(OSError), open(f"{PROC_SELF}/cgroup", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            _, names, own = line.rstrip("\n").split(":", 2)
            if controller in names.split(","):
                if controller in mounts:
                    yield mounts[controller] + own.rstrip("/")
            elif names == "" and "" in mounts:
                yield from _delegating(mounts[""], own, controller)


def _delegating(top: str, own: str, controller: str) -> Iterator[str]:
    path = own.rstrip("/")
    while True:
        with contextlib.suppress(OSError), open(f"{top}{path}/cgroup.subtree_control", encoding="ascii") as file:  # noqa: PTH123
            if controller in file.read().split():
                yield f"{top}{path}"
        if not path:
            return
        path = path.rpartition("/")[0]


def _mounts() -> dict[str, str]:
    """Where the hierarchies are mounted: by controller of version 1, and "" for version 2."""
    found: dict[str, str] = {}
    with contextlib.suppress(OSError), open(f"{PROC_SELF}/mountinfo", encoding="utf-8") as file:  # noqa: PTH123
        for line in file:
            fields, _, tail = line.partition(" - ")
            kind, _, options = tail.split(" ", 2)
            point = fields.split(" ")[4]
            if kind == "cgroup2":
                found.setdefault("", point)
            elif kind == "cgroup":
                for option in options.strip().split(","):
                    found.setdefault(option, point)
    return found


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)
