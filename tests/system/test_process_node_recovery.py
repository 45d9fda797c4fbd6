"""Pods outlive podledger: killed at any moment and started again, it finds each one, and each one ran once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import pytest
from tests.system.process_node_host import Options
from tests.system.process_pods import (
    end_all,
    end_of,
    make_pod,
    only_end,
    processes,
    read_log,
    shell,
    strays,
    until,
    until_ended,
)

from podledger.api import Pod
from podledger.errors import ClusterError
from podledger.ports import StopPod
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.process.shim.record import PodRecord

REPOSITORY = Path(__file__).parent.parent.parent
PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def ending(tmp_path: Path) -> Iterator[None]:
    """What a failed test would leave behind, since these pods survive, is ended."""
    yield
    end_all(tmp_path / "pods")


def start_host(options: Options) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.system.process_node_host", json.dumps(options)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, start_new_session=True)


def lines(host: subprocess.Popen[str]) -> Iterator[str]:
    assert host.stdout is not None
    return (line.strip() for line in host.stdout)


def kill(host: subprocess.Popen[str]) -> None:
    host.kill()
    host.wait()
    assert host.stdout is not None
    host.stdout.close()


def eventually(what: str, is_so: bool) -> bool:
    """Give way to other processes for a moment if it is not so yet. Use as `while not eventually(...)`."""
    if not is_so:
        time.sleep(0.02)
    return is_so


def await_none_left(uids: list[str]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not eventually("none left", not (left := [each for uid in uids for each in strays(uid)])):
        assert time.monotonic() < until_s, left


def new_uids(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def check_each_ran_once(options: Options, uids: Sequence[str], out: Path) -> None:
    """A last host, which nobody kills, ends by itself; each pod wrote its number once and succeeded."""
    host = start_host(options)
    ended = [line.split() for line in lines(host) if line.startswith("ended")]
    assert host.wait() == 0
    assert host.stdout is not None
    host.stdout.close()
    assert Counter(phase for _, _, phase in ended) == {"Succeeded": len(uids)}
    assert Counter(out.read_text().split()) == Counter(str(index) for index in range(len(uids)))


def test_each_pod_runs_once_however_often_podledger_is_killed(tmp_path: Path) -> None:
    out, uids = tmp_path / "out", new_uids(120)
    chance = random.Random(7)
    options: Options = {
        "root": str(tmp_path / "pods"),
        "survive": True,
        "pods": [(uid, f"echo {index} >> {out}; sleep {chance.random():.2f}") for index, uid in enumerate(uids)],
    }
    for _ in range(10):
        host = start_host(options)
        next(lines(host))
        time.sleep(chance.random() * 0.15)
        kill(host)
    check_each_ran_once(options, uids, out)
    await_none_left(uids)


def test_killed_while_it_starts_pods_it_starts_each_once(tmp_path: Path) -> None:
    """The kill comes while start() is under way, so some pods have a directory, some a shim, some nothing."""
    out, uids = tmp_path / "out", new_uids(200)
    root, chance = tmp_path / "pods", random.Random(8)
    options: Options = {
        "root": str(root),
        "survive": True,
        "pods": [(uid, f"echo {index} >> {out}") for index, uid in enumerate(uids)],
    }
    for _ in range(6):
        host = start_host(options)
        while host.poll() is None and not eventually("some started", root.exists() and len(list(root.iterdir())) > 3):
            pass
        time.sleep(chance.random() * 0.05)
        kill(host)
    check_each_ran_once(options, uids, out)


def test_without_survive_a_kill_ends_the_pods_too(tmp_path: Path) -> None:
    uids = new_uids(3)
    scripts = ["sleep 1000", "trap '' TERM; sleep 1000 & sleep 1000", "(setsid sleep 1000 &); sleep 1000"]
    options: Options = {"root": str(tmp_path / "pods"), "survive": False, "pods": list(zip(uids, scripts, strict=True))}
    host = start_host(options)
    assert next(lines(host)) == "started"
    until_s = time.monotonic() + PATIENCE_S
    while not eventually("all run", all(strays(uid) for uid in uids)):
        assert time.monotonic() < until_s
    kill(host)
    await_none_left(uids)


@pytest.mark.asyncio
async def test_without_survive_leaving_waits_for_the_pods_to_end(tmp_path: Path) -> None:
    pod = make_pod(shell("trap '' TERM; sleep 1000 & sleep 1000"))
    node = ProcessNode(tmp_path / "pods", survive=False)
    async with node.run() as reports:
        await node.start([pod])
        await until(reports, [pod.metadata.uid], "Running")
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_what_runs_and_what_ended_meanwhile_is_reported_first(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    ends, runs = (
        make_pod(shell(f"while [ ! -e {gate} ]; do sleep 0.02; done; exit 3")),
        make_pod(shell("exec sleep 1000")),
    )
    uids = [ends.metadata.uid, runs.metadata.uid]
    node = ProcessNode(tmp_path / "pods")
    async with node.run() as reports:
        await node.start([ends, runs])
        await until(reports, uids, "Running")
    gate.touch()
    with anyio.fail_after(PATIENCE_S):
        async for _ in node.logs(uids[0], "main", follow=True):
            pass
    async with node.run() as reports:
        first = {each.uid: each.status for each in await anext(reports)}
        assert {uid: status.phase for uid, status in first.items()} == {uids[0]: "Failed", uids[1]: "Running"}
        assert only_end(first[uids[0]]).exit_code == 3
        # It is watched again: its end is heard of.
        (main,) = processes(uids[1])
        os.kill(main, signal.SIGKILL)
        ended = await until_ended(reports, [uids[1]])
        assert only_end(ended[uids[1]]).exit_code == 137
        await node.forget(uids)


def shim_of(root: Path, uid: str) -> int:
    state = PodRecord(str(root), uid).read_state()
    assert state is not None
    return state["shim"]


@pytest.mark.asyncio
async def test_a_pod_whose_shim_is_killed_ends_as_unknown_with_all_its_processes(tmp_path: Path) -> None:
    pod = make_pod(shell("(setsid sleep 1000 &); trap '' TERM; sleep 1000", "a"), shell("sleep 1000", "b"))
    uid = pod.metadata.uid
    node = ProcessNode(tmp_path / "pods")
    async with node.run() as reports:
        await node.start([pod])
        await until(reports, [uid], "Running")
        os.kill(shim_of(tmp_path / "pods", uid), signal.SIGKILL)
        ended = await until_ended(reports, [uid])
        assert strays(uid) == []
    assert ended[uid].phase == "Failed"
    for each in ended[uid].container_statuses:
        assert (end_of(each).exit_code, end_of(each).reason) == (137, "ContainerStatusUnknown")
        assert end_of(each).message == "The container could not be located when the pod was terminated"


@pytest.mark.asyncio
async def test_a_follower_hears_of_the_end_of_a_killed_shim_and_of_a_forgotten_pod(tmp_path: Path) -> None:
    pods = [make_pod(shell("echo up; sleep 1000")) for _ in range(2)]
    killed, forgotten = (pod.metadata.uid for pod in pods)
    logs: dict[str, str] = {}
    node = ProcessNode(tmp_path / "pods")

    async def follow(pod: Pod) -> None:
        logs[pod.metadata.uid] = await read_log(node, pod, follow=True)

    async with node.run() as reports:
        await node.start(pods)
        await until(reports, [killed, forgotten], "Running")
        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                for pod in pods:
                    tasks.start_soon(follow, pod)
                    async for _ in node.logs(pod.metadata.uid, "main", follow=True):
                        break
                os.kill(shim_of(tmp_path / "pods", killed), signal.SIGKILL)
                await until_ended(reports, [killed])
                await node.forget([forgotten])
    assert logs == {killed: "up\n", forgotten: "up\n"}


@pytest.mark.asyncio
async def test_a_shim_killed_while_podledger_is_away_is_found_out(tmp_path: Path) -> None:
    pod = make_pod(shell("sleep 1000"))
    uid = pod.metadata.uid
    node = ProcessNode(tmp_path / "pods")
    async with node.run() as reports:
        await node.start([pod])
        await until(reports, [uid], "Running")
    os.kill(shim_of(tmp_path / "pods", uid), signal.SIGKILL)
    for _ in range(2):
        # What was found out stays so: it is recorded.
        async with node.run() as reports:
            ended = await until_ended(reports, [uid])
            assert only_end(ended[uid]).reason == "ContainerStatusUnknown"
    assert strays(uid) == []


@pytest.mark.asyncio
async def test_a_container_whose_supervisor_is_killed_ends_with_all_its_processes(tmp_path: Path) -> None:
    root = tmp_path / "pods"
    pod = make_pod(shell("(setsid sleep 1000 &); sleep 1000"))
    uid = pod.metadata.uid
    node = ProcessNode(root)
    async with node.run() as reports:
        await node.start([pod])
        await until(reports, [uid], "Running")
        shim = shim_of(root, uid)
        (supervisor,) = Path(f"/proc/{shim}/task/{shim}/children").read_text().split()
        os.kill(int(supervisor), signal.SIGKILL)
        ended = await until_ended(reports, [uid])
    assert (only_end(ended[uid]).exit_code, only_end(ended[uid]).reason) == (137, "Error")
    assert strays(uid) == []


@pytest.mark.asyncio
async def test_a_killed_spawner_is_replaced_and_its_pods_go_on(tmp_path: Path) -> None:
    first, later = make_pod(shell("sleep 0.5; echo on")), [make_pod(shell("true")) for _ in range(5)]
    node = ProcessNode(tmp_path / "pods")
    async with node.run() as reports:
        await node.start([first])
        await until(reports, [first.metadata.uid], "Running")
        shim = shim_of(tmp_path / "pods", first.metadata.uid)
        spawner = int(Path(f"/proc/{shim}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(spawner, signal.SIGKILL)
        await node.start(later)
        ended = await until_ended(reports, [first.metadata.uid, *(pod.metadata.uid for pod in later)])
    assert {status.phase for status in ended.values()} == {"Succeeded"}
    assert await read_log(node, first) == "on\n"


@pytest.mark.asyncio
async def test_a_directory_that_was_begun_and_not_finished_is_begun_again(tmp_path: Path) -> None:
    root, pod = tmp_path / "pods", make_pod(shell("true"))
    empty, torn = make_pod(shell("true")), make_pod(shell("true"))
    (root / empty.metadata.uid).mkdir(parents=True)
    (root / torn.metadata.uid).mkdir()
    (root / torn.metadata.uid / "spec.json").write_text('{"format": 1, "u')
    node = ProcessNode(root)
    pods = [pod, empty, torn]
    async with node.run() as reports:
        await node.start(pods)
        ended = await until_ended(reports, [each.metadata.uid for each in pods])
    assert {status.phase for status in ended.values()} == {"Succeeded"}


@pytest.mark.asyncio
async def test_two_nodes_never_share_a_directory(tmp_path: Path) -> None:
    async with ProcessNode(tmp_path / "pods").run():
        with pytest.raises(ClusterError, match="another podledger runs pods in this directory"):
            async with ProcessNode(tmp_path / "pods").run():
                pytest.fail("a second node got in")


@pytest.mark.asyncio
async def test_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    pod = make_pod(shell("echo secret"))
    node = ProcessNode(tmp_path / "pods")
    async with node.run() as reports:
        await node.start([pod])
        await until_ended(reports, [pod.metadata.uid])
    for path in (tmp_path / "pods").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.asyncio
async def test_the_node_keeps_its_name_though_the_machine_gets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "Here")
    first = ProcessNode(tmp_path / "pods")
    async with first.run():
        pass
    monkeypatch.setattr("socket.gethostname", lambda: "there")
    assert (first.name, ProcessNode(tmp_path / "pods").name) == ("here", "here")
    assert ProcessNode(tmp_path / "others").name == "there"


@pytest.mark.asyncio
@pytest.mark.parametrize("cut", ["", '{"format": 1, "shi'])
async def test_a_record_cut_short_by_a_loss_of_power_is_a_pod_that_was_lost(tmp_path: Path, cut: str) -> None:
    pod = make_pod(shell("sleep 1000"))
    root, uid = tmp_path / "pods", pod.metadata.uid
    node = ProcessNode(root)
    async with node.run() as reports:
        await node.start([pod])
        await until(reports, [uid], "Running")
    os.kill(shim_of(root, uid), signal.SIGKILL)
    Path(PodRecord(str(root), uid).state_path).write_text(cut)
    Path(PodRecord(str(root), uid).stop_path).write_text(cut)
    async with node.run() as reports:
        await node.stop([StopPod(uid, 0)])
        ended = await until_ended(reports, [uid])
    assert (only_end(ended[uid]).exit_code, only_end(ended[uid]).reason) == (137, "ContainerStatusUnknown")
