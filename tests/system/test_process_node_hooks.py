"""Hooks of containers that are processes, and restarts by the exit code: one container's, or all of a pod's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.process_pods import Watching, end_all, end_of, make_pod, only_end, run_pod, shell, strays

from podledger.api import PodStatus
from podledger.ports import StopPod
from podledger_adapters.nodes.process.node import ProcessNode

STAY = "while :; do sleep 0.02; done"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ProcessNode]:
    yield ProcessNode(tmp_path / "pods", name="here", working_dir=tmp_path)
    end_all(tmp_path / "pods")


def hook(script: str) -> dict[str, Any]:
    return {"exec": {"command": ["sh", "-c", script]}}


def rule(action: str, *codes: int, operator: str = "In") -> dict[str, Any]:
    return {"action": action, "exitCodes": {"operator": operator, "values": list(codes)}}


@pytest.mark.asyncio
async def test_a_container_runs_once_its_post_start_is_done_and_the_next_waits_for_it(
    node: ProcessNode, tmp_path: Path
) -> None:
    wait = hook("touch hooked; while [ ! -e go ]; do sleep 0.02; done")
    pod = make_pod(shell(STAY, "one", lifecycle={"postStart": wait}), shell("touch two", "two"), restart="Never")
    async with Watching(node) as watching:
        await node.start([pod])
        while not (tmp_path / "hooked").exists():
            await watching.pause()
        assert not (tmp_path / "two").exists()
        (tmp_path / "go").touch()
        status = await watching.until(pod, lambda status: status.phase == "Running")
        assert status.container_statuses[0].ready
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await watching.until_ended(pod)


@pytest.mark.asyncio
async def test_a_failed_post_start_kills_the_container(node: ProcessNode) -> None:
    pod = make_pod(shell(STAY, lifecycle={"postStart": hook("echo secret; exit 1")}))
    async with Watching(node) as watching:
        await node.start([pod])
        status = await watching.until_ended(pod)
    assert (status.phase, only_end(status).exit_code) == ("Failed", 143)
    assert watching.notices(pod) == [
        ("Warning", "FailedPostStartHook", "PostStartHook failed"),
        ("Normal", "Killing", "FailedPostStartHook"),
    ]


@pytest.mark.asyncio
async def test_pre_stop_comes_before_term(node: ProcessNode, tmp_path: Path) -> None:
    script = f"trap 'echo term >> order; exit 0' TERM; touch up; {STAY}"
    pre_stop = hook("sleep 0.1; echo hook >> order; exit 1")
    pod = make_pod(shell(script, lifecycle={"preStop": pre_stop}))
    async with Watching(node) as watching:
        await node.start([pod])
        while not (tmp_path / "up").exists():
            await watching.pause()
        await watching.until(pod, lambda status: status.phase == "Running")
        await node.stop([StopPod(pod.metadata.uid, 1000)])
        status = await watching.until_ended(pod)
    assert status.phase == "Succeeded"
    assert (tmp_path / "order").read_text() == "hook\nterm\n"
    assert watching.notices(pod) == [
        ("Normal", "Killing", "Stopping container main"),
        ("Warning", "FailedPreStopHook", "PreStopHook failed"),
    ]


@pytest.mark.asyncio
async def test_a_pre_stop_that_takes_all_the_grace_leaves_term_a_moment(node: ProcessNode, tmp_path: Path) -> None:
    script = f"trap 'echo term >> order; exit 0' TERM; touch up; {STAY}"
    pod = make_pod(shell(script, lifecycle={"preStop": {"sleep": {"seconds": 1000}}}))
    async with Watching(node) as watching:
        await node.start([pod])
        while not (tmp_path / "up").exists():
            await watching.pause()
        await watching.until(pod, lambda status: status.phase == "Running")
        await node.stop([StopPod(pod.metadata.uid, 1)])
        status = await watching.until_ended(pod)
    assert status.phase == "Succeeded"
    assert (tmp_path / "order").read_text() == "term\n"
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_a_sidecar_whose_turn_never_came_gets_term_and_a_moment(node: ProcessNode, tmp_path: Path) -> None:
    script = f"trap 'echo term >> order; exit 0' TERM; touch up; {STAY}"
    started = {**hook("test -e up"), "periodSeconds": 1, "timeoutSeconds": 60, "failureThreshold": 1000}
    side = shell(script, "side", restartPolicy="Always", startupProbe=started)
    pod = make_pod(shell(f"trap '' TERM; touch deaf; {STAY}"), initContainers=[side])
    async with Watching(node) as watching:
        await node.start([pod])
        while not (tmp_path / "deaf").exists():
            await watching.pause()
        await watching.until(pod, lambda status: status.phase == "Running")
        await node.stop([StopPod(pod.metadata.uid, 1)])
        status = await watching.until_ended(pod)
    assert (tmp_path / "order").read_text() == "term\n"
    assert only_end(status).exit_code == 137
    assert end_of(status.init_container_statuses[0]).exit_code == 0


@pytest.mark.asyncio
async def test_whoever_is_in_a_hurry_skips_pre_stop(node: ProcessNode) -> None:
    pod = make_pod(shell(f"trap '' TERM; {STAY}", lifecycle={"preStop": {"sleep": {"seconds": 1000}}}))
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until(pod, lambda status: status.phase == "Running")
        await node.stop([StopPod(pod.metadata.uid, 1000)])
        await watching.until_notice(pod, "Stopping container main")
        await node.stop([StopPod(pod.metadata.uid, 0)])
        status = await watching.until_ended(pod)
    assert only_end(status).exit_code == 137
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_rules_restart_by_exit_code_whatever_the_policy(node: ProcessNode) -> None:
    script = "if [ -e tried ]; then exit 7; fi; touch tried; exit 42"
    pod = make_pod(shell(script, restartPolicy="Never", restartPolicyRules=[rule("Restart", 42)]))
    status = await run_pod(node, pod)
    (only,) = status.container_statuses
    assert (status.phase, only.restart_count, end_of(only).exit_code) == ("Failed", 1, 7)


@pytest.mark.asyncio
async def test_a_containers_own_policy_goes_before_the_pods(node: ProcessNode) -> None:
    pod = make_pod(
        shell("exit 3", "once", restartPolicy="Never"),
        shell("if [ -e tried ]; then exit 0; fi; touch tried; exit 1", "twice", restartPolicy="OnFailure"),
        restart="OnFailure",
    )
    status = await run_pod(node, pod)
    assert [(each.name, each.restart_count, end_of(each).exit_code) for each in status.container_statuses] == [
        ("once", 0, 3),
        ("twice", 1, 0),
    ]
    assert status.phase == "Failed"


@pytest.mark.asyncio
async def test_all_containers_are_restarted_in_place_from_the_init_containers_on(
    node: ProcessNode, tmp_path: Path
) -> None:
    watcher = shell(
        "if [ -e tried ]; then exit 0; fi; while [ ! -e up ]; do sleep 0.02; done; touch tried; exit 88",
        "watcher",
        restartPolicy="Never",
        restartPolicyRules=[rule("RestartAllContainers", 88)],
    )
    # Neither its trap nor its hook has a say: nobody is asked.
    deaf = shell(
        f"if [ -e tried ]; then exit 0; fi; trap '' TERM; touch up; {STAY}",
        "deaf",
        lifecycle={"preStop": hook("touch hooked")},
    )
    pod = make_pod(watcher, deaf, initContainers=[shell("echo init >> inits", "init")])
    async with Watching(node) as watching:
        await node.start([pod])
        meanwhile = await watching.until(pod, lambda status: restarting(status) != "")
        assert meanwhile.phase in ("Running", "Succeeded")
        status = await watching.until_ended(pod)
    assert status.phase == "Succeeded"
    assert restarting(status) == "False"
    assert (tmp_path / "inits").read_text() == "init\ninit\n"
    assert not (tmp_path / "hooked").exists()
    for container in (*status.init_container_statuses, *status.container_statuses):
        assert (container.restart_count, end_of(container).exit_code) == (1, 0)
        assert container.last_state.terminated is not None
        assert container.last_state.terminated.reason == "RestartingAllContainers"


def restarting(status: PodStatus) -> str:
    condition = status.condition("AllContainersRestarting")
    return "" if condition is None else condition.status
