"""Back-off after failures: the Job's own record, that of each index, and when a pod counts as finished (6.1 to 6.3)."""

import pytest
from msgspec.structs import replace
from tests.unit.job_performer import START_S, Performer, at
from tests.unit.job_world import job, make_pod, pods_of, status_of_phase

from podledger.api.pod import (
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStatus,
    Pod,
    PodCondition,
    PodSpec,
    PodStatus,
)
from podledger.job.backoff import Backoff, backoff_delay
from podledger.job.finish_time import finish_time
from podledger.job.limits import Limits

FAILED, SUCCEEDED = "Failed", "Succeeded"


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (1, 10), (2, 20), (3, 40), (4, 80), (5, 160), (6, 320), (7, 600), (1000, 600)]
)
def test_the_delay_doubles_up_to_ten_minutes(failures: int, seconds: float) -> None:
    assert backoff_delay(failures, Limits()) == seconds


@pytest.mark.parametrize(
    ("before", "ended", "record"),
    [
        (Backoff(2, 5), [], Backoff(2, 5)),
        (Backoff(2, 5), [(FAILED, 30), (FAILED, 20), (FAILED, 25)], Backoff(5, START_S + 30)),
        (Backoff(2, 5), [(SUCCEEDED, 10)], Backoff(0, 5)),
        (Backoff(2, 5), [(FAILED, 10), (SUCCEEDED, 20), (FAILED, 30), (FAILED, 25)], Backoff(2, START_S + 30)),
        (Backoff(2, 5), [(FAILED, 20), (SUCCEEDED, 20)], Backoff(0, START_S + 20)),
    ],
    ids=[
        "nothing new",
        "failures add",
        "a success clears",
        "failures after the latest success",
        "as late is not after",
    ],
)
def test_the_record_follows_what_is_new(before: Backoff, ended: list[tuple[str, int]], record: Backoff) -> None:
    world = Performer(job(parallelism=9, completions=20, backoff_limit=9))
    world.now = START_S + 30.0
    world.observe_job()
    world.state.backoff_failures, world.state.backoff_last_s = before
    for number, (phase, second) in enumerate(ended):
        world.put_pod(make_pod(f"p{number}", status=status_of_phase(phase, START_S + second)))
    world.sync()
    assert (world.state.backoff_failures, world.state.backoff_last_s) == record


def test_the_record_is_kept_only_with_a_stored_status_and_read_again_from_the_pods_else() -> None:
    world = Performer(job(parallelism=1, completions=1))
    world.observe_job()
    world.put_pod(make_pod("f", status=status_of_phase(FAILED, START_S)))
    world.sync()
    assert (world.state.backoff_failures, world.wake_at) == (1, START_S + 10)
    world.now += 4
    world.sync()
    assert world.wake_at == START_S + 10


def test_the_timer_is_never_below_a_second() -> None:
    world = Performer(job(parallelism=1, completions=1))
    world.now = START_S + 9.7
    world.observe_job()
    world.put_pod(make_pod("f", status=status_of_phase(FAILED, START_S)))
    world.sync()
    assert world.wake_at == START_S + 10.7


def test_a_waiting_index_is_looked_at_again_though_another_was_created() -> None:
    spec = job(parallelism=2, completions=2, completion_mode="Indexed", backoff_limit_per_index=3)
    world = Performer(spec)
    world.observe_job()
    for pod in pods_of("F@0(2),new").values():
        world.put_pod(pod)
    world.sync()
    assert world.job.status.active == 1
    assert world.wake_at == START_S + 40  # two failures before this one


def test_of_two_failed_pods_of_an_index_the_later_one_keeps_its_history() -> None:
    world = Performer(job(parallelism=1, completions=1, completion_mode="Indexed", backoff_limit_per_index=5))
    world.observe_job()
    for name, count, second in (("old", 0, 10), ("new", 1, 20), ("late-but-fewer", 0, 30)):
        ended = status_of_phase(FAILED, START_S - 100 + second)
        world.put_pod(make_pod(name, index="0", count=count, status=ended))
    world.now = START_S - 70.0
    world.sync()
    assert world.state.retained == {0: "new"}
    assert world.job.status.failed == 2


# ---- when a pod finished (6.1) --------------------------------------------------------------------------------------


def ended(name: str, second: int | None) -> ContainerStatus:
    """A container that ended then; None: it runs."""
    if second is None:
        return ContainerStatus(name=name, state=ContainerState(running=ContainerStateRunning()))
    return ContainerStatus(name=name, state=ContainerState(terminated=ContainerStateTerminated(finished_at=at(second))))


def pod_with(status: PodStatus, *, deleted_s: int = 0, sidecar: bool = True) -> Pod:
    """A pod created at 100 that has a sidecar."""
    base = {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "side"}]}
    if sidecar:
        base["initContainers"][0]["restartPolicy"] = "Always"
    pod = make_pod("p", status=status)
    meta = replace(pod.metadata, creation_timestamp=at(100))
    if deleted_s:
        meta = replace(meta, deletion_timestamp=at(deleted_s + 30), deletion_grace_period_seconds=30)
    return replace(pod, metadata=meta, spec=PodSpec(base=base))


def reported(regular: list[ContainerStatus], side: list[ContainerStatus], *conditions: PodCondition) -> PodStatus:
    """What the kubelet says."""
    return PodStatus(container_statuses=tuple(regular), init_container_statuses=tuple(side), conditions=conditions)


READY_FALSE = PodCondition(type="Ready", status="False", last_transition_time=at(400))
A, B, B_RUNS, SIDE = ended("a", 200), ended("b", 300), ended("b", None), ended("side", 310)
FINISHED = {
    "latest container": (pod_with(reported([A, B], [])), 300),
    "a sidecar counts": (pod_with(reported([A, B], [SIDE])), 310),
    "a running sidecar voids all": (pod_with(reported([A, B], [ended("side", None)])), 100),
    "a running container voids the regular part": (pod_with(reported([A, B_RUNS], [SIDE])), 310),
    "an ordinary init container does not count": (pod_with(reported([A], [ended("side", 900)]), sidecar=False), 200),
    "Ready turned False": (pod_with(reported([B_RUNS], [], READY_FALSE)), 400),
    "Ready before deletion": (pod_with(reported([], [], READY_FALSE), deleted_s=500), 400),
    "deletion request": (pod_with(PodStatus(), deleted_s=500), 500),
    "creation": (pod_with(PodStatus()), 100),
}


@pytest.mark.parametrize("case", FINISHED)
def test_a_pod_finished_at_the_first_usable_of_four_times(case: str) -> None:
    pod, second = FINISHED[case]
    assert finish_time(pod) == second


def test_a_missing_grace_period_counts_as_none() -> None:
    pod = pod_with(PodStatus())
    assert finish_time(replace(pod, metadata=replace(pod.metadata, deletion_timestamp=at(500)))) == 500
