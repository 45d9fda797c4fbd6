"""The statuses of simulated pods, as a kubelet would report them; pods that are alike share them.

A status depends on the pod's containers, its times in whole seconds and its exit code: of a hundred thousand pods of
one template that end in the same second there is one.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from msgspec.structs import replace

from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    PodCondition,
    PodStatus,
)

__all__ = ["StatusWriter"]

REMEMBERED: Final = 4096
DEADLINE_MESSAGE: Final = "Pod was active on the node longer than the specified deadline"

_Base = Mapping[str, Any]


class StatusWriter:
    """Makes statuses and remembers the last ones."""

    def __init__(self) -> None:
        # The pod spec is kept beside its statuses, so that its id stays its own.
        self._made: dict[tuple[object, ...], tuple[_Base, PodStatus]] = {}

    def running(self, base: _Base, started_s: float, now: float, *, ready: bool, restarts: int = 0) -> PodStatus:
        """All containers run since `started_s`."""
        key = (id(base), "running", int(started_s), int(now), ready, restarts)
        if (made := self._made.get(key)) is not None:
            return made[1]
        state = ContainerState(running=ContainerStateRunning(started_at=_time(started_s)))
        status = PodStatus(
            phase="Running",
            conditions=_conditions(now, "" if ready else "ContainersNotReady"),
            start_time=_time(started_s),
            init_container_statuses=_init_statuses(base, started_s, state),
            container_statuses=_statuses(base.get("containers", ()), state, ready=ready, restarts=restarts),
        )
        return self._remember(key, base, status)

    def waiting(self, base: _Base, started_s: float, now: float, exit_code: int, restarts: int) -> PodStatus:
        """The containers exited and wait to be started again; not remembered, it is seldom the same twice."""
        last = ContainerState(terminated=_terminated(started_s, now, exit_code))
        state = ContainerState(waiting=ContainerStateWaiting(reason="CrashLoopBackOff"))
        statuses = _statuses(base.get("containers", ()), state, ready=False, restarts=restarts, last=last)
        return PodStatus(
            phase="Running",
            conditions=_conditions(now, "ContainersNotReady"),
            start_time=_time(started_s),
            init_container_statuses=_init_statuses(base, started_s, ContainerState()),
            container_statuses=statuses,
        )

    def ended(
        self, base: _Base, started_s: float, now: float, exit_code: int, *, restarts: int = 0, late: bool = False
    ) -> PodStatus:
        """All containers exited for good; `late` says that the pod outran its own activeDeadlineSeconds."""
        key = (id(base), "ended", int(started_s), int(now), exit_code, restarts, late)
        if (made := self._made.get(key)) is not None:
            return made[1]
        succeeded = exit_code == 0 and not late
        state = ContainerState(terminated=_terminated(started_s, now, exit_code))
        sidecar = ContainerState(terminated=_terminated(started_s, now, 0))
        status = PodStatus(
            phase="Succeeded" if succeeded else "Failed",
            reason="DeadlineExceeded" if late else "",
            message=DEADLINE_MESSAGE if late else "",
            conditions=_conditions(now, "PodCompleted" if succeeded else "PodFailed"),
            start_time=_time(started_s),
            init_container_statuses=_init_statuses(base, started_s, sidecar),
            container_statuses=_statuses(base.get("containers", ()), state, ready=False, restarts=restarts),
        )
        return self._remember(key, base, status)

    def disrupted(self, base: _Base, started_s: float, now: float) -> PodStatus:
        """The node is gone, as Kubernetes' pod garbage collector says it: nobody saw how the containers ended."""
        key = (id(base), "disrupted", int(started_s), int(now))
        if (made := self._made.get(key)) is not None:
            return made[1]
        target = PodCondition(
            type="DisruptionTarget",
            status="True",
            reason="DeletionByPodGC",
            message="PodGC: node no longer exists",
            last_transition_time=_time(now),
        )
        running = self.running(base, started_s, now, ready=False)
        conditions = (*_conditions(now, "ContainersNotReady"), target)
        return self._remember(key, base, replace(running, phase="Failed", conditions=conditions))

    def _remember(self, key: tuple[object, ...], base: _Base, status: PodStatus) -> PodStatus:
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        self._made[key] = (base, status)
        return status


def _conditions(now: float, unready: str) -> tuple[PodCondition, ...]:
    """`unready` is the reason why the pod is not ready, "" if it is."""
    since, ready = _time(now), "False" if unready else "True"
    return (
        PodCondition(type="Initialized", status="True", last_transition_time=since),
        PodCondition(type="Ready", status=ready, reason=unready, last_transition_time=since),
        PodCondition(type="ContainersReady", status=ready, reason=unready, last_transition_time=since),
    )


def _terminated(started_s: float, finished_s: float, exit_code: int) -> ContainerStateTerminated:
    return ContainerStateTerminated(
        exit_code=exit_code,
        reason="Error" if exit_code else "Completed",
        started_at=_time(started_s),
        finished_at=_time(finished_s),
    )


def _statuses(
    containers: Sequence[_Base],
    state: ContainerState,
    *,
    ready: bool,
    restarts: int = 0,
    last: ContainerState | None = None,
) -> tuple[ContainerStatus, ...]:
    return tuple(
        ContainerStatus(
            name=container.get("name", ""),
            image=container.get("image", ""),
            state=state,
            last_state=last or ContainerState(),
            ready=ready,
            restart_count=restarts,
            started=state.running is not None,
        )
        for container in containers
    )


def _init_statuses(base: _Base, started_s: float, sidecar: ContainerState) -> tuple[ContainerStatus, ...]:
    """Init containers are done at once; restartable ones (sidecars) live as long as the pod."""
    done = ContainerState(terminated=_terminated(started_s, started_s, 0))
    statuses: list[ContainerStatus] = []
    for container in base.get("initContainers", ()):
        restartable = container.get("restartPolicy") == "Always"
        statuses += _statuses((container,), sidecar if restartable else done, ready=True)
    return tuple(statuses)


def _time(when: float) -> datetime:
    return datetime.fromtimestamp(int(when), UTC)
