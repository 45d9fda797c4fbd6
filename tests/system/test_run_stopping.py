"""A run that is stopped suspends its Jobs, says how to resume, and is resumed by the same command."""

import json
import os
import pty
import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.system.podledger_command import job, left_over, podledger, start_podledger, stored_job, write_manifest

POLITE = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"
DEAF = "trap '' TERM; echo up; while :; do sleep 0.1; done"


def stop(
    directory: Path, manifest: str, *signals: signal.Signals, ready: str = "| up", pods: int = 1
) -> tuple[int, str, list[dict[str, Any]]]:
    """Run with a ledger until `pods` lines say `ready`, send signals, each when the one before was answered."""
    answers = {1: "once more to kill", 2: "killing the pods"}
    with start_podledger("run", manifest, "--db", "a.db", "-o", "json", cwd=directory) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        heard = ""
        for count, number in enumerate(signals):
            while heard.count(ready) < (pods if count == 0 else 1):
                line = process.stderr.readline()
                assert line, f"ended early: {heard}"
                heard += line
            process.send_signal(number)
            ready = answers[count + 1]
        out, err = process.communicate()
    return process.returncode, heard + err, json.loads(out)["items"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_suspends_and_the_same_command_resumes(tmp_path: Path, number: signal.Signals, code: int) -> None:
    go = tmp_path / "go"
    script = f"test -e go || {{ {POLITE}; }}"
    manifest = write_manifest(tmp_path, job("a", ["sh", "-c", script], completions=3, parallelism=2))
    ended, said, (stored,) = stop(tmp_path, manifest, number, pods=2)
    assert ended == code
    assert stored["spec"]["suspend"] is True
    (suspended,) = [each for each in stored["status"]["conditions"] if each["type"] == "Suspended"]
    assert (suspended["status"], suspended["reason"]) == ("True", "JobSuspended")
    assert "failed" not in stored["status"]
    assert said.count("| bye") == said.count("| up")
    assert f"to resume: podledger run {manifest} --db a.db -o json" in said
    assert left_over(tmp_path) == []
    go.touch()
    again = podledger("run", manifest, "--db", "a.db", "-o", "json", cwd=tmp_path)
    assert again.returncode == 0
    resumed = stored_job(again.stdout)
    assert resumed["metadata"]["uid"] == stored["metadata"]["uid"]
    assert resumed["spec"]["suspend"] is False
    assert resumed["status"]["succeeded"] == 3
    assert "failed" not in resumed["status"]
    reported = podledger("run", manifest, "--db", "a.db", "-o", "json", cwd=tmp_path)
    assert (reported.returncode, stored_job(reported.stdout)) == (0, resumed)


def test_a_second_signal_kills_at_once(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("deaf", ["sh", "-c", DEAF], pod={"terminationGracePeriodSeconds": 3600}))
    ended, said, (stored,) = stop(tmp_path, manifest, signal.SIGINT, signal.SIGINT)
    assert ended == 130
    assert "killing the pods" in said
    assert [each["type"] for each in stored["status"]["conditions"]] == ["Suspended"]
    assert left_over(tmp_path) == []


def test_the_grace_period_ends_in_a_kill(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("deaf", ["sh", "-c", DEAF], pod={"terminationGracePeriodSeconds": 1}))
    ended, _, (stored,) = stop(tmp_path, manifest, signal.SIGTERM)
    assert ended == 143
    assert "failed" not in stored["status"]
    assert left_over(tmp_path) == []


def test_a_timeout_fails_the_run_and_keeps_the_ledger_for_resuming(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("a", ["sh", "-c", f"test -e go || {{ {POLITE}; }}"]))
    ended = podledger("run", manifest, "--timeout", "1", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.splitlines()[-1].split()[:2] == ["a", "Suspended"]
    (ledger,) = re.findall(r"to resume: podledger run .* --db (\S+)", ended.stderr)
    (tmp_path / "go").touch()
    again = podledger("run", manifest, "--db", ledger, cwd=tmp_path)
    assert again.returncode == 0
    assert again.stdout.splitlines()[-1].split()[:3] == ["a", "Complete", "1/1"]


def test_a_third_signal_ends_a_run_whose_output_nobody_reads(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("loud", ["sh", "-c", "yes | head -c 5000000; touch written; sleep 0.2"]))
    with start_podledger("run", manifest, cwd=tmp_path, stderr=subprocess.DEVNULL) as process:
        signals = 0
        while process.poll() is None:
            try:
                process.wait(0.5)
            except subprocess.TimeoutExpired:
                if (tmp_path / "written").exists():  # more than a pipe holds: podledger waits for us
                    process.send_signal(signal.SIGINT)
                    signals += 1
    assert process.returncode == 130
    assert signals == 3
    assert left_over(tmp_path) == []


def test_simulated_time_goes_on_where_the_ledger_left_it(tmp_path: Path) -> None:
    first = write_manifest(tmp_path, job("first", ["true"]), name="first.yaml")
    second = write_manifest(tmp_path, job("second", ["true"]), name="second.yaml")
    options = ("--cluster", "memory", "--db", "a.db", "-o", "json")
    before = stored_job(podledger("run", first, *options, cwd=tmp_path).stdout)
    after = stored_job(podledger("run", second, *options, cwd=tmp_path).stdout)
    assert after["metadata"]["creationTimestamp"] >= before["status"]["completionTime"]
    again = podledger("run", first, "--cluster", "memory", "--db", "a.db", cwd=tmp_path)
    assert (again.returncode, again.stdout.splitlines()[-1].split()[:3]) == (0, ["first", "Complete", "1/1"])


def test_ctrl_c_in_a_terminal_suspends_and_leaves_the_terminal_clean(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, job("a", ["sh", "-c", POLITE]))
    terminal, inside = pty.openpty()

    def own_the_terminal() -> None:
        os.setsid()
        os.close(os.open(os.ttyname(0), os.O_RDWR))  # the first terminal a session opens becomes its own

    run = start_podledger(
        "run",
        manifest,
        "--db",
        "a.db",
        cwd=tmp_path,
        stdin=inside,
        stdout=inside,
        stderr=inside,
        preexec_fn=own_the_terminal,
    )
    with run:
        os.close(inside)
        seen = b""
        pressed = False
        while True:
            try:
                seen += os.read(terminal, 65536)
            except OSError:  # Linux says so when the last process has closed it.
                break
            if not pressed and b"up\r\n" in seen and b"1 running" in seen:
                os.write(terminal, b"\x03")
                pressed = True
        run.wait()
    os.close(terminal)
    text = seen.decode()
    assert run.returncode == 130
    assert re.search(r"\x1b\[\d+ma-\w{5} \|\x1b\[0m up", text)
    assert "bye" in text
    assert "to resume: podledger run jobs.yaml --db a.db" in text
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is shown again
    assert left_over(tmp_path) == []
