"""The shim proper: a kubelet for one pod. Starts containers in order, restarts and ends them, records each step.

It acts on what it reads (containers' ends, the node's request to stop, time), one step after each wait; what a step
does depends only on the state, so nothing is lost by coming late. A container's start is durable before it happens,
and the end is recorded when nothing of it runs any more. What a container is, is `pod_container`; the files, `record`.
"""

import contextlib
import os
import select
import time

from .container import Place
from .ending import close, new_state
from .init import kill_children
from .logs import FOLLOW_NAME
from .mounts import enter_namespace, prepare_volumes
from .pod_container import PodContainer, Surroundings
from .pod_spec import ContainerSpec, ShimSpec
from .pod_state import ContainerState
from .poller import Poller
from .record import PodRecord, poke, write_json

__all__ = ["LEASH_GRACE_S", "PodShim"]

LEASH_GRACE_S = 2.0
"""The grace of a pod whose podledger is gone: a kubelet's least."""

RENEWAL_PAUSE_S = 1.0
"""How long a pod whose containers are all restarted stays without any: a kubelet looks at its pods that often."""

_RETRY_S = 1.0
_NEVER = float("inf")


class PodShim:
    """Runs one pod to its end. `leash`: a descriptor that hangs up when podledger is gone, or None."""

    def __init__(self, record: PodRecord, spec: ShimSpec, *, lock: int, leash: int | None) -> None:
        self._record, self._spec = record, spec
        self._control = record.make_control()
        self._poller = Poller()
        self._poller.watch(self._control, self._on_control)
        if leash is not None:
            self._poller.watch(leash, self._on_leash, 0)
        self._leash = leash
        self._state = new_state(spec, os.getpid(), time.time())
        began = time.monotonic()
        place = self._place = Place(record, spec["volumes"], lock, self._poller, [])
        around = Surroundings(place, spec, self._state, began, self._on_change)
        self._init = _containers(spec["init_containers"], self._state["init_containers"], around)
        self._main = _containers(spec["containers"], self._state["containers"], around)
        self._all = self._init + self._main
        self._changed = self._changed_durably = False
        # Whether all init containers were through once: then sidecars hold nobody up any more.
        self._initialized = False
        self._ending = self._orphaned = False
        self._kill_at = self._renew_at = self._wake_at = _NEVER
        deadline = spec["deadline_s"]
        self._deadline = _NEVER if deadline is None else began + deadline

    def run(self) -> None:
        """Run the pod; returns when it is over and that is recorded."""
        self._read_stop()
        # Podledger may be gone already.
        self._poller.wait(0)
        self._prepare_volumes()
        while True:
            now = time.monotonic()
            self._wake_at = _NEVER
            if now >= self._deadline:
                self._end("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            if self._step(now) and self._finish():
                return
            if self._changed and not self._save(durable=self._changed_durably):
                self._wake_by(now + _RETRY_S)
            self._wait()

    def _prepare_volumes(self) -> None:
        if not self._spec["volumes"]:
            return
        try:
            enter_namespace()
            prepare_volumes(self._spec["volumes"])
        except OSError as error:
            # A kubelet tries on for ever; here nothing can change but by hand, so the pod is refused.
            self._end("FailedMount", f"MountVolume.SetUp failed: {error}")

    # ---- what to do -------------------------------------------------------------------------------------------

    def _step(self, now: float) -> bool:
        """Do what is due now; whether the pod is over."""
        if self._ending:
            return self._end_containers(now)
        if self._state["restarting_all"] or any(each.restarts_all for each in self._all):
            return self._restart_all(now)
        for container in self._all:
            self._wake_by(container.tend(now))
        if not self._initialized:
            self._initialized = self._initialize(now)
            if not self._initialized:
                return self._ending and self._end_containers(now)
        else:
            for container in self._init:
                if container.sidecar and container.run is None:
                    self._start_or_wait(container, now)
        over = True
        for container in self._main:
            if container.run is None and container.wants_run:
                self._start_or_wait(container, now)
                over = False
            over = over and container.run is None
            if container.setting_up:
                # The next one starts when this one's postStart is done.
                return False
        if over:
            self._end_sidecars(now)
            return self._end_containers(now)
        return False

    def _initialize(self, now: float) -> bool:
        """Lead the init containers on; whether all are through."""
        for container in self._init:
            if container.sidecar:
                if container.run is None:
                    self._start_or_wait(container, now)
                if not container.state["started"]:
                    return False
                continue
            if container.run is not None:
                return False
            if container.through:
                continue
            if not container.wants_run:
                self._end_sidecars(now)
                return False
            self._start_or_wait(container, now)
            return False
        return True

    def _start_or_wait(self, container: PodContainer, now: float) -> None:
        """Start a container that does not run, unless its back-off says later."""
        due = container.due(now)
        if now < due:
            container.show_backoff()
            self._wake_by(due)
        else:
            self._start(container, now)

    def _start(self, container: PodContainer, now: float) -> None:
        """Record the start, then start. Without the record no start: tried again later."""
        before = container.record_start()
        # Durable before the first instruction of the container: whoever finds this record never starts it again.
        if not self._save(durable=True, tell=False):
            container.state.update(before)
            self._wake_by(now + _RETRY_S)
            return
        container.start(now)
        if container.run is None:
            # It could not be, and nothing will happen that leads on from here.
            self._wake_by(now)

    def _restart_all(self, now: float) -> bool:
        """A container's end asks for it: kill all that runs, without hooks or grace, and begin with the first again."""
        if not self._state["restarting_all"]:
            self._state["restarting_all"] = True
            self._renew_at = now + RENEWAL_PAUSE_S
            self._on_change(True)
        running = [each for each in self._all if each.run is not None]
        for container in running:
            container.stop(now, now)
            self._wake_by(container.tend(now))
        if running:
            return False
        for container in self._all:
            if not container.renewed:
                container.renew()
                self._on_change(False)
        if now < self._renew_at:
            self._wake_by(self._renew_at)
            return False
        self._state["restarting_all"], self._initialized = False, False
        self._wake_by(now)
        return False

    # ---- the end ----------------------------------------------------------------------------------------------

    def _end(self, reason: str = "", message: str = "", *, grace_s: float | None = None) -> None:
        """Begin to end the pod; a repeat may only shorten the grace. The first reason stays."""
        if not self._ending:
            self._ending = True
            self._state["reason"], self._state["message"] = reason, message
        self._deadline = _NEVER
        grace_s = self._spec["grace_s"] if grace_s is None else grace_s
        self._kill_at = min(self._kill_at, time.monotonic() + max(0.0, grace_s))

    def _end_sidecars(self, now: float) -> None:
        """All others are over."""
        self._ending, self._kill_at = True, now + self._spec["grace_s"]

    def _end_containers(self, now: float) -> bool:
        """End them, sidecars after all others and last to first; whether all are over."""
        running = [each for each in self._all if each.run is not None]
        turn = [each for each in running if not each.sidecar] or running[-1:]
        for container in running:
            container.stop(self._kill_at, now)
            self._wake_by(container.tend(now, in_turn=container in turn))
        return not running

    def _finish(self) -> bool:
        """Record that all is over; whether this is the end of the shim too."""
        while kill_children():
            # Left by a container whose own first process was killed.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
        self._place.remove_groups()
        close(self._spec, self._state, time.time())
        if self._save(durable=True) or self._orphaned:
            return True
        self._wake_by(time.monotonic() + _RETRY_S)
        return False

    # ---- what happens -----------------------------------------------------------------------------------------

    def _wake_by(self, moment: float) -> None:
        self._wake_at = min(self._wake_at, moment)

    def _wait(self) -> None:
        until = min(self._wake_at, self._deadline)
        self._poller.wait(None if until == _NEVER else max(0.0, until - time.monotonic()) * 1000 + 1)

    def _on_control(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._control, 4096)
        self._read_stop()

    def _on_leash(self, events: int) -> None:
        if self._leash is not None and events & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
            self._poller.forget(self._leash)
            self._orphaned = True
            self._end("", "", grace_s=min(self._spec["grace_s"], LEASH_GRACE_S))

    def _read_stop(self) -> None:
        stop = self._record.read_stop()
        if stop is not None:
            self._end(grace_s=stop["grace_s"])

    def _on_change(self, durable: bool) -> None:
        self._changed = True
        self._changed_durably = self._changed_durably or durable

    def _save(self, *, durable: bool, tell: bool = True) -> bool:
        """Record the state and tell the node; whether it could be recorded."""
        try:
            write_json(self._record.state_path, self._state, durable=durable)
        except OSError:
            return False
        if tell:
            self._changed = self._changed_durably = False
            poke(self._record.wake_path, self._record.uid)
            for each in self._all:
                poke(f"{self._record.logs_path(each.spec['name'])}/{FOLLOW_NAME}", "")
        return True


def _containers(specs: list[ContainerSpec], states: list[ContainerState], around: Surroundings) -> list[PodContainer]:
    return [PodContainer(spec, state, around) for spec, state in zip(specs, states, strict=True)]
