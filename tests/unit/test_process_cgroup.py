"""Where control groups can be made and what is written into them, on a made-up /sys/fs/cgroup; and the substitute."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.process_specs import container_spec

from podledger_adapters.nodes.process.shim import cgroup
from podledger_adapters.nodes.process.shim.cgroup import Cgroups, controllers, make_cgroups


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "proc"
    path.mkdir()
    monkeypatch.setattr(cgroup, "PROC_SELF", str(path))
    return path


def hierarchy(proc: Path, top: Path, *, own: str, handed_on: dict[str, str]) -> None:
    """A version 2 hierarchy: for each group below `top`, the controllers it hands on."""
    for name, controllers_there in handed_on.items():
        group = top / name.strip("/")
        group.mkdir(parents=True, exist_ok=True)
        (group / "cgroup.subtree_control").write_text(controllers_there + "\n")
        for file in ("cgroup.controllers", "cgroup.procs"):
            (group / file).write_text("")
    (proc / "cgroup").write_text(f"0::{own}\n")
    (proc / "mountinfo").write_text(f"30 25 0:26 / {top} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n")


def test_the_nearest_ancestor_that_hands_the_controller_on_is_taken(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    groups = {"/": "cpu memory", "/user": "memory", "/user/session": ""}
    hierarchy(proc, top, own="/user/session", handed_on=groups)
    assert controllers() == {"memory": f"{top}/user", "cpu": f"{top}"}


def test_a_group_that_no_process_may_be_moved_below_is_passed(proc: Path, tmp_path: Path) -> None:
    top = tmp_path / "cgroup"
    hierarchy(proc, top, own="/user/session", handed_on={"/": "cpu", "/user": "cpu", "/user/session": ""})
    (top / "user" / "cgroup.procs").unlink()
    assert controllers() == {"cpu": f"{top}"}


def test_nothing_is_found_where_nothing_is_handed_on(proc: Path, tmp_path: Path) -> None:
    hierarchy(proc, tmp_path / "cgroup", own="/a", handed_on={"/": "", "/a": "pids"})
    assert controllers() == {}


def test_without_proc_there_are_none(proc: Path) -> None:
    assert controllers() == {}


def test_version_1_is_our_own_group_in_each_hierarchy(proc: Path, tmp_path: Path) -> None:
    for name in ("memory", "cpu,cpuacct"):
        (tmp_path / name / "mine").mkdir(parents=True)
    (proc / "cgroup").write_text("4:memory:/mine\n1:cpu,cpuacct:/mine\n0::/\n")
    (proc / "mountinfo").write_text(
        f"31 25 0:27 / {tmp_path}/memory rw - cgroup cgroup rw,memory\n"
        f"32 25 0:28 / {tmp_path}/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    )
    assert controllers() == {"memory": f"{tmp_path}/memory/mine", "cpu": f"{tmp_path}/cpu,cpuacct/mine"}


def test_limits_are_written_as_a_kubelet_writes_them(
    proc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = tmp_path / "cgroup"
    hierarchy(proc, top, own="/", handed_on={"/": "cpu memory"})
    made = top / "pod-main"
    made.mkdir()
    names = ("cgroup.controllers", "cgroup.procs", "memory.max", "memory.swap.max", "memory.oom.group", "cpu.max")
    for name in names:
        (made / name).write_text("")
    spec = container_spec("main")
    spec["memory"], spec["cpu"] = 64 << 20, 0.25
    groups = make_cgroups(spec, "pod-main")
    assert groups.paths == [str(made)]
    written = {name: (made / name).read_text() for name in names[2:]}
    assert written == {
        "memory.max": str(64 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "cpu.max": "25000 100000",
    }
    groups.enter()
    assert (made / "cgroup.procs").read_text() == "0"
    for events, killed in (("low 0\noom 3\noom_kill 0\n", False), ("oom 3\noom_kill 2\n", True)):
        (made / "memory.events").write_text(events)
        assert groups.oom_killed() is killed


def test_no_limits_no_groups(proc: Path) -> None:
    assert make_cgroups(container_spec("main"), "x").paths == []
    assert not Cgroups("", "").oom_killed()


def test_without_a_group_each_process_is_refused_more_memory() -> None:
    program = (
        "from podledger_adapters.nodes.process.shim.cgroup import limit_by_rlimit\n"
        "limit_by_rlimit(200 << 20)\n"
        "small = bytearray(50 << 20)\n"
        "try:\n    bytearray(400 << 20)\nexcept MemoryError:\n    print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "refused\n"
