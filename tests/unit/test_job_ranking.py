"""Who is deleted first when there are too many pods."""

import pytest
from tests.unit.job_performer import Performer
from tests.unit.job_world import job

from podledger.job.ranking import surplus_pods
from podledger.job.shares import enter
from podledger.job.state import JobState, Phase, PodRecord


def pod(uid: str, **fields: object) -> PodRecord:
    """A running pod that was ready since 100 and created at 50; keywords say what is else."""
    made = PodRecord(uid, uid, 0, 1, 50, phase=Phase.RUNNING, scheduled=True, ready=True, ready_since_s=100)
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def state_of(*pods: PodRecord, **spec: object) -> JobState:
    """A Job's state with these pods."""
    world = Performer(job(restart="Never", given=None, **spec))
    world.observe_job()
    for order, each in enumerate(pods):
        each.order = order
        world.state.pods[each.uid] = each
        enter(world.state, each)
    return world.state


IN_ORDER = [
    ("not scheduled", pod("first", scheduled=False, phase=Phase.PENDING, ready=False), pod("second", ready=False)),
    ("pending", pod("first", phase=Phase.PENDING, ready=False), pod("second", phase=Phase.UNKNOWN, ready=False)),
    ("unknown", pod("first", phase=Phase.UNKNOWN, ready=False), pod("second", ready=False)),
    ("not ready", pod("first", ready=False), pod("second")),
    ("ready for a shorter time", pod("first", ready_since_s=200), pod("second")),
    ("ready since no known time", pod("first", ready_since_s=0), pod("second", ready_since_s=200)),
    ("more restarts", pod("first", most_restarts=2), pod("second", most_restarts=1, most_sidecar_restarts=9)),
    ("more sidecar restarts", pod("first", most_sidecar_restarts=2), pod("second", most_sidecar_restarts=1)),
    ("younger", pod("first", created_s=60), pod("second")),
    ("created at no known time", pod("first", created_s=0), pod("second", created_s=60)),
]


@pytest.mark.parametrize(("why", "first", "second"), IN_ORDER, ids=[why for why, _, _ in IN_ORDER])
def test_the_less_valuable_pod_goes_first(why: str, first: PodRecord, second: PodRecord) -> None:
    assert [p.uid for p in surplus_pods(state_of(second, first), 1)] == ["first"]
    assert [p.uid for p in surplus_pods(state_of(first, second), 2)] == ["first", "second"]


def test_each_rule_outranks_those_behind_it() -> None:
    pods = [
        pod("unscheduled", scheduled=False),
        pod("pending", phase=Phase.PENDING),
        pod("unready", ready=False),
        pod("newly ready", ready_since_s=200),
        pod("restarted", most_restarts=1),
        pod("young", created_s=60),
        pod("old"),
    ]
    ranked = surplus_pods(state_of(*reversed(pods)), len(pods))
    assert [p.uid for p in ranked] == [p.uid for p in pods]


def test_pods_of_no_valid_index_go_whatever_the_numbers_are_and_of_doubles_the_best_stays() -> None:
    pods = [
        pod("none"),
        pod("beyond", index=3),
        pod("double", index=1, ready=False),
        pod("best", index=1),
        pod("only", index=0, ready=False),
    ]
    state = state_of(*pods, parallelism=3, completions=3, completion_mode="Indexed")
    assert [p.uid for p in surplus_pods(state, 0)] == ["none", "beyond", "double"]
    assert [p.uid for p in surplus_pods(state, 2)] == ["none", "beyond", "double"]
    assert [p.uid for p in surplus_pods(state, 4)] == ["none", "beyond", "double", "only"]
