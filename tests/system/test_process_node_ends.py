"""How pods end as processes: with the status, exit code and reason of a kubelet, and with nothing left behind."""

import os
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest
from tests.system.process_pods import (
    container,
    end_all,
    make_pod,
    only_end,
    read_log,
    run_pod,
    shell,
    strays,
    until,
    until_ended,
)

from podledger.ports import StopPod
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.process.shim.logs import MAX_FILE_SIZE, MAX_FILES

EPOCH_YEAR = 1970


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ProcessNode]:
    yield ProcessNode(tmp_path / "pods", name="here", working_dir=tmp_path)
    end_all(tmp_path / "pods")


@pytest.mark.asyncio
async def test_a_command_that_ends_well_succeeds(node: ProcessNode) -> None:
    pod = make_pod(shell("echo out; echo err >&2"))
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    end = only_end(status)
    assert (end.exit_code, end.reason, end.signal) == (0, "Completed", 0)
    assert end.started_at is not None
    assert end.finished_at is not None
    assert end.started_at <= end.finished_at
    assert end.container_id == status.container_statuses[0].container_id
    assert end.container_id.startswith("process://")
    conditions = {each.type: (each.status, each.reason) for each in status.conditions}
    assert conditions["Ready"] == conditions["ContainersReady"] == ("False", "PodCompleted")
    assert conditions["Initialized"] == ("True", "PodCompleted")
    assert conditions["PodScheduled"] == ("True", "")
    assert await read_log(node, pod) == "out\nerr\n"


@pytest.mark.asyncio
async def test_it_is_running_and_ready_before_it_ends(node: ProcessNode) -> None:
    pod = make_pod(shell("sleep 1000"))
    async with node.run() as reports:
        await node.start([pod])
        seen = await until(reports, [pod.metadata.uid], "Running")
        status = seen[pod.metadata.uid][-1]
        assert status.container_statuses[0].state.running is not None
        assert (status.container_statuses[0].ready, status.container_statuses[0].started) == (True, True)
        assert {each.type for each in status.conditions if each.status == "True"} >= {"Ready", "Initialized"}
        await node.forget([pod.metadata.uid])
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("script", "code"),
    [
        pytest.param("exit 3", 3, id="an exit code"),
        pytest.param("exit 137", 137, id="exit code 137 without a signal"),
        pytest.param("kill -KILL $$", 137, id="SIGKILL"),
        pytest.param("kill -SEGV $$", 139, id="SIGSEGV"),
        pytest.param("kill -TERM $$", 143, id="SIGTERM"),
    ],
)
async def test_a_failure_has_its_exit_code_and_a_signal_128_more(node: ProcessNode, script: str, code: int) -> None:
    pod = make_pod(shell(script))
    status = await run_pod(node, pod)
    assert status.phase == "Failed"
    assert (only_end(status).exit_code, only_end(status).reason) == (code, "Error")
    assert status.condition("Ready").reason == "PodFailed"  # type: ignore[union-attr]  # None would fail here too


@pytest.mark.asyncio
async def test_what_cannot_be_started_ends_with_128_and_start_error(node: ProcessNode, tmp_path: Path) -> None:
    plain = tmp_path / "plain.txt"
    plain.write_text("no program")
    plain.chmod(0o755)
    cases = [
        (container("main", "no-such-command-anywhere"), "executable file not found in $PATH"),
        (container("main", "/etc/passwd"), "permission denied"),
        (container("main", str(tmp_path)), "permission denied"),
        (container("main", "./no-such-file"), "no such file or directory"),
        (container("main", str(plain)), "exec format error"),
        (container("main", "true", workingDir="/no/such/place"), "no such file or directory"),
    ]
    pods = [make_pod(each) for each, _ in cases]
    async with node.run() as reports:
        await node.start(pods)
        ended = await until_ended(reports, [pod.metadata.uid for pod in pods])
    for pod, (_, text) in zip(pods, cases, strict=True):
        end = only_end(ended[pod.metadata.uid])
        assert (end.exit_code, end.reason) == (128, "StartError")
        assert text in end.message
        assert end.started_at is not None
        assert end.started_at.year == EPOCH_YEAR
        assert ended[pod.metadata.uid].phase == "Failed"


@pytest.mark.asyncio
async def test_sigterm_is_obeyed_within_the_grace(node: ProcessNode) -> None:
    quick = make_pod(shell("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"))
    plain = make_pod(shell("sleep 1000"))
    uids = [quick.metadata.uid, plain.metadata.uid]
    async with node.run() as reports:
        await node.start([quick, plain])
        await until(reports, uids, "Running")
        async for chunk in node.logs(quick.metadata.uid, "main", follow=True):
            if b"up" in chunk:
                break
        await node.stop([StopPod(uid, 1000) for uid in uids])
        ended = await until_ended(reports, uids)
    assert ended[uids[0]].phase == "Succeeded"
    assert await read_log(node, quick) == "up\nbye\n"
    assert ended[uids[1]].phase == "Failed"
    assert only_end(ended[uids[1]]).exit_code == 143
    assert strays(uids[0]) == strays(uids[1]) == []


@pytest.mark.asyncio
async def test_what_ignores_sigterm_is_killed_after_the_grace(node: ProcessNode) -> None:
    pod = make_pod(shell("trap '' TERM; echo up; sleep 1000 & while :; do sleep 1; done"))
    uid = pod.metadata.uid
    async with node.run() as reports:
        await node.start([pod])
        async for _ in node.logs(uid, "main", follow=True):
            break
        await node.stop([StopPod(uid, 1000)])
        assert strays(uid) != []
        # A repeat shortens the grace, and only shortens it.
        await node.stop([StopPod(uid, 1)])
        await node.stop([StopPod(uid, 1000)])
        ended = await until_ended(reports, [uid])
    assert only_end(ended[uid]).exit_code == 137
    assert ended[uid].phase == "Failed"
    assert strays(uid) == []


@pytest.mark.asyncio
async def test_a_stop_before_the_start_is_kept(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(shell(f"echo ran >> {tmp_path}/ran; sleep 1000"))
    async with node.run() as reports:
        await node.start([pod])
        await node.stop([StopPod(pod.metadata.uid, 0)])
        ended = await until_ended(reports, [pod.metadata.uid])
    assert ended[pod.metadata.uid].phase == "Failed"
    assert only_end(ended[pod.metadata.uid]).exit_code == 137
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_more_output_than_the_log_may_hold_keeps_the_newest(node: ProcessNode) -> None:
    size = 64 * 1024 * 1024
    pod = make_pod(shell(f"head -c {size} /dev/zero | tr '\\0' 'x'; echo; echo last"))
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    directory = node.logs_directory(pod.metadata.uid) / "main"
    sizes = [each.stat().st_size for each in directory.glob("*.log")]
    assert max(sizes) <= MAX_FILE_SIZE
    assert len(sizes) == MAX_FILES
    log = await read_log(node, pod)
    assert log.endswith("x\nlast\n")
    assert len(log) == sum(sizes)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "script",
    [
        pytest.param("sleep 1000 & sleep 1000 & true", id="background children"),
        pytest.param("setsid sh -c 'sleep 1000 & sleep 1000' & sleep 0.1", id="another session"),
        pytest.param("(setsid sh -c '(sleep 1000 &) ; (sleep 1000 &)' &); sleep 0.1", id="forked twice"),
        pytest.param("trap '' TERM HUP; (setsid nohup sh -c 'trap \"\" TERM; sleep 1000' &); sleep 0.1", id="deaf"),
        pytest.param("(setsid sh -c 'while :; do sleep 0.01 & done' &); sleep 0.2", id="still forking"),
    ],
)
async def test_children_left_behind_end_with_the_container(node: ProcessNode, script: str) -> None:
    pod = make_pod(shell(script))
    status = await run_pod(node, pod)
    assert (status.phase, only_end(status).exit_code) == ("Succeeded", 0)
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_closed_output_ends_nothing(node: ProcessNode) -> None:
    pod = make_pod(shell("echo before; exec >&- 2>&-; sleep 0.3; exit 5"))
    status = await run_pod(node, pod)
    assert only_end(status).exit_code == 5
    assert await read_log(node, pod) == "before\n"


@pytest.mark.asyncio
async def test_output_that_a_stray_holds_open_does_not_hold_the_pod(node: ProcessNode) -> None:
    pod = make_pod(shell("(setsid sleep 1000 &) ; echo done"))
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    assert await read_log(node, pod) == "done\n"


@pytest.mark.asyncio
async def test_the_pods_own_deadline_fails_it(node: ProcessNode) -> None:
    pod = make_pod(shell("sleep 1000"), activeDeadlineSeconds=1)
    status = await run_pod(node, pod)
    assert (status.phase, status.reason) == ("Failed", "DeadlineExceeded")
    assert status.message == "Pod was active on the node longer than the specified deadline"
    assert only_end(status).exit_code == 143
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_fifty_pods_leave_no_zombie_and_no_descriptor(node: ProcessNode) -> None:
    pods = [make_pod(container("main", "true")) for _ in range(50)]
    async with node.run() as reports:
        await node.start(pods[:1])
        await until_ended(reports, [pods[0].metadata.uid])
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        await node.start(pods)
        ended = await until_ended(reports, [pod.metadata.uid for pod in pods[1:]])
        assert {status.phase for status in ended.values()} == {"Succeeded"}
        assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
        await node.forget([pod.metadata.uid for pod in pods])
        with anyio.fail_after(30):
            while True:
                if not zombies():
                    break
                await anyio.sleep(0.01)
    assert [each.name for each in (node.logs_directory("x").parent.parent).iterdir() if each.is_dir()] == []


def zombies() -> list[str]:
    """Descendants of this process that ended and were not reaped."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == os.getpid():
                found.append(entry.name)
    return found
