"""The calls of Linux that Python 3.11 has no name for, through ctypes. On other systems `LINUX` is False.

What they are used for is said where they are used; nothing here decides anything.
"""

import ctypes
import os
import sys

__all__ = [
    "CLONE_NEWNS",
    "CLONE_NEWUSER",
    "LINUX",
    "MS_BIND",
    "MS_NODEV",
    "MS_NOEXEC",
    "MS_NOSUID",
    "MS_PRIVATE",
    "MS_RDONLY",
    "MS_REC",
    "MS_REMOUNT",
    "become_subreaper",
    "die_with_parent",
    "enter_root",
    "mount",
    "name_process",
    "no_new_privileges",
    "unshare",
]

LINUX = sys.platform == "linux"

# include/uapi/linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
# include/uapi/linux/sched.h
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000
# include/linux/fs.h
_MNT_DETACH = 2
# include/uapi/linux/mount.h
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def become_subreaper() -> None:
    """Orphans among this process' descendants become its children, however they forked. No-op off Linux."""
    if LINUX:
        _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send this signal when the parent ends. The caller then checks that the parent still is there."""
    if LINUX:
        _check(_libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def name_process(name: str) -> None:
    """What ps and top show; 15 bytes at most."""
    if LINUX:
        _check(_libc.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0), "prctl(PR_SET_NAME)")


def no_new_privileges() -> None:
    """exec gives no privileges any more (set-uid bits do nothing): allowPrivilegeEscalation false."""
    if LINUX:
        _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(PR_SET_NO_NEW_PRIVS)")


def unshare(flags: int) -> None:
    """Leave the given namespaces for new ones. Raises OSError."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2). Raises OSError naming the target."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), os.fsencode(kind), ctypes.c_ulong(flags), os.fsencode(data)
    )
    _check(result, f"mount on {target}")


def enter_root(path: str) -> None:
    """Make a mounted directory the root, and let go of the old one. Raises OSError."""
    os.chdir(path)
    # Both names for one directory: the old root is then mounted on the new one and can be taken off (pivot_root(2)).
    _check(_libc.pivot_root(b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount2")
    os.chdir("/")
