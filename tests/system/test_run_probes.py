"""Jobs whose containers are probed, as `podledger run` runs them: what is refused, what a restart looks like."""

import signal
from pathlib import Path
from typing import Any

from tests.system.podledger_command import job, left_over, podledger, start_podledger, stored_job, write_manifest


def probed(name: str, script: str, **container: Any) -> dict[str, Any]:
    """A Job whose container runs a script and is restarted in place."""
    made = job(name, ["sh", "-c", script], pod={"restartPolicy": "OnFailure"})
    made["spec"]["template"]["spec"]["containers"][0].update(container)
    return made


def test_a_container_that_hangs_is_restarted_in_place_and_the_job_completes(tmp_path: Path) -> None:
    script = "if [ -e tried ]; then exit 0; fi; touch tried; while :; do sleep 0.02; done"
    probe = {"exec": {"command": ["false"]}, "periodSeconds": 1, "timeoutSeconds": 60, "failureThreshold": 1}
    manifest = write_manifest(tmp_path, probed("hangs", script, livenessProbe=probe))
    ended = podledger("run", manifest, "-o", "json", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    status = stored_job(ended.stdout)["status"]
    assert status["succeeded"] == 1
    assert "failed" not in status
    assert left_over(tmp_path) == []


def test_progress_says_when_a_crashed_container_is_restarted(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, probed("crashes", "exit 3"))
    with start_podledger("run", manifest, cwd=tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "CrashLoopBackOff" in line:
                break
        else:
            raise AssertionError("it ended without a word about its back-off")
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert line.startswith("crashes: Running, 0/1, 1 pending, CrashLoopBackOff, restart in ")
    assert process.returncode == 130
    assert left_over(tmp_path) == []


def test_what_kubernetes_or_a_process_cannot_do_is_refused_by_its_field(tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path,
        probed("wrong", "true", readinessProbe={"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 3}),
        probed("beyond", "true", startupProbe={"grpc": {"port": 50051}}),
    )
    ended = podledger("run", manifest, cwd=tmp_path)
    assert ended.returncode == 2
    said = ended.stderr.splitlines()
    (wrong,) = [line for line in said if "readinessProbe.terminationGracePeriodSeconds" in line]
    assert "must not be set for readinessProbes" in wrong
    (beyond,) = [line for line in said if "startupProbe.grpc" in line]
    assert "podledger brings no gRPC client" in beyond
