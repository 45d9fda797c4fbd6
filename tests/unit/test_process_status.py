"""What the shim recorded becomes the status of a kubelet: phase by phase, and closed where the shim is gone."""

from copy import deepcopy

import pytest
from tests.unit.process_specs import container_spec, shim_spec

from podledger.api import PodStatus
from podledger_adapters.nodes.process.shim.backoff import CrashLoopBackOff
from podledger_adapters.nodes.process.shim.ending import close, new_state, none_ran, terminate
from podledger_adapters.nodes.process.shim.pod_spec import ShimSpec
from podledger_adapters.nodes.process.shim.pod_state import ContainerState, PodState
from podledger_adapters.nodes.process.shim.restart import RESTARTED_REASON
from podledger_adapters.nodes.process.status import pod_status

BEGUN_S = 1000.7


def run(state: ContainerState, at: float = 1001.0) -> None:
    state["state"], state["started_at"], state["container_id"] = "running", at, "c0ffee"
    state["started"] = state["ready"] = True


def end(state: ContainerState, code: int, at: float = 1002.0) -> None:
    run(state)
    terminate(state, code, "Completed" if code == 0 else "Error", "", state["started_at"], at)


def seen(spec: ShimSpec, state: PodState) -> PodStatus:
    return pod_status(spec, state, "127.0.0.1")


def conditions(status: PodStatus) -> dict[str, tuple[str, str]]:
    return {each.type: (each.status, each.reason) for each in status.conditions}


def test_nothing_started_is_pending() -> None:
    spec = shim_spec()
    status = seen(spec, new_state(spec, 1, BEGUN_S))
    assert (status.phase, status.qos_class, status.host_ip) == ("Pending", "BestEffort", "127.0.0.1")
    assert status.start_time is not None
    assert status.start_time.timestamp() == 1000
    (only,) = status.container_statuses
    assert only.state.waiting is not None
    assert only.state.waiting.reason == "ContainerCreating"
    assert (only.image, only.ready, only.started, only.container_id) == ("main:1", False, False, "")
    assert conditions(status)["Ready"] == ("False", "ContainersNotReady")
    ready = status.condition("ContainersReady")
    assert ready is not None
    assert ready.message == "containers with unready status: [main]"


def test_all_containers_must_have_started_for_running() -> None:
    spec = shim_spec(main=[container_spec("a"), container_spec("b")])
    state = new_state(spec, 1, BEGUN_S)
    run(state["containers"][0])
    assert seen(spec, state).phase == "Pending"
    run(state["containers"][1])
    status = seen(spec, state)
    assert status.phase == "Running"
    assert conditions(status)["Ready"] == ("True", "")
    assert conditions(status)["PodReadyToStartContainers"] == ("True", "")


def test_running_but_not_ready_once_one_container_ended() -> None:
    spec = shim_spec(main=[container_spec("a"), container_spec("b")])
    state = new_state(spec, 1, BEGUN_S)
    end(state["containers"][0], 0)
    run(state["containers"][1])
    status = seen(spec, state)
    assert status.phase == "Running"
    assert conditions(status)["Ready"] == ("False", "ContainersNotReady")


def test_the_back_off_is_told_as_go_writes_it() -> None:
    backoff = CrashLoopBackOff()
    told: list[str] = []
    for at in range(6):
        backoff.restarted(float(at), float(at))
        told.append(backoff.delay_text())
    assert told == ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s"]


def test_a_running_container_is_ready_and_started_as_its_probes_say() -> None:
    side = container_spec("side", sidecar=True)
    spec = shim_spec(init=[side], main=[container_spec("main")])
    state = new_state(spec, 1, BEGUN_S)
    (sidecar,), (main,) = state["init_containers"], state["containers"]
    run(sidecar)
    sidecar["started"] = sidecar["ready"] = False
    assert (seen(spec, state).phase, conditions(seen(spec, state))["Initialized"][0]) == ("Pending", "False")
    sidecar["started"] = True
    run(main)
    status = seen(spec, state)
    assert (status.phase, conditions(status)["Initialized"][0]) == ("Running", "True")
    ready = status.condition("Ready")
    assert ready is not None
    assert (ready.status, ready.message) == ("False", "containers with unready status: [side]")
    sidecar["ready"], sidecar["ready_at"] = True, 1010.0
    ready = seen(spec, state).condition("Ready")
    assert ready is not None
    assert ready.last_transition_time is not None
    assert (ready.status, ready.last_transition_time.timestamp()) == ("True", 1010.0)
    # It crashed meanwhile: the pod was initialized and stays so.
    end(sidecar, 1)
    sidecar["state"], sidecar["last"], sidecar["terminated"] = "waiting", sidecar["terminated"], None
    assert conditions(seen(spec, state))["Initialized"][0] == "True"


def test_a_restart_of_all_containers_is_a_condition_and_no_way_back_to_pending() -> None:
    spec = shim_spec(init=[container_spec("init")])
    state = new_state(spec, 1, BEGUN_S)
    for each in (*state["init_containers"], *state["containers"]):
        end(each, 0)
        terminate(each, 137, RESTARTED_REASON, "", 0.0, 1003.0)
        each["state"], each["last"], each["terminated"] = "waiting", each["terminated"], None
    state["restarting_all"] = True
    status = seen(spec, state)
    assert (status.phase, conditions(status)["AllContainersRestarting"][0]) == ("Running", "True")
    assert conditions(status)["Initialized"][0] == "False"
    state["restarting_all"] = False
    assert conditions(seen(spec, state))["AllContainersRestarting"][0] == "False"


def test_crash_loop_back_off_is_running_with_what_happened_last() -> None:
    spec = shim_spec()
    state = new_state(spec, 1, BEGUN_S)
    (only,) = state["containers"]
    end(only, 3)
    only["state"], only["reason"], only["restarts"] = "waiting", "CrashLoopBackOff", 2
    only["last"], only["terminated"] = only["terminated"], None
    status = seen(spec, state)
    shown = status.container_statuses[0]
    assert (status.phase, shown.restart_count) == ("Running", 2)
    assert shown.state.waiting is not None
    assert shown.state.waiting.reason == "CrashLoopBackOff"
    assert shown.last_state.terminated is not None
    assert shown.last_state.terminated.exit_code == 3


@pytest.mark.parametrize(("codes", "phase"), [((0, 0), "Succeeded"), ((0, 1), "Failed"), ((2, 0), "Failed")])
def test_the_end_is_success_only_if_all_containers_did_well(codes: tuple[int, int], phase: str) -> None:
    spec = shim_spec(main=[container_spec("a"), container_spec("b")])
    state = new_state(spec, 1, BEGUN_S)
    for each, code in zip(state["containers"], codes, strict=True):
        end(each, code)
    close(spec, state, 1003.0)
    status = seen(spec, state)
    assert status.phase == phase
    assert conditions(status)["Ready"] == ("False", "PodCompleted" if phase == "Succeeded" else "PodFailed")
    assert conditions(status)["PodReadyToStartContainers"] == ("False", "")


def test_a_sidecars_end_does_not_count() -> None:
    spec = shim_spec(init=[container_spec("side", sidecar=True)])
    state = new_state(spec, 1, BEGUN_S)
    run(state["init_containers"][0])
    run(state["containers"][0])
    assert conditions(seen(spec, state))["Initialized"] == ("True", "")
    end(state["containers"][0], 0)
    end(state["init_containers"][0], 137)
    close(spec, state, 1003.0)
    assert seen(spec, state).phase == "Succeeded"


def test_init_containers_hold_the_phase_at_pending() -> None:
    spec = shim_spec(init=[container_spec("one"), container_spec("two")])
    state = new_state(spec, 1, BEGUN_S)
    end(state["init_containers"][0], 0)
    run(state["init_containers"][1])
    status = seen(spec, state)
    assert status.phase == "Pending"
    initialized = status.condition("Initialized")
    assert initialized is not None
    assert initialized.message == "containers with incomplete status: [two]"
    assert [each.ready for each in status.init_container_statuses] == [True, True]
    (main,) = status.container_statuses
    assert main.state.waiting is not None
    assert main.state.waiting.reason == "PodInitializing"


def test_transition_times_are_those_of_what_changed() -> None:
    spec = shim_spec(init=[container_spec("one")])
    state = new_state(spec, 1, BEGUN_S)
    end(state["init_containers"][0], 0, at=1005.0)
    run(state["containers"][0], at=1006.0)
    end(state["containers"][0], 0, at=1009.0)
    close(spec, state, 1009.5)
    times = {each.type: each.last_transition_time for each in seen(spec, state).conditions}
    stamps = {name: time.timestamp() for name, time in times.items() if time is not None}
    assert stamps["PodScheduled"] == 1000
    assert stamps["Initialized"] == 1005
    assert stamps["Ready"] == stamps["ContainersReady"] == 1009


def test_what_has_no_known_end_is_unknown_once_the_pod_is_closed() -> None:
    spec = shim_spec(main=[container_spec("ran"), container_spec("created"), container_spec("waits")])
    state = new_state(spec, 1, BEGUN_S)
    run(state["containers"][0])
    state["containers"][1]["state"] = "created"
    close(spec, state, 1003.0)
    status = seen(spec, state)
    assert status.phase == "Failed"
    for each in status.container_statuses:
        assert each.state.terminated is not None
        assert (each.state.terminated.exit_code, each.state.terminated.reason) == (137, "ContainerStatusUnknown")


def test_before_the_init_containers_are_through_the_others_stay_waiting() -> None:
    spec = shim_spec(init=[container_spec("one")])
    state = new_state(spec, 1, BEGUN_S)
    run(state["init_containers"][0])
    close(spec, state, 1003.0)
    status = seen(spec, state)
    assert status.phase == "Failed"
    assert status.init_container_statuses[0].state.terminated is not None
    assert status.container_statuses[0].state.waiting is not None


def test_a_container_that_waited_for_its_restart_ends_as_it_last_did() -> None:
    spec = shim_spec()
    state = new_state(spec, 1, BEGUN_S)
    (only,) = state["containers"]
    end(only, 3)
    only["state"], only["last"], only["terminated"] = "waiting", only["terminated"], None
    close(spec, state, 1009.0)
    ended = seen(spec, state).container_statuses[0].state.terminated
    assert ended is not None
    assert ended.exit_code == 3


def test_closing_twice_changes_no_container() -> None:
    spec = shim_spec(main=[container_spec("a"), container_spec("b")])
    state = new_state(spec, 1, BEGUN_S)
    run(state["containers"][0])
    close(spec, state, 1003.0)
    once = deepcopy(state)
    close(spec, state, 1009.0)
    assert state["containers"] == once["containers"]


def test_a_pod_that_never_ran_is_failed_for_the_reason_given() -> None:
    spec = shim_spec()
    status = seen(spec, none_ran(spec, "FailedToStart", "no room", 1000.0))
    assert (status.phase, status.reason, status.message) == ("Failed", "FailedToStart", "no room")


def test_back_off_is_none_then_ten_seconds_doubling_to_five_minutes() -> None:
    backoff, now = CrashLoopBackOff(), 0.0
    waits: list[float] = []
    for _ in range(8):
        ended = now
        now = backoff.due(ended)
        waits.append(now - ended)
        backoff.restarted(ended, now)
    assert waits == [0, 10, 20, 40, 80, 160, 300, 300]


def test_back_off_begins_anew_after_ten_good_minutes() -> None:
    backoff = CrashLoopBackOff()
    for at in (0.0, 10.0, 30.0):
        backoff.restarted(at, at)
    assert backoff.due(630.0) == 630.0 + 40
    assert backoff.due(630.1) == 630.1
    backoff.restarted(630.1, 630.1)
    assert backoff.due(631.0) == 641.0
