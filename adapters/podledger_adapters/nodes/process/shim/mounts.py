"""Volumes at their mountPath: a mount namespace of the pod's own, and in it one for each container.

The pod's files are this machine's, so a mountPath that does not exist here gets a root of its own in front: an empty
file system in memory with everything of / bound into it, and the missing directories beside. Nothing is made outside
the pod's directory but what hostPath's types ask for. Without root, a user namespace gives the right to mount; in it
only the user's own id exists.
"""

import os
import stat
from collections.abc import Iterable, Sequence

from .linux import (
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    enter_root,
    mount,
    unshare,
)
from .pod_spec import EMPTY_DIR, Mount, Volume

__all__ = ["HOST_PATH_KINDS", "enter_namespace", "mount_volumes", "prepare_volumes"]

MAX_ENTRIES = 2000
"""A directory with more entries than this is not taken apart to put a mountPath into it."""

HOST_PATH_KINDS = {
    "": None,
    "DirectoryOrCreate": stat.S_ISDIR,
    "Directory": stat.S_ISDIR,
    "FileOrCreate": stat.S_ISREG,
    "File": stat.S_ISREG,
    "Socket": stat.S_ISSOCK,
    "CharDevice": stat.S_ISCHR,
    "BlockDevice": stat.S_ISBLK,
}
"""The types of a hostPath, and what the path must be."""

_Tree = dict[str, "_Tree"]


def enter_namespace() -> None:
    """Give this process mounts of its own. Raises OSError where the kernel refuses."""
    user, group = os.geteuid(), os.getegid()
    if user == 0:
        unshare(CLONE_NEWNS)
    else:
        unshare(CLONE_NEWUSER | CLONE_NEWNS)
        # Without the first the kernel refuses the group's mapping (user_namespaces(7)).
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123
                file.write(text)
    mount("none", "/", "", MS_REC | MS_PRIVATE)


def prepare_volumes(volumes: Iterable[Volume]) -> None:
    """Make the emptyDir volumes and look at the hostPaths, inside the pod's namespace. Raises OSError."""
    for volume in volumes:
        path = volume["path"]
        if volume["kind"] != EMPTY_DIR:
            _prepare_host_path(volume["kind"], path)
            continue
        os.makedirs(path, 0o700, exist_ok=True)  # noqa: PTH103
        if volume["memory"]:
            size = "" if volume["size"] is None else f",size={volume['size']}"
            mount("podledger", path, "tmpfs", 0, f"mode=0777{size}")
        else:
            os.chmod(path, 0o777)  # noqa: PTH101  as a kubelet's; the directory above keeps others out


def _prepare_host_path(kind: str, path: str) -> None:
    """Check it as a kubelet does, and make what may be made; a runtime makes a path of no type too."""
    if kind == "FileOrCreate":
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
    elif kind == "DirectoryOrCreate" or (kind == "" and not os.path.exists(path)):  # noqa: PTH110
        os.makedirs(path, 0o755, exist_ok=True)  # noqa: PTH103
    wanted = HOST_PATH_KINDS[kind]
    if wanted is not None and not wanted(os.stat(path).st_mode):  # noqa: PTH116
        raise OSError(f"hostPath type check failed: {path} is not a {kind}")


def mount_volumes(mounts: Sequence[Mount], volumes: Sequence[Volume], new_root: str) -> None:
    """Mount the container's volumes, in a namespace of its own. `new_root`: an empty directory. Raises OSError."""
    unshare(CLONE_NEWNS)
    sources = {volume["name"]: volume["path"] for volume in volumes}
    # A mount inside another's comes after it, as container runtimes order them.
    pairs = [(_source(sources[each["volume"]], each["inside"]), each) for each in mounts]
    pairs.sort(key=lambda pair: pair[1]["target"].rstrip("/").count("/"))
    targets = [os.path.realpath(each["target"]) for _, each in pairs]
    missing = [
        target
        for index, target in enumerate(targets)
        if not os.path.exists(target) and not _inside_any(target, targets[:index])  # noqa: PTH110
    ]
    if missing:
        _build_root(new_root, missing)
    for (source, each), target in zip(pairs, targets, strict=True):
        _make_target(source, target)
        mount(source, target, "", MS_BIND | MS_REC)
        if each["read_only"]:
            mount("", target, "", MS_REMOUNT | MS_BIND | MS_RDONLY | _kept_flags(target))


def _source(volume: str, inside: str) -> str:
    """The path to mount: the volume, or what is inside it, made if missing; never outside it by a symbolic link."""
    if not inside:
        return volume
    path = os.path.join(volume, inside)  # noqa: PTH118
    if not os.path.lexists(path):
        os.makedirs(path, 0o755)  # noqa: PTH103
    real = os.path.realpath(path)
    if not _inside_any(real, [os.path.realpath(volume)]):
        raise OSError(f"subPath {inside!r} leads out of its volume")
    return real


def _inside_any(path: str, directories: Sequence[str]) -> bool:
    return any(path == each or path.startswith(each.rstrip("/") + "/") for each in directories)


def _make_target(source: str, target: str) -> None:
    if os.path.exists(target):  # noqa: PTH110
        return
    os.makedirs(os.path.dirname(target) if os.path.isfile(source) else target, 0o755, exist_ok=True)  # noqa: PTH103, PTH113, PTH120
    if os.path.isfile(source):  # noqa: PTH113
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))


def _kept_flags(path: str) -> int:
    """What a remount in a user namespace must not take off: nosuid, nodev, noexec have the same bits in both calls."""
    return os.statvfs(path).f_flag & (MS_NOSUID | MS_NODEV | MS_NOEXEC)


def _build_root(root: str, missing: Iterable[str]) -> None:
    """Enter a copy of / in which the parents of the missing paths can be written to."""
    tree: _Tree = {}
    for path in missing:
        node = tree
        for part in os.path.dirname(path).strip("/").split("/"):  # noqa: PTH120
            if part:
                node = node.setdefault(part, {})
    os.makedirs(root, 0o700, exist_ok=True)  # noqa: PTH103
    mount("podledger", root, "tmpfs", 0, "mode=0755")
    _bind_entries("/", root, tree)
    enter_root(root)


def _bind_entries(source: str, target: str, opened: _Tree) -> None:
    """Bind every entry of a directory; those in `opened` become directories of their own, entry by entry."""
    with os.scandir(source) as entries:
        found = list(entries)
    if len(found) > MAX_ENTRIES:
        raise OSError(f"{source} has too many entries to mount a volume in it: make the mountPath's directory first")
    for entry in found:
        made = os.path.join(target, entry.name)  # noqa: PTH118
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), made)  # noqa: PTH115, PTH211
        elif entry.name in opened:
            os.mkdir(made, stat.S_IMODE(entry.stat().st_mode))  # noqa: PTH102
            _bind_entries(entry.path, made, opened[entry.name])
        elif entry.is_dir():
            os.mkdir(made, 0o755)  # noqa: PTH102
            mount(entry.path, made, "", MS_BIND | MS_REC)
        else:
            os.close(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644))
            mount(entry.path, made, "", MS_BIND)
