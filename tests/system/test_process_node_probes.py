"""Probes of containers that are processes: what they ask, what their verdicts bring about, and whom they outlive."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from tests.system.process_pods import Watching, end_all, end_of, make_pod, only_end, shell, strays

from podledger.ports import StopPod
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.process.shim.record import PodRecord

STAY = "while :; do sleep 0.02; done"


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ProcessNode]:
    yield ProcessNode(tmp_path / "pods", name="here", working_dir=tmp_path)
    end_all(tmp_path / "pods")


def sh(script: str, **fields: Any) -> dict[str, Any]:
    """A probe by a shell script, tried each second, whose first result counts and may take its time."""
    often = {"periodSeconds": 1, "timeoutSeconds": 60, "failureThreshold": 1}
    return {"exec": {"command": ["sh", "-c", script]}, **often, **fields}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.asyncio
async def test_a_failed_liveness_probe_restarts_the_container(node: ProcessNode) -> None:
    script = f"if [ -e tried ]; then exit 0; fi; touch tried; {STAY}"
    pod = make_pod(shell(script, livenessProbe=sh("echo gone; exit 3")), restart="OnFailure")
    async with Watching(node) as watching:
        await node.start([pod])
        status = await watching.until_ended(pod)
    (only,) = status.container_statuses
    assert (status.phase, only.restart_count, end_of(only).exit_code) == ("Succeeded", 1, 0)
    assert only.last_state.terminated is not None
    assert (only.last_state.terminated.exit_code, only.last_state.terminated.reason) == (143, "Error")
    assert watching.notices(pod) == [
        ("Warning", "Unhealthy", "Liveness probe failed: gone\n"),
        ("Normal", "Killing", "Container main failed liveness probe, will be restarted"),
    ]


@pytest.mark.asyncio
async def test_without_restart_it_fails_the_pod_within_the_probes_own_grace(node: ProcessNode) -> None:
    probe = sh("false", terminationGracePeriodSeconds=1)
    pod = make_pod(shell(f"trap '' TERM; {STAY}", livenessProbe=probe), terminationGracePeriodSeconds=3600)
    async with Watching(node) as watching:
        await node.start([pod])
        status = await watching.until_ended(pod)
    assert (status.phase, only_end(status).exit_code) == ("Failed", 137)
    assert watching.notices(pod)[-1] == ("Normal", "Killing", "Container main failed liveness probe")
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_readiness_makes_the_pod_ready_and_unready_and_kills_nobody(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(shell(STAY, readinessProbe=sh("test -e good")))
    async with Watching(node) as watching:
        await node.start([pod])
        unready = await watching.until(pod, lambda status: status.phase == "Running")
        assert (unready.container_statuses[0].ready, unready.container_statuses[0].started) == (False, True)
        condition = unready.condition("Ready")
        assert condition is not None
        assert (condition.status, condition.message) == ("False", "containers with unready status: [main]")
        (tmp_path / "good").touch()
        ready = await watching.until(pod, lambda status: status.container_statuses[0].ready)
        assert {each.type: each.status for each in ready.conditions}["Ready"] == "True"
        (tmp_path / "good").unlink()
        await watching.until(pod, lambda status: not status.container_statuses[0].ready)
        assert only_restarts(ready) == 0
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await watching.until_ended(pod)
    assert ("Warning", "Unhealthy", "Readiness probe failed: ") in watching.notices(pod)


def only_restarts(status: Any) -> int:
    return int(status.container_statuses[0].restart_count)


@pytest.mark.asyncio
async def test_until_startup_has_succeeded_nothing_else_is_tried(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(
        shell(
            STAY,
            startupProbe=sh("test -e up", failureThreshold=1000),
            livenessProbe=sh("test -e up || touch too-early"),
            readinessProbe=sh("test -e up || touch too-early"),
        )
    )
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until_notice(pod, "Startup probe failed: ")
        status = watching.last(pod)
        assert (status.phase, status.container_statuses[0].started) == ("Running", False)
        (tmp_path / "up").touch()
        await watching.until(pod, lambda status: status.container_statuses[0].ready)
        assert watching.last(pod).container_statuses[0].started
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await watching.until_ended(pod)
    assert not (tmp_path / "too-early").exists()


@pytest.mark.asyncio
async def test_a_sidecars_startup_probe_holds_the_next_container_back(node: ProcessNode, tmp_path: Path) -> None:
    side = shell(STAY, "side", restartPolicy="Always", startupProbe=sh("test -e up", failureThreshold=1000))
    pod = make_pod(shell("touch ran"), initContainers=[side, shell("touch next", "next")])
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until_notice(pod, "Startup probe failed: ")
        assert watching.last(pod).phase == "Pending"
        assert not (tmp_path / "next").exists()
        (tmp_path / "up").touch()
        status = await watching.until_ended(pod)
    assert status.phase == "Succeeded"
    assert (tmp_path / "next").exists()


@pytest.mark.asyncio
async def test_a_container_is_asked_over_http_and_tcp_by_the_name_of_its_port(
    node: ProcessNode, tmp_path: Path
) -> None:
    port = free_port()
    ask = {"periodSeconds": 1, "failureThreshold": 1000}
    pod = make_pod(
        shell(
            f"exec python3 -m http.server {port} --bind 127.0.0.1 --directory served",
            ports=[{"name": "web", "containerPort": port}],
            startupProbe={"tcpSocket": {"port": "web"}, **ask},
            readinessProbe={"httpGet": {"path": "/good", "port": port}, **ask, "failureThreshold": 1},
        )
    )
    served = tmp_path / "served"
    served.mkdir()
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until_notice(pod, "Readiness probe failed: HTTP probe failed with statuscode: 404")
        assert watching.last(pod).container_statuses[0].started
        (served / "good").touch()
        await watching.until(pod, lambda status: status.container_statuses[0].ready)
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await watching.until_ended(pod)


@pytest.mark.asyncio
async def test_a_probe_that_takes_too_long_is_killed_with_all_it_started(node: ProcessNode) -> None:
    probe = sh("sleep 1000 & (setsid sleep 1000 &) ; sleep 1000", timeoutSeconds=1)
    pod = make_pod(shell(STAY, readinessProbe=probe, livenessProbe=sh("true")))
    command = "sh -c sleep 1000 & (setsid sleep 1000 &) ; sleep 1000"
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until_notice(pod, f'Readiness probe failed: command timed out: "{command}" timed out after 1s')
        await node.stop([StopPod(pod.metadata.uid, 0)])
        status = await watching.until_ended(pod)
    assert only_end(status).exit_code == 137
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_said(node: ProcessNode) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        get = {"httpGet": {"path": "/", "port": port}, "periodSeconds": 1, "failureThreshold": 1}
        pod = make_pod(shell(STAY, livenessProbe=get))
        async with Watching(node) as watching:
            await node.start([pod])
            status = await watching.until_ended(pod)
    why = f'Get "http://127.0.0.1:{port}/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    assert only_end(status).exit_code == 143
    assert ("Warning", "Unhealthy", f"Liveness probe failed: {why}") in watching.notices(pod)


@pytest.mark.asyncio
async def test_a_probe_that_cannot_be_made_is_said_and_counts_as_none(node: ProcessNode) -> None:
    probe = {"exec": {"command": ["no-such-command"]}, "periodSeconds": 1, "failureThreshold": 1}
    pod = make_pod(shell(STAY, livenessProbe=probe, readinessProbe=probe))
    why = 'exec: "no-such-command": executable file not found in $PATH'
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until_notice(pod, f"Liveness probe errored and resulted in unknown state: {why}")
        status = watching.last(pod)
        assert (status.container_statuses[0].ready, only_restarts(status)) == (False, 0)
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await watching.until_ended(pod)


@pytest.mark.asyncio
async def test_a_probe_ends_with_its_shim(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(shell(STAY, readinessProbe=sh("touch probing; sleep 1000")))
    async with Watching(node) as watching:
        await node.start([pod])
        while not (tmp_path / "probing").exists():
            await watching.pause()
        state = PodRecord(str(tmp_path / "pods"), pod.metadata.uid).read_state()
        assert state is not None
        os.kill(state["shim"], signal.SIGKILL)
        status = await watching.until_ended(pod)
    assert (status.phase, only_end(status).reason) == ("Failed", "ContainerStatusUnknown")
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_a_probe_over_the_network_ends_with_its_shim_too(node: ProcessNode, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        get = {"httpGet": {"path": "/", "port": silent.getsockname()[1]}, "periodSeconds": 1, "timeoutSeconds": 1000}
        pod = make_pod(shell(STAY, readinessProbe=get))
        async with Watching(node) as watching:
            await node.start([pod])
            asking, _ = await to_thread.run_sync(silent.accept)
            with asking:
                state = PodRecord(str(tmp_path / "pods"), pod.metadata.uid).read_state()
                assert state is not None
                os.kill(state["shim"], signal.SIGKILL)
                # Not before: it shares the pod's lock.
                status = await watching.until_ended(pod)
    assert (status.phase, only_end(status).reason) == ("Failed", "ContainerStatusUnknown")


@pytest.mark.asyncio
async def test_probing_goes_on_while_podledger_is_gone(node: ProcessNode, tmp_path: Path) -> None:
    script = f"echo run >> runs; {STAY}"
    # Not before it has said that it runs: it would be killed unheard.
    probe = sh("test -e runs || exit 0; test ! -e bad && exit 0; rm bad; exit 1")
    pod = make_pod(shell(script, livenessProbe=probe), restart="OnFailure")
    async with Watching(node) as watching:
        await node.start([pod])
        await watching.until(pod, lambda status: status.phase == "Running")
    (tmp_path / "bad").touch()
    while not ((tmp_path / "runs").exists() and (tmp_path / "runs").read_text() == "run\nrun\n"):
        await watching.pause()
    async with Watching(node) as again:
        await again.until(pod, lambda status: only_restarts(status) == 1)
        assert again.notices(pod) == [
            ("Warning", "Unhealthy", "Liveness probe failed: "),
            ("Normal", "Killing", "Container main failed liveness probe, will be restarted"),
        ]
        (tmp_path / "bad").touch()
        await again.until(pod, lambda status: only_restarts(status) == 2)
        assert len(again.notices(pod)) == 4
        await node.stop([StopPod(pod.metadata.uid, 0)])
        await again.until_ended(pod)
    async with Watching(node) as last:
        await last.until_ended(pod)
        assert last.notices(pod) == [], "each is told once"
