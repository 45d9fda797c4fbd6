"""A container of the pod over all its runs: its record, its probes and hooks, its restarts.

When containers are started and ended, `pod` says; what a run is, `container`; how one is ended, `stopping`.
"""

import contextlib
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from .action import ActionRun
from .backoff import CrashLoopBackOff
from .container import START_ERROR, ContainerRun, Place
from .ending import terminate
from .notices import tell
from .pod_spec import Action, ContainerSpec, ShimSpec
from .pod_state import ContainerState, PodState
from .prober import Prober
from .restart import RESTART_ALL, RESTARTED_REASON, restart_action, shall_restart
from .stopping import Stopping
from .supervised import START_ERROR_CODE

__all__ = ["PodContainer", "Surroundings"]

REMOVED_CODE = 137
REMOVED_MESSAGE = "The container is removed because RestartAllContainers in place"


class Surroundings(NamedTuple):
    """What a pod's containers have in common. `changed` is called when the record changed, with whether durably so.

    `began` is when the pod began, of the monotonic clock.
    """

    place: Place
    spec: ShimSpec
    state: PodState
    began: float
    changed: Callable[[bool], None]


class PodContainer:
    """What is asked of it, what is recorded, and its present run if there is one. Times are monotonic.

    `renewed`: all containers are being restarted, and it is ready for that.
    """

    def __init__(self, spec: ContainerSpec, state: ContainerState, around: Surroundings) -> None:
        self.spec, self.state, self._around = spec, state, around
        self.sidecar = spec["sidecar"]
        self.run: ContainerRun | None = None
        self._prober = Prober(spec, around.place, around.began, lambda text: self._tell("Warning", "Unhealthy", text))
        self._post_start: ActionRun | None = None
        self._pre_stop: ActionRun | None = None
        self._stopping: Stopping | None = None
        self._backoff = CrashLoopBackOff()
        self._ended: float | None = None
        self._ended_before: float | None = None
        # To be started again however it ended: a probe had it killed, or all containers are restarted.
        self._replaced = self.renewed = False

    # ---- what is known ----------------------------------------------------------------------------------------

    @property
    def attempts(self) -> int:
        """How often it was started."""
        return self.state["restarts"] + (self.state["container_id"] != "")

    @property
    def exit_code(self) -> int | None:
        """The exit code of its last end; None if it runs, never ran, or is to be started anew."""
        if self._replaced or self.renewed:
            return None
        last = self.state["terminated"] or (self.state["last"] if self.state["state"] == "waiting" else None)
        return None if last is None else last["exit_code"]

    @property
    def setting_up(self) -> bool:
        """Whether its start goes on: the command is not executed yet, or postStart is not done."""
        return self.run is not None and self.state["state"] == "created"

    @property
    def wants_run(self) -> bool:
        """Whether it is to be started, once it does not run: it never was, or is restarted."""
        code = self.exit_code
        return code is None or shall_restart(self.spec, code)

    @property
    def through(self) -> bool:
        """Whether it ended well, as an init container has to. The policy Always is then none for it."""
        return self.exit_code == 0 and not restart_action(self.spec, 0)

    @property
    def restarts_all(self) -> bool:
        """Whether its end asks for a restart of all containers."""
        code = self.exit_code
        return code is not None and restart_action(self.spec, code) == RESTART_ALL

    # ---- starting ---------------------------------------------------------------------------------------------

    def due(self, now: float) -> float:
        """When it may be started: its back-off may not be over."""
        if self._ended is None or self._replaced_at_once(now):
            return now
        return self._backoff.due(self._ended)

    def _replaced_at_once(self, now: float) -> bool:
        """A kubelet that kills for a probe starts in the same go, if the back-off since the end before is over."""
        before = self._ended_before
        return self._replaced and (before is None or self._backoff.due(before) <= now)

    def show_backoff(self) -> None:
        """Record that it waits for its restart."""
        state, pod = self.state, self._around.spec
        if state["state"] == "waiting":
            return
        state["last"], state["terminated"] = state["terminated"], None
        state["state"], state["reason"] = "waiting", "CrashLoopBackOff"
        full_name = f"{pod['name']}_{pod['namespace']}({pod['uid']})"
        delay = self._backoff.delay_text()
        state["message"] = f"back-off {delay} restarting failed container={state['name']} pod={full_name}"
        self._tell("Warning", "BackOff", f"Back-off restarting failed container {state['name']} in pod {full_name}")

    def record_start(self) -> ContainerState:
        """Write into its record that it is started; the record as it was."""
        state = self.state
        before = state.copy()
        if self.attempts:
            state["last"] = state["terminated"] or state["last"]
            state["restarts"] += 1
        state["terminated"] = None
        state["state"], state["reason"], state["message"] = "created", "ContainerCreating", ""
        state["container_id"], state["started_at"] = os.urandom(32).hex(), time.time()
        return before

    def start(self, now: float) -> None:
        """Start it, which is durably recorded by now."""
        counted_from = self._ended_before if self._replaced_at_once(now) else self._ended
        if counted_from is not None:
            self._backoff.restarted(counted_from, now)
        self._replaced = self.renewed = False
        try:
            self.run = ContainerRun(self.spec, self._around.place, self.state["restarts"], self._look)
        except OSError as error:
            self._record_end(START_ERROR_CODE, START_ERROR, f"the shim could not start it: {error}")

    def renew(self) -> None:
        """All containers are restarted: whatever became of it, it is started anew."""
        state = self.state
        # A kubelet removes the containers, and with them what its back-off counts from.
        self._ended = self._ended_before = None
        self.renewed = True
        if self.attempts:
            terminate(state, REMOVED_CODE, RESTARTED_REASON, REMOVED_MESSAGE, 0.0, time.time())
            state["last"], state["terminated"] = state["terminated"], None
            state["state"], state["reason"], state["message"] = "waiting", RESTARTED_REASON, REMOVED_MESSAGE

    # ---- while it runs ----------------------------------------------------------------------------------------

    def tend(self, now: float, *, in_turn: bool = True) -> float:
        """Probe it, and go on ending it where that was begun; when to come again. `in_turn`: see `Stopping.step`."""
        if self.run is None:
            return float("inf")
        wake_at = float("inf")
        self._set_up(self.run, now)
        if self.state["state"] == "running":
            wake_at = self._prober.step(now)
            self._record_health()
            if self._prober.failed and self._stopping is None:
                self._replace(now)
        if self._stopping is not None:
            self._look_at_pre_stop()
            wake_at = min(wake_at, self._stopping.step(now, in_turn=in_turn))
        return wake_at

    def stop(self, kill_at: float, now: float, message: str = "") -> None:
        """Begin to end its run; a repeat may only shorten the time. `message` is for people."""
        run = self.run
        if run is None:
            return
        if self._stopping is not None:
            self._stopping.hurry(kill_at, now)
            return
        self._tell("Normal", "Killing", message or f"Stopping container {self.state['name']}")
        self._prober.ending()
        self._drop_hooks()
        if run.started and kill_at > now:
            self._pre_stop = self._begin_hook(run, self.spec["pre_stop"])
            if self._pre_stop is None and self.spec["pre_stop"] is not None:
                self._tell_failed_pre_stop()
        self._stopping = Stopping(run, self._pre_stop, kill_at, now)

    def _replace(self, now: float) -> None:
        """A probe wants its end: begin it."""
        which = self._prober.failed
        probe = self.spec["startup" if which == "Startup" else "liveness"]
        grace_s = None if probe is None else probe["grace_s"]
        self._replaced = self.spec["restart_policy"] != "Never"
        kind = "Init container" if self.sidecar else "Container"
        message = f"{kind} {self.state['name']} failed {which.lower()} probe"
        self.stop(
            now + (self._around.spec["grace_s"] if grace_s is None else grace_s),
            now,
            f"{message}, will be restarted" if self._replaced else message,
        )

    def _record_health(self) -> None:
        health = self._prober.started, self._prober.ready
        if health != (self.state["started"], self.state["ready"]):
            self.state["started"], self.state["ready"] = health
            self.state["ready_at"] = time.time()
            self._around.changed(False)

    def _set_up(self, run: ContainerRun, now: float) -> None:
        """Go on with its start, from the command's to that of its probes: postStart is between."""
        if not (self.setting_up and run.started) or self._stopping is not None:
            return
        action = self.spec["post_start"]
        if action is not None and self._post_start is None:
            self._post_start = self._begin_hook(run, action)
        hook = self._post_start
        if hook is not None and not hook.over:
            return
        self._post_start = None
        if action is not None and (hook is None or hook.result != "success"):
            # Why is not said, here and below: a hook's output may hold secrets.
            self._tell("Warning", "FailedPostStartHook", "PostStartHook failed")
            self.stop(now + self._around.spec["grace_s"], now, "FailedPostStartHook")
            return
        self.state["state"], self.state["reason"] = "running", ""
        self._prober.begin(now, run.cgroups)
        self._record_health()
        self._around.changed(False)

    # ---- hooks ------------------------------------------------------------------------------------------------

    def _begin_hook(self, run: ContainerRun, action: Action | None) -> ActionRun | None:
        """Begin a hook; None if there is none, or it cannot be begun."""
        if action is None:
            return None
        with contextlib.suppress(OSError):
            return ActionRun(action, self.spec, self._around.place, run.cgroups)
        return None

    def _look_at_pre_stop(self) -> None:
        hook = self._pre_stop
        if hook is not None and hook.over:
            self._pre_stop = None
            if hook.result != "success" and not hook.stopped:
                self._tell_failed_pre_stop()

    def _tell_failed_pre_stop(self) -> None:
        self._tell("Warning", "FailedPreStopHook", "PreStopHook failed")

    def _drop_hooks(self) -> None:
        """They end with the run."""
        for hook in (self._post_start, self._pre_stop):
            if hook is not None:
                hook.stop()
        self._post_start = self._pre_stop = None

    # ---- its end ----------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Something happened to its run: take its end. All else waits for `tend`, as a handler opens nothing."""
        run = self.run
        if run is None or not run.over:
            return
        self._prober.end()
        self._drop_hooks()
        self.run = self._stopping = None
        code = run.exit_code()
        if run.failure:
            self._record_end(code, START_ERROR, run.failure)
        else:
            reason = "OOMKilled" if run.oom_killed else "Completed" if code == 0 else "Error"
            self._record_end(code, reason, run.message)

    def _record_end(self, code: int, reason: str, message: str) -> None:
        # As a container runtime reports what never ran: started at the epoch.
        started = 0.0 if reason == START_ERROR else self.state["started_at"]
        terminate(self.state, code, reason, message, started, time.time())
        self._ended_before, self._ended = self._ended, time.monotonic()
        self._around.changed(True)

    def _tell(self, type_: str, reason: str, message: str) -> None:
        tell(self._around.state, self.state["name"], type_, reason, message)
        self._around.changed(False)
