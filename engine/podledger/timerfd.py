"""Sleeping by the wall clock on Linux: the kernel wakes the sleeper at the time, or when the clock is set.

A timer that only counts seconds would sleep too long after the clock was put forward, and looking at the clock every
so often would keep an idle process busy. `timerfd` with TFD_TIMER_CANCEL_ON_SET does neither. Python has it as
`os.timerfd_create` from 3.13 on; one way for all versions is simpler than two.
"""

import ctypes
import errno
import math
import os
import time
from asyncio import Future, get_running_loop
from functools import cache

__all__ = ["sleep_until_wall"]

# <sys/timerfd.h>
TFD_CLOEXEC = 0o2000000
TFD_NONBLOCK = 0o4000
TFD_TIMER_ABSTIME = 1 << 0
TFD_TIMER_CANCEL_ON_SET = 1 << 1
# The kernel's own clock ends in the year 2262; this is 2200-01-01.
LATEST_S = 7_258_118_400


class _Timespec(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_nsec", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("it_interval", _Timespec), ("it_value", _Timespec))


async def sleep_until_wall(when: float) -> None:
    """Sleep until the wall time is `when`, or until the wall clock is set, whichever comes first.

    Raises OSError where the kernel has no file descriptor left.
    """
    descriptor = _open_timer(when)
    loop = get_running_loop()
    fired: Future[None] = loop.create_future()
    try:
        loop.add_reader(descriptor, _fire, descriptor, fired)
        try:
            await fired
        finally:
            loop.remove_reader(descriptor)
    finally:
        os.close(descriptor)


def _fire(descriptor: int, fired: Future[None]) -> None:
    try:
        os.read(descriptor, 8)
    except BlockingIOError:
        return
    except OSError as error:
        # ECANCELED is how the kernel says that the clock was set.
        if error.errno != errno.ECANCELED and not fired.done():
            fired.set_exception(error)
            return
    if not fired.done():
        fired.set_result(None)


def _open_timer(when: float) -> int:
    libc = _libc()
    descriptor = libc.timerfd_create(time.CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK)
    if descriptor < 0:
        raise _last_error()
    # Rounded up, so that the sleeper never finds itself a fraction early; an all-zero time would disarm the timer.
    fraction, seconds = math.modf(min(max(when, 1.0), LATEST_S))
    value = _Timespec(int(seconds), min(math.ceil(fraction * 1e9), 999_999_999))
    setting = _Itimerspec(_Timespec(0, 0), value)
    flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET
    if libc.timerfd_settime(descriptor, flags, ctypes.byref(setting), None) < 0:
        error = _last_error()
        os.close(descriptor)
        raise error
    return int(descriptor)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.timerfd_create.argtypes = (ctypes.c_int, ctypes.c_int)
    libc.timerfd_create.restype = ctypes.c_int
    libc.timerfd_settime.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.POINTER(_Itimerspec), ctypes.c_void_p)
    libc.timerfd_settime.restype = ctypes.c_int
    return libc
