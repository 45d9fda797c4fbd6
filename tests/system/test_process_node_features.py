"""What pods may ask of the process node: environment, several containers, restarts, volumes, limits."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.system.process_pods import (
    container,
    end_all,
    end_of,
    make_pod,
    only_end,
    read_log,
    run_pod,
    shell,
    strays,
    until,
    until_ended,
)

from podledger.api import Pod
from podledger.ports import StopPod
from podledger_adapters.nodes.process.host import this_machine
from podledger_adapters.nodes.process.node import ProcessNode
from podledger_adapters.nodes.process.shim.cgroup import controllers

needs_mounts = pytest.mark.skipif(
    this_machine(mounts=True).no_mounts != "", reason=f"needs mount namespaces: {this_machine(mounts=True).no_mounts}"
)
needs_memory_cgroup = pytest.mark.skipif("memory" not in controllers(), reason="needs a writable memory cgroup")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ProcessNode]:
    environ = {"PATH": os.environ["PATH"], "HOME": "/home/of/podledger", "SECRET": "s3cret", "WANTED": "yes"}
    yield ProcessNode(
        tmp_path / "pods",
        name="here",
        working_dir=tmp_path,
        environ=environ,
        pass_env=["WANTED", "GIVEN=a=b", "NOT_SET"],
    )
    end_all(tmp_path / "pods")


@pytest.mark.asyncio
async def test_containers_see_the_chosen_environment_and_the_downward_api(node: ProcessNode, tmp_path: Path) -> None:
    env = [
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}},
        {"name": "BOTH", "value": "$(POD)/$(APP) $(LATER) $$(POD)"},
        {"name": "LATER", "value": "x"},
    ]
    script = "import json, os; print(json.dumps([dict(os.environ), os.getcwd(), '$(APP)', '$(HOME)']))"
    pod = make_pod(
        container("main", "python3", "-c", script, env=env, resources={"requests": {"memory": "1500Ki"}}),
    )
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    seen, cwd, app, home = json.loads(await read_log(node, pod))
    name = pod.metadata.name
    assert {key: seen[key] for key in ("POD", "APP", "NODE", "MIB", "BOTH", "LATER")} == {
        "POD": name,
        "APP": "test",
        "NODE": "here",
        "MIB": "2",
        "BOTH": f"{name}/test $(LATER) $(POD)",
        "LATER": "x",
    }
    assert (seen["HOME"], seen["WANTED"], seen["GIVEN"]) == ("/home/of/podledger", "yes", "a=b")
    assert seen["HOSTNAME"] == name
    assert "SECRET" not in seen
    assert "NOT_SET" not in seen
    assert cwd == str(tmp_path)
    # In the command only the pod's own variables are known.
    assert (app, home) == ("test", "$(HOME)")


@pytest.mark.asyncio
async def test_a_container_inherits_nothing_but_its_streams(node: ProcessNode) -> None:
    secret = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(secret, True)
    try:
        script = (
            "import os, signal; print(sorted(os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd')"
            " if os.path.exists(f'/proc/self/fd/{n}'))); print(os.getsid(0) == os.getpid());"
            " print(open('/proc/self/status').read())"
        )
        pod = make_pod(container("main", "python3", "-c", script))
        await run_pod(node, pod)
    finally:
        os.close(secret)
    fds, leader, *facts = (await read_log(node, pod)).splitlines()
    assert sorted({each.partition(":")[0] for each in json.loads(fds.replace("'", '"'))}) == ["/dev/null", "pipe"]
    assert leader == "True"
    masks = {line.split()[0]: int(line.split()[1], 16) for line in facts if line.startswith(("SigBlk", "SigIgn"))}
    # Python itself ignores SIGPIPE and SIGXFSZ; a plain program would show none. Signals 32 and 33 are the C library's
    # own: no program may set them, and GNU make hands them on ignored.
    assert masks["SigBlk:"] == 0
    assert masks["SigIgn:"] & ~((1 << 12) | (1 << 24) | (1 << 31) | (1 << 32)) == 0


@pytest.mark.asyncio
async def test_init_containers_run_in_order_before_the_others(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(
        shell("echo main >> order", "main"),
        shell("echo other >> order2", "other"),
        initContainers=[shell("sleep 0.1; echo one >> order", "one"), shell("echo two >> order", "two")],
    )
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    assert (tmp_path / "order").read_text() == "one\ntwo\nmain\n"
    assert [each.name for each in status.init_container_statuses] == ["one", "two"]
    assert all(each.ready and end_of(each).exit_code == 0 for each in status.init_container_statuses)
    assert [each.name for each in status.container_statuses] == ["main", "other"]


@pytest.mark.asyncio
async def test_a_failed_init_container_fails_the_pod_before_the_others_run(node: ProcessNode) -> None:
    pod = make_pod(shell("true"), initContainers=[shell("exit 4", "one"), shell("true", "two")])
    status = await run_pod(node, pod)
    assert status.phase == "Failed"
    one, two = status.init_container_statuses
    assert end_of(one).exit_code == 4
    for waiting in (two, *status.container_statuses):
        assert waiting.state.waiting is not None
        assert waiting.state.waiting.reason == "PodInitializing"
    initialized = status.condition("Initialized")
    assert initialized is not None
    assert (initialized.status, initialized.reason) == ("False", "ContainersNotInitialized")
    assert initialized.message == "containers with incomplete status: [one two]"


@pytest.mark.asyncio
async def test_the_pod_fails_when_one_of_its_containers_did_but_only_at_the_end(node: ProcessNode) -> None:
    pod = make_pod(shell("exit 1", "bad"), shell("sleep 0.3", "good"))
    async with node.run() as reports:
        await node.start([pod])
        seen = (await until(reports, [pod.metadata.uid], "Succeeded", "Failed"))[pod.metadata.uid]
    assert [end_of(each).exit_code for each in seen[-1].container_statuses] == [1, 0]
    assert seen[-1].phase == "Failed"
    assert {status.phase for status in seen[:-1]} <= {"Pending", "Running"}


@pytest.mark.asyncio
async def test_on_failure_restarts_the_container_and_keeps_both_logs(node: ProcessNode) -> None:
    script = "if [ -e tried ]; then echo second; else echo first; touch tried; exit 7; fi"
    pod = make_pod(shell(script), restart="OnFailure")
    status = await run_pod(node, pod)
    (only,) = status.container_statuses
    assert (status.phase, only.restart_count, end_of(only).exit_code) == ("Succeeded", 1, 0)
    assert only.last_state.terminated is not None
    assert only.last_state.terminated.exit_code == 7
    assert await read_log(node, pod) == "second\n"
    assert await read_log(node, pod, previous=True) == "first\n"
    with pytest.raises(KeyError, match="no run 2"):
        await read_log(node, pod, attempt=2)


@pytest.mark.asyncio
async def test_the_second_restart_waits_in_crash_loop_back_off(node: ProcessNode) -> None:
    pod = make_pod(shell("exit 7"), restart="OnFailure")
    uid = pod.metadata.uid
    async with node.run() as reports:
        await node.start([pod])
        while True:
            status = (await anext(reports))[-1].status
            state = status.container_statuses[0].state
            if state.waiting is not None and state.waiting.reason == "CrashLoopBackOff":
                break
        assert status.phase == "Running"
        assert status.container_statuses[0].restart_count == 1
        expected = f"back-off 10s restarting failed container=main pod={pod.metadata.name}_default({uid})"
        assert state.waiting.message == expected
        assert status.container_statuses[0].last_state.terminated is not None
        await node.stop([StopPod(uid, 30)])
        ended = await until_ended(reports, [uid])
    assert ended[uid].phase == "Failed"
    assert only_end(ended[uid]).exit_code == 7


@pytest.mark.asyncio
async def test_a_sidecar_runs_beside_the_others_and_ends_after_them(node: ProcessNode, tmp_path: Path) -> None:
    sidecar = shell(
        "trap 'echo sidecar ends >> order; exit 9' TERM; echo sidecar >> order; touch up; while :; do sleep 0.02; done",
        "side",
        restartPolicy="Always",
    )
    pod = make_pod(shell("while [ ! -e up ]; do sleep 0.02; done; echo main >> order"), initContainers=[sidecar])
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    assert (tmp_path / "order").read_text() == "sidecar\nmain\nsidecar ends\n"
    assert end_of(status.init_container_statuses[0]).exit_code == 9
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_a_deaf_sidecar_is_killed_when_an_init_container_failed(node: ProcessNode) -> None:
    sidecar = shell("trap '' TERM; touch up; while :; do sleep 0.02; done", "side", restartPolicy="Always")
    failing = shell("while [ ! -e up ]; do sleep 0.02; done; exit 4", "init")
    pod = make_pod(shell("true"), initContainers=[sidecar, failing], terminationGracePeriodSeconds=1)
    status = await run_pod(node, pod)
    assert status.phase == "Failed"
    assert [end_of(each).exit_code for each in status.init_container_statuses] == [137, 4]
    assert strays(pod.metadata.uid) == []


@pytest.mark.asyncio
async def test_a_container_that_the_shim_cannot_set_up_ends_the_pod(node: ProcessNode) -> None:
    pod = make_pod(shell("true"))
    async with node.run() as reports:
        # Its log cannot be a directory inside a file.
        logs = node.logs_directory(pod.metadata.uid)
        logs.mkdir(parents=True)
        (logs / "main").write_text("in the way")
        await node.start([pod])
        ended = await until_ended(reports, [pod.metadata.uid])
    assert only_end(ended[pod.metadata.uid]).reason == "StartError"
    assert "the shim could not start it" in only_end(ended[pod.metadata.uid]).message


@needs_mounts
@pytest.mark.asyncio
async def test_volumes_are_at_their_mount_path_for_this_pod_alone(node: ProcessNode, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "in").write_text("given")
    (tmp_path / "here").mkdir()
    volumes: list[dict[str, Any]] = [
        {"name": "scratch", "emptyDir": {}},
        {"name": "fast", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "host", "hostPath": {"path": str(shared), "type": "Directory"}},
    ]
    mounts = [
        {"name": "scratch", "mountPath": "/podledger-test-scratch/deep"},
        {"name": "fast", "mountPath": "/podledger-test-scratch/deep/fast"},
        {"name": "host", "mountPath": str(tmp_path / "here")},
        {"name": "host", "mountPath": "/podledger-test-ro", "readOnly": True},
        {"name": "scratch", "mountPath": "/podledger-test-sub", "subPath": "a/b"},
    ]
    first = shell("echo hello > /podledger-test-scratch/deep/file; echo sub > /podledger-test-sub/f", "first")
    script = """
        cat /podledger-test-scratch/deep/file here/in /podledger-test-scratch/deep/a/b/f
        echo back > here/out
        echo no > /podledger-test-ro/out2 || echo read-only
        head -c 2000000 /dev/zero > /podledger-test-scratch/deep/fast/big || echo full
        ls / > /dev/null && cat /proc/self/comm && ls -d /podledger-test*
    """
    pod = make_pod(
        shell(script, volumeMounts=mounts), initContainers=[{**first, "volumeMounts": mounts}], volumes=volumes
    )
    status = await run_pod(node, pod)
    log = await read_log(node, pod)
    assert status.phase == "Succeeded", log
    assert log.replace("\n", "|").startswith("hello|givensub|")
    assert "read-only" in log
    assert "full" in log
    assert (shared / "out").read_text() == "back\n"
    assert not (shared / "out2").exists()
    assert list((tmp_path / "here").iterdir()) == []
    assert not Path("/podledger-test-scratch").exists()
    assert not Path("/podledger-test-ro").exists()
    async with node.run() as reports:
        await anext(reports)
        await node.forget([pod.metadata.uid])
    assert (shared / "in").read_text() == "given"


@needs_mounts
@pytest.mark.asyncio
async def test_a_host_path_of_another_type_fails_the_pod_and_says_why(node: ProcessNode, tmp_path: Path) -> None:
    pod = make_pod(
        shell("true", volumeMounts=[{"name": "host", "mountPath": "/mnt"}]),
        volumes=[{"name": "host", "hostPath": {"path": "/etc/passwd", "type": "Directory"}}],
    )
    status = await run_pod(node, pod)
    assert (status.phase, status.reason) == ("Failed", "FailedMount")
    assert "/etc/passwd is not a Directory" in status.message


@pytest.mark.asyncio
async def test_a_failure_can_say_the_end_of_its_log(node: ProcessNode) -> None:
    script = "seq 1 2000; echo reason >&2; exit 3"
    plain, telling = make_pod(shell(script)), make_pod(shell(script, terminationMessagePolicy="FallbackToLogsOnError"))
    async with node.run() as reports:
        await node.start([plain, telling])
        ended = await until_ended(reports, [plain.metadata.uid, telling.metadata.uid])
    assert only_end(ended[plain.metadata.uid]).message == ""
    message = only_end(ended[telling.metadata.uid]).message
    assert message.splitlines() == [*(str(number) for number in range(1922, 2001)), "reason"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can run a container as somebody else")
@pytest.mark.asyncio
async def test_containers_run_as_the_user_they_name(node: ProcessNode) -> None:
    script = "id -u; id -g; id -G; grep NoNewPrivs /proc/self/status"
    context = {"runAsUser": 65534, "allowPrivilegeEscalation": False}
    pod = make_pod(shell(script, workingDir="/", securityContext=context), securityContext={"runAsGroup": 65533})
    await run_pod(node, pod)
    assert (await read_log(node, pod)).split() == ["65534", "65533", "65533", "NoNewPrivs:", "1"]


@needs_memory_cgroup
@pytest.mark.asyncio
async def test_more_memory_than_the_limit_is_oom_killed(node: ProcessNode) -> None:
    limits = {"resources": {"limits": {"memory": "64Mi", "cpu": "500m"}}}
    greedy = make_pod(container("main", "python3", "-c", "x = b'x' * (256 << 20); print(len(x))", **limits))
    modest = make_pod(container("main", "python3", "-c", "print(1)", **limits))
    async with node.run() as reports:
        await node.start([greedy, modest])
        ended = await until_ended(reports, [greedy.metadata.uid, modest.metadata.uid])
    end = only_end(ended[greedy.metadata.uid])
    assert (end.exit_code, end.reason) == (137, "OOMKilled")
    assert ended[modest.metadata.uid].phase == "Succeeded"
    assert groups_of(greedy) == groups_of(modest) == []


@needs_memory_cgroup
@pytest.mark.asyncio
async def test_a_container_that_ends_during_a_probe_leaves_no_group(node: ProcessNode) -> None:
    slow = {"exec": {"command": ["sh", "-c", "touch probing; sleep 1000"]}, "timeoutSeconds": 60}
    script = "while [ ! -e probing ]; do sleep 0.02; done"
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}}
    pod = make_pod(shell(script, readinessProbe=slow, resources=limits))
    status = await run_pod(node, pod)
    assert status.phase == "Succeeded"
    assert groups_of(pod) == []


def groups_of(pod: Pod) -> list[Path]:
    """The control groups that were left."""
    pattern = f"podledger-{pod.metadata.uid}-*"
    return [path for parent in controllers().values() for path in Path(parent).glob(pattern)]


@pytest.mark.asyncio
async def test_a_pod_this_node_cannot_run_is_failed_and_says_why(node: ProcessNode) -> None:
    pod = make_pod({"name": "main", "image": "busybox"})
    status = await run_pod(node, pod)
    assert (status.phase, status.reason) == ("Failed", "UnsupportedPodSpec")
    assert "containers[0].command" in status.message
