"""CronJobs through `podledger run --for`: their Jobs run, are shown and end; what cannot be run is refused."""

from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, left_over, podledger, write_manifest

MINUTELY = "* * * * *"


def cronjob(schedule: str, command: list[str], **spec: Any) -> dict[str, Any]:
    """The manifest of a CronJob called tick."""
    template = {"spec": job("tick", command)["spec"]}
    fields = {"schedule": schedule, "jobTemplate": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": fields}


def test_in_virtual_time_an_hour_passes_in_a_moment(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, cronjob("*/15 * * * *", ["true"]), job("plain", ["true"]))
    ended = podledger("run", manifest, "--for", "1h1m", "--cluster", "memory", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count(" is due at ") == 4
    header, *rows = ended.stdout.splitlines()
    assert header.split()[0] == "NAME"
    assert [row.split()[1] for row in rows] == ["Complete"] * 4, "history keeps three runs; and the plain Job"
    assert [path.name for path in tmp_path.iterdir()] == [manifest]


def test_processes_run_on_time_and_the_last_is_waited_for(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, cronjob("@every 2s", ["sh", "-c", "sleep 2; echo tock"]))
    ended = podledger("run", manifest, "--for", "3s", "--db", "cron.db", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert " | tock" in ended.stdout
    assert " Complete " in ended.stdout
    assert left_over(tmp_path) == []
    again = podledger("run", manifest, "--for", "1s", "--db", "cron.db", cwd=tmp_path)
    assert "going on with CronJob default/tick" in again.stderr


def test_a_failed_run_is_a_failure_also_when_history_dropped_it(tmp_path: Path) -> None:
    failing = cronjob("@every 1s", ["false"], failedJobsHistoryLimit=0)
    failing["spec"]["jobTemplate"]["spec"]["backoffLimit"] = 0
    manifest = write_manifest(tmp_path, failing)
    ended = podledger("run", manifest, "--for", "2s", cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr


@pytest.mark.parametrize(
    ("words", "manifest", "said"),
    [
        ([], cronjob(MINUTELY, ["true"]), "kind: CronJob runs for good; say for how long with --for 5m, or keep it"),
        (["--for", "soon"], cronjob(MINUTELY, ["true"]), "--for soon: is no duration; write 90s, 5m or 1h30m"),
        (["--for", "0s"], cronjob(MINUTELY, ["true"]), "--for 0s: must be more than nothing"),
        (["--for", "5m"], job("plain", ["true"]), "--for 5m: no CronJob is among the manifests"),
        (["--for", "5m"], cronjob("61 * * * *", ["true"]), "end of range (61) above maximum (59): 61"),
        (["--for", "5m"], cronjob(MINUTELY, []), "spec.jobTemplate.spec.template.spec.containers[0]"),
    ],
)
def test_what_cannot_be_run(tmp_path: Path, words: list[str], manifest: dict[str, Any], said: str) -> None:
    ended = podledger("run", write_manifest(tmp_path, manifest), *words, cwd=tmp_path)
    assert ended.returncode == 2
    assert said in ended.stderr
