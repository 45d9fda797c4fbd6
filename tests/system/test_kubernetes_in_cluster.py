"""`podledger controller` as a pod: it finds the API server and who it is where Kubernetes puts that for pods.

Those places are absolute, so the process gets a mount namespace of its own, in which /var/run is the test's directory.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.types import ASGIApp
from tests.api_gate import ApiGate
from tests.certificates import Authority
from tests.kubernetes_server import NAMESPACE, TOKEN, api_server
from tests.relays import tls_front

from podledger import Job, JobKey, JobSpec
from podledger.api import ObjectMeta, PodTemplateSpec
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.local import LocalCluster

UNSHARE = ("unshare", "--mount", "--propagation", "private")
POD = (*UNSHARE, "sh", "-c", 'mount --bind "$0" /var/run && exec "$@"')
LOOK_S = 0.05
LOOKS = 600


def may_mount(directory: Path) -> bool:
    """Whether this user may have a mount namespace."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*POD, str(directory), "true"], capture_output=True, check=False).returncode == 0


def start(directory: Path, environment: dict[str, str], words: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    """Start it; what it says goes to the file `said`."""
    command = (*POD, str(directory / "run"), sys.executable, "-m", "podledger_adapters.cli", *words)
    with (directory / "said").open("wb") as said:
        return subprocess.Popen(
            command, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )


@asynccontextmanager
async def pod(directory: Path, host: str, port: int, *words: str) -> AsyncGenerator["subprocess.Popen[bytes]"]:
    """`podledger WORDS` in a pod whose /var/run is `directory`/run; it is told to end, and must."""
    kept = {name: value for name, value in os.environ.items() if name not in ("KUBECONFIG", "HOME")}
    environment = {**kept, "KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": str(port)}
    process = start(directory, {**environment, "HOME": str(directory), "TMPDIR": str(directory)}, words)
    try:
        yield process
        process.terminate()
        code = await anyio.to_thread.run_sync(process.wait, 30)
        assert code == ExitCode.TERMINATED, (directory / "said").read_text()
    finally:
        process.kill()
        process.wait()


async def completed(cluster: LocalCluster, name: str) -> bool:
    """Submit a Job and wait for its end."""
    container = {"name": "main", "image": "x"}
    template = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [container]})
    await cluster.submit(Job(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=JobSpec(template=template)))
    for _ in range(LOOKS):
        job = await cluster.get_job(JobKey(NAMESPACE, name))
        if job is not None and any(condition.type == "Complete" for condition in job.status.conditions):
            return True
        await anyio.sleep(LOOK_S)
    return False


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_pod_has_its_service_account_whose_token_is_replaced(tmp_path: Path, host: str) -> None:
    place = tmp_path / "run" / "secrets" / "kubernetes.io" / "serviceaccount"
    place.mkdir(parents=True)
    if not may_mount(tmp_path / "run"):
        pytest.skip("no mount namespaces for this user; run the tests as root")
    gates: list[ApiGate] = []

    def around(app: ASGIApp) -> ASGIApp:
        gates.append(ApiGate(app, TOKEN, {"first": "system:serviceaccount:jobs:default"}))
        return gates[0]

    authority = Authority()
    for name, content in (("token", b"first"), ("ca.crt", authority.pem), ("namespace", b"jobs")):
        (place / name).write_bytes(content)
    pair = authority.server(host).write(tmp_path, "server")
    async with (
        api_server(simulated=True, around=around) as (cluster, access),
        tls_front(urlsplit(access.server).port or 0, pair, host=host) as (_, port),
        pod(tmp_path, host, port, "controller", "--manage", "all", "--log-format", "text"),
    ):
        assert await completed(cluster, "before"), (tmp_path / "said").read_text()
        gates[0].users.clear()
        gates[0].users["second"] = "system:serviceaccount:jobs:default"
        (place / "token").write_text("second")
        assert await completed(cluster, "after"), (tmp_path / "said").read_text()
    assert gates[0].authorizations[-1] == "Bearer second"
    assert "by the pod's service account" in (tmp_path / "said").read_text()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        ("token", "serviceaccount/token: not there; give the pod a service account"),
        ("ca.crt", "ca.crt: cannot be read"),
    ],
)
async def test_a_pod_without_a_service_account_says_so(tmp_path: Path, lacking: str, said: str) -> None:
    place = tmp_path / "run" / "secrets" / "kubernetes.io" / "serviceaccount"
    place.mkdir(parents=True)
    if not may_mount(tmp_path / "run"):
        pytest.skip("no mount namespaces for this user; run the tests as root")
    for name in {"token", "ca.crt"} - {lacking}:
        (place / name).write_text("x")
    words: Any = (*POD, str(tmp_path / "run"), sys.executable, "-m", "podledger_adapters.cli", "controller")
    environment = {**os.environ, "HOME": str(tmp_path), "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBECONFIG": ""}
    done = await anyio.run_process(words, env=environment, check=False)
    assert done.returncode == ExitCode.UNREACHABLE
    (line,) = done.stderr.decode().splitlines()
    assert said in line
