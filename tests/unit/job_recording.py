"""Plays a recorded scenario on the pure half: the recordings' driver is the kubelet and the user, and time is virtual.

What is compared is what the recordings show at each rest: the Job's status, the pods, the Kubernetes Events.
"""

import json
from typing import Any

from msgspec.structs import replace
from tests.merge_patch import merged
from tests.unit.job_performer import START_S, Performer, at

from podledger.api.decode import decode_job
from podledger.api.document import job_document, job_from_document, pod_document
from podledger.api.job import Job
from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
    Pod,
    PodCondition,
    PodStatus,
)
from podledger.job.names import COMPLETION_INDEX, FINALIZER

__all__ = ["PLAYED", "Recording", "forgive_active"]

Json = dict[str, Any]
PLAYED = frozenset({"create", "settle", "wait", "patch-job", "pods", "bind", "delete-pods", "clone-pod"})
"""The steps that can be played without an API server and other controllers."""

QUIET_S = 2.5
LIMIT = 40
_SHOWN = ("active", "ready", "terminating", "succeeded", "failed", "completedIndexes", "failedIndexes")
_OWN = "batch.kubernetes.io/"


class Recording:
    """One scenario under way; `observations` are what was seen so far."""

    def __init__(self) -> None:
        self.world: Performer | None = None
        self.observations: list[Json] = []
        self._names: dict[str, str] = {}

    def play(self, steps: list[Json]) -> list[Json]:
        """All steps; what was seen."""
        for step in steps:
            if step["do"] == "create":
                self.world = Performer(decode_job(step["body"]), now=float(START_S))
                self.world.observe_job()
            else:
                assert self.world is not None
                self._step(self.world, step)
        return self.observations

    def _step(self, world: Performer, step: Json) -> None:
        match step["do"]:
            case "settle":
                self._settle(world)
                self.observations.append({"step": step.get("label", ""), **self._seen(world)})
            case "wait":
                self._pass(world, step["seconds"])
            case "patch-job":
                changed = job_from_document(merged(job_document(world.job), step["patch"]))
                world.change_job(spec=changed.spec)
            case "pods":
                for pod in chosen(world, step["where"]):
                    world.set_status(pod.metadata.uid, reported(pod, step["set"], world.now))
            case "bind":
                for pod in chosen(world, step["where"]):
                    world.put_pod(replace(pod, spec=replace(pod.spec, node_name="node-1")))
            case "delete-pods":
                for pod in chosen(world, step["where"]):
                    world.delete_pod(pod.metadata.uid, step.get("grace", 30))
            case _:  # clone-pod
                self._clone(world, step)

    def _clone(self, world: Performer, step: Json) -> None:
        pod = chosen(world, step["where"])[0]
        meta = replace(pod.metadata, name=step["name"], uid=step["name"], creation_timestamp=at(world.now))
        if step.get("orphan"):
            meta = replace(meta, owner_references=())
        world.put_pod(replace(pod, metadata=meta, status=PodStatus(phase="Pending")))

    def _settle(self, world: Performer) -> None:
        """Sync and let time pass until nothing happened for a while."""
        for _ in range(LIMIT):
            before = len(world.events)
            self._pass(world, 1)
            if len(world.events) == before and (world.wake_at is None or world.wake_at > world.now + QUIET_S):
                world.now += QUIET_S
                return
        raise AssertionError("the scenario does not settle")

    def _pass(self, world: Performer, seconds: float) -> None:
        end = world.now + seconds
        while True:
            world.settle()
            world.reap(kubelet=False)
            if world.wake_at is None or world.wake_at > end:
                break
            world.now = max(world.wake_at, world.now + 0.1)
        world.now = end
        world.settle()
        world.reap(kubelet=False)

    # ---- what is seen -----------------------------------------------------------------------------------------

    def _seen(self, world: Performer) -> Json:
        for command in world.commands:
            pod = getattr(command, "pod", None)
            if isinstance(pod, Pod):
                index = pod.metadata.annotations.get(COMPLETION_INDEX)
                self._names[pod.metadata.name] = "<pod>" if index is None else f"<pod-{index}>"
        tally: dict[str, int] = {}
        for notice in world.notices:
            line = f"{notice.type} {notice.reason} {self._alias(notice.message)}"
            tally[line] = tally.get(line, 0) + 1
        pods = [pod_view(pod) for pod in world.pods.values()]
        return {
            "jobs": [self._job_view(world.job)],
            "pods": sorted(pods, key=lambda view: json.dumps(view, sort_keys=True)),
            "events": dict(sorted(tally.items())),
        }

    def _alias(self, text: str) -> str:
        for name, word in self._names.items():
            text = text.replace(name, word)
        return text.replace("default/", "<ns>/")

    def _job_view(self, job: Job) -> Json:
        document = job_document(job)
        status: Json = document.get("status", {})
        uncounted: Json = status.get("uncountedTerminatedPods") or {}
        conditions: list[Json] = status.get("conditions") or []
        view: Json = {key: status[key] for key in _SHOWN if key in status}
        view |= {key: key in status for key in ("startTime", "completionTime")}
        view["uncounted"] = {key: len(uids) for key, uids in uncounted.items() if uids}
        shown = ("type", "status", "reason", "message")
        view["conditions"] = [{key: self._alias(it[key]) for key in shown if key in it} for it in conditions]
        spec: Json = document["spec"]
        view["spec"] = {key: spec.get(key) for key in ("parallelism", "completions", "suspend", "completionMode")}
        return view


def pod_view(pod: Pod) -> Json:
    """A pod as the recordings show it."""
    meta = pod.metadata
    view: Json = {"phase": pod.status.phase, "tracked": FINALIZER in meta.finalizers, "labels": sorted(meta.labels)}
    view |= {key.removeprefix(_OWN): value for key, value in meta.annotations.items() if key.startswith(_OWN)}
    if meta.deletion_timestamp is not None:
        view["terminating"] = True
    if meta.controller() is None:
        view["orphan"] = True
    selector = pod_document(pod)["spec"].get("nodeSelector")
    if selector:
        view["nodeSelector"] = selector
    return view


def chosen(world: Performer, where: Json) -> list[Pod]:
    """The pods that a step is about."""
    found: list[Pod] = []
    for pod in sorted(world.pods.values(), key=in_order):
        phase = pod.status.phase
        if "index" in where and pod.metadata.annotations.get(COMPLETION_INDEX) != str(where["index"]):
            continue
        if where.get("live", True) and phase in ("Succeeded", "Failed"):
            continue
        if "phase" in where and phase != where["phase"]:
            continue
        if "terminating" in where and (pod.metadata.deletion_timestamp is not None) != where["terminating"]:
            continue
        found.append(pod)
    assert len(found) >= where.get("count", 1), f"too few pods for {where}"
    return found[: where.get("count", len(found))]


def in_order(pod: Pod) -> tuple[object, int, str]:
    """By age, index and name, as the recordings' driver takes them."""
    meta = pod.metadata
    return (meta.creation_timestamp, int(meta.annotations.get(COMPLETION_INDEX, "-1")), meta.name)


def reported(pod: Pod, to: Json, now: float) -> PodStatus:
    """The status that the driver, playing the kubelet, gives a pod."""
    phase, when = to["phase"], at(now)
    statuses: list[ContainerStatus] = []
    for container in pod.spec.base["containers"]:
        name = container["name"]
        state = ContainerState(waiting=ContainerStateWaiting(reason="ContainerCreating"))
        if phase == "Running":
            state = ContainerState(running=ContainerStateRunning(started_at=when))
        elif phase in ("Succeeded", "Failed"):
            code = to.get("exitCodes", {}).get(name, to.get("exitCode", 0 if phase == "Succeeded" else 1))
            state = ContainerState(terminated=ContainerStateTerminated(exit_code=code, finished_at=when))
        statuses.append(ContainerStatus(name=name, state=state, restart_count=to.get("restarts", 0)))
    given = [(it["type"], it["status"]) for it in to.get("conditions", [])]
    given.append(("Ready", "True" if to.get("ready") else "False"))
    return PodStatus(
        phase=phase,
        start_time=when,
        reason=to.get("reason", ""),
        container_statuses=() if to.get("no_containers") else tuple(statuses),
        conditions=tuple(PodCondition(type=type_, status=value, last_transition_time=when) for type_, value in given),
    )


def forgive_active(want: list[Json], got: list[Json]) -> None:
    """1.36.2 says active 0 while a Job backs off though pods run (mended upstream since): the true count will do."""
    for recorded, seen in zip(want, got, strict=True):
        live = [
            pod
            for pod in seen["pods"]
            if pod["phase"] in ("Pending", "Running") and not pod.get("terminating") and not pod.get("orphan")
        ]
        if len(recorded["jobs"]) == 1 and seen["jobs"][0].get("active", 0) == len(live):
            recorded["jobs"][0].pop("active", None)
            seen["jobs"][0].pop("active", None)
