"""The shim proper: a kubelet for one pod. Starts containers in order, restarts and ends them, records each step.

It acts on what it reads (containers' ends, the node's request to stop, time), one step after each wait; what a step
does depends only on the state, so nothing is lost by coming late. A container's start is durable before it happens,
and the end is recorded when nothing of it runs any more. What a container is, is `container`; the files, `record`.
"""

import contextlib
import os
import select
import time

from .backoff import CrashLoopBackOff
from .container import START_ERROR, START_ERROR_CODE, ContainerRun, Place
from .ending import close, new_state, terminate
from .init import KILL, TERM, kill_children
from .logs import FOLLOW_NAME
from .mounts import enter_namespace, prepare_volumes
from .record import ContainerSpec, ContainerState, PodRecord, ShimSpec, poke, write_json

__all__ = ["LEASH_GRACE_S", "PodShim"]

LEASH_GRACE_S = 2.0
"""The grace of a pod whose podledger is gone: a kubelet's least."""

_RETRY_S = 1.0


class Container:
    """A container of the pod: what is asked, what is recorded, and its present run if there is one."""

    def __init__(self, spec: ContainerSpec, state: ContainerState) -> None:
        self.spec, self.state = spec, state
        self.sidecar = spec["sidecar"]
        self.run: ContainerRun | None = None
        self.backoff = CrashLoopBackOff()
        self.ended = 0.0
        self.told = b""

    @property
    def attempts(self) -> int:
        """How often it was started."""
        return self.state["restarts"] + (self.state["container_id"] != "")

    @property
    def exit_code(self) -> int | None:
        """The exit code of its last end; None if it runs or never ran."""
        last = self.state["terminated"] or (self.state["last"] if self.state["state"] == "waiting" else None)
        return None if last is None else last["exit_code"]


def _containers(specs: list[ContainerSpec], states: list[ContainerState]) -> list[Container]:
    return [Container(spec, state) for spec, state in zip(specs, states, strict=True)]


class PodShim:
    """Runs one pod to its end. `leash`: a descriptor that hangs up when podledger is gone, or None."""

    def __init__(self, record: PodRecord, spec: ShimSpec, *, lock: int, leash: int | None) -> None:
        self._record, self._spec = record, spec
        self._control = record.make_control()
        self._place = Place(record, spec["volumes"], lock)
        self._leash = leash
        self._state = new_state(spec, os.getpid(), time.time())
        self._init = _containers(spec["init_containers"], self._state["init_containers"])
        self._main = _containers(spec["containers"], self._state["containers"])
        self._all = self._init + self._main
        self._poller = select.poll()
        self._poller.register(self._control, select.POLLIN)
        if leash is not None:
            self._poller.register(leash, 0)
        self._by_fd: dict[int, Container] = {}
        self._ending = self._orphaned = False
        self._kill_at = float("inf")
        self._wake_at = float("inf")
        began = time.monotonic()
        deadline = spec["deadline_s"]
        self._deadline = float("inf") if deadline is None else began + deadline

    def run(self) -> None:
        """Run the pod; returns when it is over and that is recorded."""
        self._read_stop()
        # Podledger may be gone already.
        self._handle(0)
        self._prepare_volumes()
        while True:
            now = time.monotonic()
            self._wake_at = float("inf")
            if now >= self._deadline:
                self._end("DeadlineExceeded", "Pod was active on the node longer than the specified deadline")
            if self._step(now) and self._finish():
                return
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
        for container in self._init:
            if container.sidecar:
                if container.run is None and not self._start_or_wait(container, now):
                    return False
                continue
            if container.run is not None:
                return False
            if container.exit_code == 0:
                continue
            if container.exit_code is not None and container.spec["restart_policy"] == "Never":
                return self._end_sidecars(now)
            self._start_or_wait(container, now)
            return False
        over = True
        for container in self._main:
            if container.run is None and self._wants_run(container):
                self._start_or_wait(container, now)
                over = False
            over = over and container.run is None
        return over and self._end_sidecars(now)

    def _wants_run(self, container: Container) -> bool:
        code = container.exit_code
        if code is None:
            return True
        policy = container.spec["restart_policy"]
        return policy == "Always" or (policy == "OnFailure" and code != 0)

    def _start_or_wait(self, container: Container, now: float) -> bool:
        """Start a container that does not run, unless its back-off says later; whether it runs."""
        if container.attempts:
            due = container.backoff.due(container.ended)
            if now < due:
                self._show_backoff(container)
                self._wake_at = min(self._wake_at, due)
                return False
        return self._start(container, now)

    def _show_backoff(self, container: Container) -> None:
        state, spec = container.state, self._spec
        if state["state"] == "waiting":
            return
        state["last"], state["terminated"] = state["terminated"], None
        state["state"], state["reason"] = "waiting", "CrashLoopBackOff"
        state["message"] = (
            f"back-off {container.backoff.delay_s:.0f}s restarting failed container={state['name']} "
            f"pod={spec['name']}_{spec['namespace']}({spec['uid']})"
        )
        self._save(durable=False)

    def _start(self, container: Container, now: float) -> bool:
        """Record the start, then start. Without the record no start: tried again later."""
        state, before = container.state, dict(container.state)
        if container.attempts:
            state["last"] = state["terminated"] or state["last"]
            state["restarts"] += 1
        state["terminated"] = None
        state["state"], state["reason"], state["message"] = "created", "ContainerCreating", ""
        state["container_id"], state["started_at"] = os.urandom(32).hex(), time.time()
        # Durable before the first instruction of the container: whoever finds this record never starts it again.
        if not self._save(durable=True, tell=False):
            state.update(before)  # type: ignore[typeddict-item]  # its own earlier content
            self._wake_at = min(self._wake_at, now + _RETRY_S)
            return False
        if state["restarts"]:
            container.backoff.restarted(container.ended, now)
        try:
            container.run = ContainerRun(container.spec, self._place, state["restarts"])
        except OSError as error:
            self._terminated(container, START_ERROR_CODE, START_ERROR, f"the shim could not start it: {error}")
            # Nothing will happen that leads on from here.
            self._wake_at = now
            return False
        for fd in (container.run.status, container.run.output):
            self._by_fd[fd] = container
            self._poller.register(fd, select.POLLIN)
        return True

    # ---- the end ----------------------------------------------------------------------------------------------

    def _end(self, reason: str = "", message: str = "", *, grace_s: float | None = None) -> None:
        """Begin to end the pod; a repeat may only shorten the grace. The first reason stays."""
        if not self._ending:
            self._ending = True
            self._state["reason"], self._state["message"] = reason, message
        self._deadline = float("inf")
        grace_s = self._spec["grace_s"] if grace_s is None else grace_s
        self._kill_at = min(self._kill_at, time.monotonic() + max(0.0, grace_s))

    def _end_sidecars(self, now: float) -> bool:
        """All others are over."""
        self._ending, self._kill_at = True, now + self._spec["grace_s"]
        return self._end_containers(now)

    def _end_containers(self, now: float) -> bool:
        """TERM to the containers, sidecars after all others and last to first; KILL when the grace is over."""
        running = [each for each in self._all if each.run is not None]
        if not running:
            return True
        if now >= self._kill_at:
            self._tell(running, KILL)
            return False
        self._tell([each for each in running if not each.sidecar] or running[-1:], TERM)
        self._wake_at = min(self._wake_at, self._kill_at)
        return False

    def _tell(self, containers: list[Container], command: bytes) -> None:
        """Each command once."""
        for each in containers:
            if each.run is not None and each.told != command:
                each.told = command
                each.run.command(command)

    def _finish(self) -> bool:
        """Record that all is over; whether this is the end of the shim too."""
        while kill_children():
            # Left by a container whose own first process was killed.
            with contextlib.suppress(ChildProcessError):
                os.waitpid(-1, 0)
        close(self._spec, self._state, time.time())
        if self._save(durable=True) or self._orphaned:
            return True
        self._wake_at = time.monotonic() + _RETRY_S
        return False

    def _terminated(self, container: Container, code: int, reason: str, message: str) -> None:
        # As a container runtime reports what never ran: started at the epoch.
        started = 0.0 if reason == START_ERROR else container.state["started_at"]
        terminate(container.state, code, reason, message, started, time.time())
        container.ended = time.monotonic()

    # ---- what happens -----------------------------------------------------------------------------------------

    def _wait(self) -> None:
        until = min(self._wake_at, self._deadline)
        self._handle(None if until == float("inf") else max(0.0, until - time.monotonic()) * 1000 + 1)

    def _handle(self, timeout_ms: float | None) -> None:
        for fd, event in self._poller.poll(timeout_ms):
            if fd == self._control:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._control, 4096)
                self._read_stop()
            elif fd == self._leash:
                if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                    self._poller.unregister(fd)
                    self._orphaned = True
                    self._end("", "", grace_s=min(self._spec["grace_s"], LEASH_GRACE_S))
            else:
                self._read_container(fd)

    def _read_stop(self) -> None:
        stop = self._record.read_stop()
        if stop is not None:
            self._end(grace_s=stop["grace_s"])

    def _read_container(self, fd: int) -> None:
        container = self._by_fd.get(fd)
        run = None if container is None else container.run
        if container is None or run is None:
            return
        if fd == run.output:
            run.read_output()
            if run.output < 0:
                self._forget_fd(fd)
            return
        output, had_started = run.output, run.started
        over = run.read_status()
        if run.started and not had_started:
            container.state["state"], container.state["reason"] = "running", ""
            # When it is over already, the record of its end follows at once.
            if not over:
                self._save(durable=False)
        if over:
            self._forget_fd(fd)
            if output >= 0:
                self._forget_fd(output)
            self._ended(container, run)

    def _forget_fd(self, fd: int) -> None:
        self._by_fd.pop(fd, None)
        self._poller.unregister(fd)

    def _ended(self, container: Container, run: ContainerRun) -> None:
        code = run.exit_code()
        if run.failure:
            self._terminated(container, code, START_ERROR, run.failure)
        else:
            reason = "OOMKilled" if run.oom_killed else "Completed" if code == 0 else "Error"
            self._terminated(container, code, reason, run.message)
        container.run = None
        container.told = b""
        if any(each.run is not None for each in self._all) or self._wants_run(container):
            self._save(durable=True)

    def _save(self, *, durable: bool, tell: bool = True) -> bool:
        """Record the state and tell the node; whether it could be recorded."""
        try:
            write_json(self._record.state_path, self._state, durable=durable)
        except OSError:
            return False
        if tell:
            poke(self._record.wake_path, self._record.uid)
            for each in self._all:
                poke(f"{self._record.logs_path(each.spec['name'])}/{FOLLOW_NAME}", "")
        return True
