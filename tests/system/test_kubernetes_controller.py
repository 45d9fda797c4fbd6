"""`podledger controller` and `record` as a user starts them: bad input, other servers, and two that want to lead."""

import json
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
from aiohttp import web
from tests.system.podledger_command import podledger, start_podledger
from tests.web_app import serving

from podledger.errors import ClusterError
from podledger_adapters.cli.controller_run import ControllerSettings, run_controller
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.explain import explain
from podledger_adapters.kubernetes.access import Access

TOKEN = "T"
PODS = 1500
STOPPED_S = 22.0
"""Longer than a lease (15 s) and the time after which the other one tries again."""


@contextmanager
def served(directory: Path, *words: str) -> Generator[str]:
    """`podledger serve` without a Job controller; its URL. Its kubeconfig is `kubeconfig` in the directory."""
    flags = ("--listen", "127.0.0.1:0", "--insecure-http", "--token", TOKEN, "--kubeconfig", "kubeconfig")
    process = start_podledger("serve", "--cluster", "memory", "--controllers", "*,-job", *flags, *words, cwd=directory)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("export KUBECONFIG=")
        yield json.loads((directory / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def call(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data, {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"})
    with urlopen(request, timeout=30) as answer:
        return json.load(answer)


# ---- bad input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--kubeconfig", "nowhere"), 3, "nowhere: no such file; write --kubeconfig PATH"),
        (("--kubeconfig", "kubeconfig", "--context", "x"), 3, "there is no context x; there are: podledger"),
        (("--kubeconfig", "refused"), 3, "the credentials are not accepted (expired?)"),
        (("--kubeconfig", "kubeconfig", "--sync-batch-period", "1"), 2, "--sync-batch-period 1: time: missing unit"),
        (("--kubeconfig", "kubeconfig", "--concurrent-syncs", "0"), 2, "--concurrent-syncs 0: must be 1 or more"),
        (("--kubeconfig", "kubeconfig", "--metrics-listen", "x"), 2, "--metrics-listen x: must be HOST:PORT"),
        (("--kubeconfig", "kubeconfig", "--manage", "some"), 2, "--manage"),
        (("--kubeconfig", "kubeconfig", "--namespace", ""), 2, "--namespace : must be at most 63 lower case letters"),
        (("--kubeconfig", "kubeconfig", "--lease-namespace", "a/b"), 2, "--lease-namespace a/b: must be at most 63"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    with served(tmp_path):
        document = json.loads((tmp_path / "kubeconfig").read_text())
        document["users"][0]["user"]["token"] = "stale"
        (tmp_path / "refused").write_text(json.dumps(document))
        done = podledger("controller", *words, cwd=tmp_path)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(errors)) == (code, 1), done.stderr
    assert said in errors[0]
    assert done.stdout == ""


def answering(**changes: Any) -> web.Application:
    """An API server that says little: `version` is its minor version, `allowed` whether anything is."""

    async def version(_request: web.Request) -> web.Response:
        found = {"major": "1", "minor": changes.get("minor", "36+"), "gitVersion": f"v1.{changes.get('minor', '36')}.0"}
        return web.json_response(found)

    async def review(request: web.Request) -> web.Response:
        asked = (await request.json())["spec"]["resourceAttributes"]
        return web.json_response({"status": {"allowed": asked["verb"] != "patch"}}, status=201)

    app = web.Application()
    if "minor" in changes or "reviews" in changes:
        app.router.add_get("/version", version)
        app.router.add_post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return app


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "this is no Kubernetes API server (/version says 404"),
        ({"minor": "31"}, "too old for spec.managedBy (1.32 and later honour it)"),
        (
            {"reviews": True},
            'forbidden; grant {apiGroups: ["batch"], resources: ["jobs/status"], verbs: ["patch"]} in a ClusterRole',
        ),
    ],
)
async def test_a_server_that_will_not_do_is_refused_with_the_way_out(changes: dict[str, Any], said: str) -> None:
    async with serving(answering(**changes)) as url:
        with pytest.raises((ClusterError, ExceptionGroup)) as raised:
            await run_controller(Access(url, "a test"), ControllerSettings())
    code, lines = explain(raised.value)
    assert code == ExitCode.UNREACHABLE
    (line,) = lines
    assert said in line


# ---- two that want to lead ------------------------------------------------------------------------------------------


def start_controller(directory: Path, name: str) -> "subprocess.Popen[str]":
    log = (directory / name).open("w", encoding="utf-8")
    with log:
        words = ("--kubeconfig", "kubeconfig", "--manage", "all", "--log-format", "text")
        return start_podledger("controller", *words, cwd=directory, stdout=log, stderr=log)


def until_said(path: Path, text: str) -> None:
    """Wait until a log says something."""
    for _ in range(1200):
        if path.exists() and text in path.read_text(encoding="utf-8"):
            return
        time.sleep(0.05)
    raise AssertionError(f"{path.name} never said {text!r}: {path.read_text(encoding='utf-8')}")


def test_a_leader_that_was_stopped_for_longer_than_its_lease_does_no_harm(tmp_path: Path) -> None:
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job"},
        "spec": {"completions": PODS, "parallelism": 40, "template": template},
    }
    with served(tmp_path) as url:
        first = start_controller(tmp_path, "first.log")
        try:
            until_said(tmp_path / "first.log", "leading:")
            second = start_controller(tmp_path, "second.log")
            try:
                until_said(tmp_path / "second.log", "waiting:")
                call(f"{url}/apis/batch/v1/namespaces/default/jobs", job)
                time.sleep(3.0)
                first.send_signal(signal.SIGSTOP)
                time.sleep(STOPPED_S)
                first.send_signal(signal.SIGCONT)
                until_said(tmp_path / "second.log", "leading:")
                until_said(tmp_path / "first.log", "standing by: lease kube-system/podledger-job-controller is held by")
                status: dict[str, Any] = {}
                for _ in range(400):
                    status = call(f"{url}/apis/batch/v1/namespaces/default/jobs/job")["status"]
                    if any(each["type"] == "Complete" for each in status.get("conditions", [])):
                        break
                    time.sleep(0.2)
                assert status.get("succeeded") == PODS
                assert status.get("failed", 0) == 0
                pods = call(f"{url}/api/v1/namespaces/default/pods")["items"]
                assert not any(pod["metadata"].get("finalizers") for pod in pods)
                assert sum(pod["status"]["phase"] == "Succeeded" for pod in pods) == PODS
            finally:
                second.terminate()
                second.wait(30)
            assert second.returncode == 143
        finally:
            first.kill()
            first.wait(30)


def test_a_recording_is_a_ledger_and_goes_on_where_it_was_left(tmp_path: Path) -> None:
    with served(tmp_path):
        for _ in range(2):
            process = start_podledger("record", "--kubeconfig", "kubeconfig", "--db", "prod.db", cwd=tmp_path)
            assert process.stderr is not None
            while "listed:" not in process.stderr.readline():
                pass
            process.terminate()
            process.communicate(timeout=30)
            assert process.returncode == 143
        done = podledger("log", "info", "prod.db", "-o", "json", cwd=tmp_path)
    (stream,) = json.loads(done.stdout)["streams"]
    assert stream["epoch"] == 2
    assert podledger("log", "verify", "prod.db", cwd=tmp_path).returncode == 0
