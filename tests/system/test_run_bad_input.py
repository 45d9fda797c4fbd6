"""What `podledger run` refuses: one clear line on stderr, the exit code, nothing submitted, nothing lost."""

import json
import os
import subprocess
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, podledger, start_podledger, stored_job, write_manifest

GOOD = json.dumps(job("good", ["true"]))
ALWAYS = """\
apiVersion: batch/v1
kind: Job
metadata:
  name: always
spec:
  parallelism: 1
  template:
    spec:
      restartPolicy: Always
      containers:
      - {name: main, image: busybox, command: ["true"]}
"""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: 1\nb: [1\nc: 2\n", "jobs.yaml: document 1, line 3, column 2: not valid YAML: "),
        ("a: {b: 1}\na: 2\n", 'jobs.yaml: document 1, line 2, column 1: the key "a" is given twice'),
        ("", "jobs.yaml: holds no object"),
        (
            ALWAYS,
            "jobs.yaml: document 1, line 9, column 7: spec.template.spec.restartPolicy: Required value: valid values: "
            '"OnFailure", "Never"; ',
        ),
        (
            ALWAYS.replace("Always", "Never").replace("parallelism: 1", "parallelism: -1"),
            "jobs.yaml: document 1, line 6, column 3: spec.parallelism: Invalid value: -1: must be greater",
        ),
        (
            ALWAYS.replace("Always", "Never").replace("parallelism: 1", "parallelisms: 1"),
            'jobs.yaml: document 1, line 6, column 3: unknown field "spec.parallelisms"; did you mean parallelism?',
        ),
        (
            ALWAYS.replace("kind: Job", "kind: Deployment"),
            "jobs.yaml: document 1, line 2, column 1: kind: Deployment cannot be run, only batch/v1 Jobs can",
        ),
        (
            ALWAYS.replace("kind: Job", "kind: CronJob"),
            "jobs.yaml: document 1, line 2, column 1: kind: CronJob runs for good; say for how long with --for 5m",
        ),
        (
            ALWAYS.replace("Always", "Never").replace(', command: ["true"]', ""),
            "jobs.yaml: document 1, line 11, column 9: spec.template.spec.containers[0].command: Required value",
        ),
    ],
    ids=["yaml", "twice", "empty", "always", "negative", "unknown", "kind", "cronjob", "no command"],
)
def test_one_wrong_document_refuses_all_with_one_line(tmp_path: Path, text: str, fault: str) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "jobs.yaml").write_text(text)
    ended = podledger("run", "good.yaml", "jobs.yaml", "--db", "a.db", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: {fault}")
    assert not (tmp_path / "a.db").exists()


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["run"], "FILE"),
        (["run", "none.yaml"], "error: none.yaml: cannot be read: No such file or directory"),
        (["run", "--nope", "good.yaml"], "error: Unknown option: --nope"),
        (["run", "good.yaml", "--cluster", "docker"], '"process", "memory"'),
        (["run", "good.yaml", "--timeout", "0"], "error: --timeout 0: must be"),
        (["run", "good.yaml", "--max-pods", "0"], "error: --max-pods 0: must be"),
        (["run", "good.yaml", "--env", "=1"], "error: --env =1: "),
        (["run", "good.yaml", "--env", "A", "--cluster", "memory"], "error: --env: "),
        (["run", "good.yaml", "--namespace", "No_Such"], "error: --namespace No_Such: must be"),
        (["run", "good.yaml", "--db", "postgresql://here/x"], "error: --db postgresql://here/x: only files"),
        (["rum"], 'error: unknown command "rum"; did you mean run?'),
    ],
    ids=range(11),
)
def test_wrong_usage_is_told_in_one_line(tmp_path: Path, words: Sequence[str], fault: str) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    ended = podledger(*words, cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert fault in line
    assert [path.name for path in tmp_path.iterdir()] == ["good.yaml"]


def test_a_closed_stdin_is_told(tmp_path: Path) -> None:
    # Closed behind the fork: subprocess itself has no way to start a process without descriptor 0.
    process = start_podledger("run", "-", cwd=tmp_path, preexec_fn=lambda: os.close(0))
    _, err = process.communicate()
    assert process.returncode == 2
    assert err.startswith("error: stdin: cannot be read: it is closed")


def test_stdin_is_read_as_a_manifest(tmp_path: Path) -> None:
    ended = podledger("run", "-", "-o", "json", cwd=tmp_path, stdin=GOOD)
    assert ended.returncode == 0
    assert stored_job(ended.stdout)["metadata"]["name"] == "good"


def test_a_file_that_is_no_ledger_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("my diary\n")
    ended = podledger("run", write_manifest(tmp_path, job("a", ["true"])), "--db", "a.db", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (3, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: a.db: not a podledger ledger")
    assert (tmp_path / "a.db").read_text() == "my diary\n"


def test_a_ledger_held_by_another_process_names_it(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("held", ["sleep", "60"]))
    with start_podledger("run", manifest, "--db", "a.db", cwd=tmp_path) as holder:
        try:
            assert holder.stderr is not None
            while "1 running" not in holder.stderr.readline():
                assert holder.poll() is None
            ended = podledger("run", manifest, "--db", "a.db", cwd=tmp_path)
        finally:
            holder.terminate()
            holder.communicate()
    assert (ended.returncode, ended.stdout) == (3, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith(f"error: a.db: being written by process {holder.pid} ")


def test_another_spec_under_a_known_name_is_refused_and_names_what_differs(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("a", ["true"]))
    assert podledger("run", manifest, "--db", "a.db", cwd=tmp_path).returncode == 0
    write_manifest(tmp_path, job("a", ["false"], completions=2), job("b", ["true"]))
    ended = podledger("run", manifest, "--db", "a.db", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "this ledger knows Job default/a with another spec" in line
    assert "spec.template.spec.containers[0].command[0]" in line
    assert "spec.completions" in line
    write_manifest(tmp_path, job("b", ["true"]))
    again = podledger("run", manifest, "--db", "a.db", "-o", "json", cwd=tmp_path)
    assert (again.returncode, stored_job(again.stdout)["metadata"]["generation"]) == (0, 1)


def test_a_result_that_cannot_be_written_is_no_success(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("a", ["true"]))
    with (
        Path("/dev/full").open("w") as full,
        start_podledger("run", manifest, "-o", "json", cwd=tmp_path, stdout=full) as process,
    ):
        _, err = process.communicate()
    assert process.returncode == 3
    assert "error: the result cannot be written to stdout: No space left on device" in err


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 256 KiB: room for a ledger, but not for what a run of some pods writes into it."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs root and the right to mount a small tmpfs")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up_is_told_and_the_run_resumes_when_room_returns(tmp_path: Path, small_disk: Path) -> None:
    script = "sleep 0.3; echo $JOB_COMPLETION_INDEX >> done"
    spec: dict[str, Any] = {"completions": 20, "parallelism": 2, "completionMode": "Indexed", "backoffLimit": 100}
    manifest = write_manifest(tmp_path, job("fills", ["sh", "-c", script], **spec))
    ledger = str(small_disk / "jobs.db")
    refused = podledger("run", manifest, "--db", ledger, cwd=tmp_path)
    assert refused.returncode == 3
    fault = refused.stderr.splitlines()[-1]
    assert fault.startswith(f"error: {ledger}: ")
    assert "the disk is full; make room" in fault
    assert "Traceback" not in refused.stderr
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    ended = podledger("run", manifest, "--db", ledger, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert stored_job(ended.stdout)["status"]["completedIndexes"] == "0-19"
    # Of a pod whose end found no room nobody knows how it ended: its index runs again.
    assert set(map(int, (tmp_path / "done").read_text().split())) == set(range(20))
    assert podledger("log", "verify", ledger, cwd=tmp_path).returncode == 0
