"""Jobs through `podledger run` on processes end as Kubernetes would end them: status, output and exit code."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, left_over, podledger, stored_job, write_manifest


def conditions(stored: Any) -> list[tuple[str, str]]:
    return [(each["type"], each["reason"]) for each in stored["status"]["conditions"] if each["status"] == "True"]


COMPLETE = [("SuccessCriteriaMet", "CompletionsReached"), ("Complete", "CompletionsReached")]


def test_an_echo_job_prints_its_line_and_the_table_and_leaves_nothing(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("echo", ["echo", "hello"]))
    ended = podledger("run", manifest, cwd=tmp_path)
    assert ended.returncode == 0
    logged, blank, header, row = ended.stdout.splitlines()
    assert logged.startswith("echo-")
    assert logged.endswith(" | hello")
    assert (blank, header.split()) == ("", ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"])
    assert row.split()[:3] == ["echo", "Complete", "1/1"]
    assert ended.stderr.count("images are not used") == 1
    assert [path.name for path in tmp_path.iterdir()] == [manifest]
    assert left_over(tmp_path) == []


def test_the_stored_job_is_one_document_on_stdout_and_all_else_on_stderr(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("echo", ["sh", "-c", "echo hello; echo there >&2"]))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    document = json.loads(ended.stdout)
    assert (document["kind"], document["apiVersion"]) == ("List", "v1")
    stored = stored_job(ended.stdout)
    assert conditions(stored) == COMPLETE
    assert stored["status"]["succeeded"] == 1
    assert stored["spec"]["completionMode"] == "NonIndexed"
    assert stored["spec"]["template"]["metadata"]["labels"]["job-name"] == "echo"
    assert "| hello\n" in ended.stderr
    assert "| there\n" in ended.stderr


def test_a_fixed_count_runs_so_many_and_at_most_three_at_once(tmp_path: Path) -> None:
    script = "mkdir running-$HOSTNAME; ls -d running-* | wc -l >> seen; sleep 0.2; rmdir running-$HOSTNAME"
    manifest = write_manifest(tmp_path, job("count", ["sh", "-c", script], completions=8, parallelism=3))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    stored = stored_job(ended.stdout)
    assert (stored["status"]["succeeded"], conditions(stored)) == (8, COMPLETE)
    seen = [int(line) for line in (tmp_path / "seen").read_text().split()]
    assert len(seen) == 8
    assert max(seen) <= 3


def test_a_work_queue_is_drained_by_three_workers(tmp_path: Path) -> None:
    queue, done = tmp_path / "queue", tmp_path / "done"
    queue.mkdir()
    done.mkdir()
    for i in range(30):
        (queue / f"item-{i}").write_text(str(i))
    # Taking an item is one rename, which only one of the workers can make.
    script = (
        'for item in queue/*; do mv "$item" "taken-${item##*/}" 2>/dev/null && mv taken-${item##*/} done/; done; exit 0'
    )
    manifest = write_manifest(tmp_path, job("queue", ["sh", "-c", script], parallelism=3))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    stored = stored_job(ended.stdout)
    assert (stored["status"]["succeeded"], conditions(stored)) == (3, COMPLETE)
    assert len(list(done.iterdir())) == 30
    assert list(queue.iterdir()) == []


def test_the_pods_of_an_indexed_job_see_their_index(tmp_path: Path) -> None:
    script = 'echo "$JOB_COMPLETION_INDEX $HOSTNAME" >> seen'
    spec: dict[str, Any] = {"completions": 5, "parallelism": 2, "completionMode": "Indexed"}
    manifest = write_manifest(tmp_path, job("indexed", ["sh", "-c", script], **spec))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    stored = stored_job(ended.stdout)
    assert (stored["status"]["completedIndexes"], conditions(stored)) == ("0-4", COMPLETE)
    assert sorted((tmp_path / "seen").read_text().splitlines()) == [f"{i} indexed-{i}" for i in range(5)]


def test_one_that_fails_twice_is_retried_after_10_and_20_seconds(tmp_path: Path) -> None:
    script = 'date +%s >> starts; test "$(wc -l < starts)" -ge 3'
    manifest = write_manifest(tmp_path, job("retry", ["sh", "-c", script]))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    stored = stored_job(ended.stdout)
    assert (stored["status"]["succeeded"], stored["status"]["failed"], conditions(stored)) == (1, 2, COMPLETE)
    first, second, third = [int(line) for line in (tmp_path / "starts").read_text().split()]
    # Finish times are whole seconds, rounded down: the wait may begin up to a second before the pod's end.
    assert second - first >= 9
    assert third - second >= 19
    assert ended.stderr.count("next retry in") == 2


def test_without_retries_the_first_failure_is_the_jobs_and_its_logs_are_kept(tmp_path: Path) -> None:
    script = "for i in 1 2 3; do echo line $i; done; exit 3"
    manifest = write_manifest(tmp_path, job("bad", ["sh", "-c", script], backoffLimit=0))
    ended = podledger("run", manifest, cwd=tmp_path)
    assert ended.returncode == 1
    assert "Job bad failed: BackoffLimitExceeded: Job has reached the specified backoff limit" in ended.stdout
    assert "exit code 3 (Error)" in ended.stdout
    assert "    line 1\n    line 2\n    line 3\n" in ended.stdout
    (place,) = [line.split()[-1] for line in ended.stdout.splitlines() if "its logs are in" in line]
    (log,) = Path(place).rglob("*.log")
    assert log.read_text() == "line 1\nline 2\nline 3\n"
    (kept,) = [path for path in tmp_path.iterdir() if path.name.startswith("podledger-")]
    assert kept.stat().st_mode & 0o777 == 0o700
    assert f"ledger and logs are kept in {kept}" in ended.stderr


def test_the_deadline_ends_pods_and_job(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("late", ["sleep", "60"], activeDeadlineSeconds=3))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 1
    stored = stored_job(ended.stdout)
    assert conditions(stored) == [("FailureTarget", "DeadlineExceeded"), ("Failed", "DeadlineExceeded")]
    assert stored["status"]["failed"] == 1
    assert left_over(tmp_path) == []


def test_several_jobs_run_together_and_one_failure_is_the_runs(tmp_path: Path) -> None:
    good, bad = job("good", ["true"]), job("bad", ["false"], backoffLimit=0)
    ended = podledger("run", write_manifest(tmp_path, good, bad), cwd=tmp_path)
    assert ended.returncode == 1
    rows = [line.split()[:3] for line in ended.stdout.splitlines() if line.startswith(("good", "bad"))]
    assert rows[-2:] == [["good", "Complete", "1/1"], ["bad", "Failed", "0/1"]]


@pytest.mark.parametrize("options", [(), ("-o", "json")])
def test_every_line_of_quick_pods_is_shown_once(tmp_path: Path, options: tuple[str, ...]) -> None:
    script = "i=0; while [ $i -lt 500 ]; do echo $JOB_COMPLETION_INDEX:$i; i=$((i+1)); done"
    spec: dict[str, Any] = {"completions": 6, "parallelism": 6, "completionMode": "Indexed"}
    manifest = write_manifest(tmp_path, job("noisy", ["sh", "-c", script], **spec))
    ended = podledger("run", manifest, *options, cwd=tmp_path)
    assert ended.returncode == 0
    shown = [line.partition(" | ")[2] for line in (ended.stdout + ended.stderr).splitlines() if " | " in line]
    assert sorted(shown) == sorted(f"{index}:{i}" for index in range(6) for i in range(500))


def test_the_environment_is_podledgers_basics_and_what_was_asked_for(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("env", ["sh", "-c", "echo $A-$B-$PYTHONUNBUFFERED-"]))
    ended = podledger("run", manifest, "--env", "A=1", "--env", "B=two words", cwd=tmp_path)
    assert " | 1-two words--" in ended.stdout


def test_simulated_pods_need_no_time(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("many", ["true"], completions=300, parallelism=50))
    ended = podledger("run", manifest, "--cluster", "memory", "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0
    assert stored_job(ended.stdout)["status"]["succeeded"] == 300
    assert [path.name for path in tmp_path.iterdir()] == [manifest]


def test_a_job_that_its_manifest_suspends_stays_so(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("later", ["true"], suspend=True))
    ended = podledger("run", manifest, "--db", "a.db", cwd=tmp_path)
    assert ended.returncode == 0
    assert "stays suspended, as its manifest says" in ended.stderr
    assert ended.stdout.splitlines()[-1].split()[:2] == ["later", "Suspended"]
    ended = podledger("run", write_manifest(tmp_path, job("later", ["true"])), "--db", "a.db", cwd=tmp_path)
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[-1].split()[:3] == ["later", "Complete", "1/1"]
