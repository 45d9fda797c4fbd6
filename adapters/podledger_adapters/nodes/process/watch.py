"""Looking at a pod's directory: what the record says, whether its shim lives, and closing the record if it does not.

All of it blocks for a moment and runs in a thread; `run` decides what follows. The lock is the truth about life: pids
are only used to be told of an end, and opened before the lock is tried, so that one given to another process is
noticed.
"""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from podledger_adapters.nodes.process.shim.ending import close, lost_state, none_ran
from podledger_adapters.nodes.process.shim.pod_spec import ShimSpec
from podledger_adapters.nodes.process.shim.pod_state import Notice, PodState
from podledger_adapters.nodes.process.shim.record import PodRecord, read_json, write_json

__all__ = ["LINGER_S", "POLL_S", "Sighting", "look_at", "record_refusal"]

LINGER_S = 0.02
"""How soon to look again at a pod whose shim is gone while its containers are being killed."""
POLL_S = 1.0
"""How often to look at a pod whose shim has no pidfd: the system knows none, or too many files are open."""


class Sighting(NamedTuple):
    """A pod as it was found. `alive`: its shim or one of its containers lives.

    `state` None: nothing was recorded yet. `pidfd`: becomes readable when the shim ends; -1 if none was opened.
    `again_s`: after how long to look again, since nothing will tell; None if something will. `notices`: what its shim
    tells people and was not passed on yet.
    """

    uid: str
    state: PodState | None
    alive: bool
    pidfd: int = -1
    again_s: float | None = None
    notices: Sequence[Notice] = ()


def look_at(pods: Iterable[tuple[PodRecord, ShimSpec, bool]]) -> list[Sighting]:
    """See how these pods are; the records of those whose shim is gone are closed. The flag: a pidfd is open already."""
    return [_look(record, spec, watched) for record, spec, watched in pods]


def _look(record: PodRecord, spec: ShimSpec, watched: bool) -> Sighting:
    try:
        state = _read_state(record, spec)
        if state is not None and (state["done"] or watched):
            return Sighting(record.uid, state, alive=not state["done"], notices=_take_notices(record, state))
        pidfd, pause_s = (-1, POLL_S) if state is None else _open_pidfd(state["shim"])
        lock = record.lock()
        if lock is None:
            again_s = pause_s if pidfd < 0 else None
            return Sighting(record.uid, state, True, pidfd, again_s, _take_notices(record, state))
        if pidfd >= 0:
            os.close(pidfd)
        try:
            state = _close(record, spec)
            return Sighting(record.uid, state, alive=False, notices=_take_notices(record, state))
        finally:
            os.close(lock)
    except OSError:
        # Most likely a full disk: nothing is lost by coming again.
        return Sighting(record.uid, None, alive=True, again_s=POLL_S)


def _take_notices(record: PodRecord, state: PodState | None) -> Sequence[Notice]:
    """The notices that were not passed on yet, and now are; a pod has some only where its probes or hooks fail."""
    if state is None or not state["notices"]:
        return ()
    told = 0
    with contextlib.suppress(ValueError):
        told = read_json(record.told_path) or 0
    new = [each for each in state["notices"] if each["number"] > told]
    if new:
        # Where the disk is full they are passed on again, which is better than not.
        with contextlib.suppress(OSError):
            write_json(record.told_path, new[-1]["number"], durable=False)
    return new


def _close(record: PodRecord, spec: ShimSpec) -> PodState | None:
    """The final record, with the lock held: the shim may have ended since the first look, or never will write."""
    state = _read_state(record, spec)
    if state is not None and not state["done"]:
        close(spec, state, time.time())
        write_json(record.state_path, state, durable=True)
    return state


def _read_state(record: PodRecord, spec: ShimSpec) -> PodState | None:
    """The record; of one that a loss of power cut short only that the pod began."""
    try:
        return record.read_state()
    except ValueError:
        return lost_state(spec, time.time())


def _open_pidfd(pid: int) -> tuple[int, float]:
    """A pidfd, or -1 and when to look again: only Linux has them, and they count as open files."""
    if sys.platform != "linux":
        return -1, POLL_S
    try:
        return os.pidfd_open(pid), POLL_S
    except ProcessLookupError:
        return -1, LINGER_S
    except OSError:
        return -1, POLL_S


def record_refusal(record: PodRecord, spec: ShimSpec, reason: str, message: str) -> None:
    """Record that the pod cannot be run, unless a shim has it or recorded something. Raises OSError."""
    lock = record.lock()
    if lock is None:
        return
    try:
        if _read_state(record, spec) is None:
            write_json(record.state_path, none_ran(spec, reason, message, time.time()), durable=True)
    finally:
        os.close(lock)
