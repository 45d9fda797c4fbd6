"""The probes of a container, tried while it runs: what to do with their verdicts is `pod_container`'s.

As a kubelet has it: until the startup probe has succeeded no other is tried; a liveness or startup probe that failed is
not tried again on the same run; readiness begins as soon as the container has started.
"""

import math
import time
from collections.abc import Callable

from .action import ActionRun
from .cgroup import Cgroups
from .container import Place
from .pod_spec import ContainerSpec, ProbeSpec
from .probe import Probe

__all__ = ["Prober"]


class _Worker:
    """A probe with its attempt, if one is under way."""

    def __init__(self, name: str, spec: ProbeSpec, ticking_since: float) -> None:
        self.name, self.spec = name, spec
        self.probe = Probe(spec, ticking_since=ticking_since)
        self.attempt: ActionRun | None = None
        self.deadline = math.inf

    def drop(self) -> None:
        """No more of this run; an attempt under way is killed and not looked at."""
        self.probe.end()
        attempt, self.attempt = self.attempt, None
        if attempt is not None:
            attempt.stop()


class Prober:
    """The probes of one container over all its runs.

    `tell` is called with a message for people about an attempt that did not succeed.
    """

    def __init__(self, spec: ContainerSpec, place: Place, ticking_since: float, tell: Callable[[str], None]) -> None:
        self._spec, self._place, self._tell = spec, place, tell
        self._startup = _worker("Startup", spec["startup"], ticking_since)
        self._liveness = _worker("Liveness", spec["liveness"], ticking_since)
        self._readiness = _worker("Readiness", spec["readiness"], ticking_since)
        self._all = [each for each in (self._startup, self._liveness, self._readiness) if each is not None]
        self._cgroups = Cgroups("", "")
        self.failed = ""

    @property
    def started(self) -> bool:
        """Whether the startup probe has succeeded, or there is none."""
        return self._startup is None or self._startup.probe.verdict == "success"

    @property
    def ready(self) -> bool:
        """Whether the container has started and its readiness probe says yes, or there is none."""
        return self.started and (self._readiness is None or self._readiness.probe.verdict == "success")

    def begin(self, now: float, cgroups: Cgroups) -> None:
        """A run of the container has started, in these groups."""
        self._cgroups, self.failed = cgroups, ""
        for worker in self._all:
            worker.probe.begin(now)
        if self._readiness is not None and self.started:
            self._readiness.probe.trigger(now)

    def ending(self) -> None:
        """The container is to be ended: only its readiness is still asked for."""
        for worker in (self._startup, self._liveness):
            if worker is not None:
                worker.drop()

    def end(self) -> None:
        """The run is over."""
        for worker in self._all:
            worker.drop()

    def step(self, now: float) -> float:
        """Begin what is due, end what takes too long; when to come again.

        `failed` says which probe asks for the container's end: Startup or Liveness.
        """
        wake_at = math.inf
        for worker in self._all:
            if worker.attempt is None:
                if (worker is self._startup) == self.started:
                    continue
                if worker.probe.due() <= now:
                    self._try(worker, now)
            elif worker.deadline <= now:
                worker.attempt.stop(worker.spec["timeout_s"])
                worker.deadline = math.inf
            wake_at = min(wake_at, worker.deadline if worker.attempt is not None else worker.probe.due())
        return wake_at

    def _try(self, worker: _Worker, now: float) -> None:
        worker.probe.try_now(now)
        try:
            attempt = ActionRun(
                worker.spec["action"], self._spec, self._place, self._cgroups, lambda: self._look(worker, attempt)
            )
        except OSError as error:
            worker.probe.take("unknown")
            self._tell(f"{worker.name} probe errored and resulted in unknown state: {error}")
            return
        worker.attempt, worker.deadline = attempt, now + worker.spec["timeout_s"]

    def _look(self, worker: _Worker, attempt: ActionRun) -> None:
        """Something happened to the attempt."""
        if worker.attempt is not attempt or not attempt.over:
            return
        worker.attempt, worker.deadline = None, math.inf
        result = attempt.result
        if result == "unknown":
            self._tell(f"{worker.name} probe errored and resulted in unknown state: {attempt.text}")
        elif result == "failure":
            self._tell(f"{worker.name} probe failed: {attempt.text}")
        if not worker.probe.take(result):
            return
        if result == "failure" and worker is not self._readiness:
            worker.probe.end()
            self.failed = self.failed or worker.name
        elif worker is self._startup and self._readiness is not None:
            self._readiness.probe.trigger(time.monotonic())


def _worker(name: str, spec: ProbeSpec | None, ticking_since: float) -> _Worker | None:
    return None if spec is None else _Worker(name, spec, ticking_since)
