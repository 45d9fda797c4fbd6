"""The image of the Dockerfile, built and run as examples/kubernetes' Deployment runs it, against podledger serve.

Where its base image cannot be had, it is built on this machine's own Python.
"""

import json
import re
import ssl
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest
import yaml
from tests.docker_engine import Engine, docker_engine
from tests.system.serving import Served, serve

from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.server.kubeconfig import read_kubeconfig

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "kubernetes"
IMAGE = "podledger-test:latest"
LOOKS = 600


def base_image() -> str:
    found = re.search(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None
    return found[1]


def call(server: Served, path: str, body: Any = None) -> Any:
    authority = read_kubeconfig(server.kubeconfig).authority
    assert authority is not None
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    request = Request(server.url + path, None if body is None else json.dumps(body).encode(), headers)
    with urlopen(request, timeout=30, context=ssl.create_default_context(cadata=authority.decode())) as answer:
        return json.load(answer)


def until(found: Callable[[], Any], said: Callable[[], str]) -> Any:
    """Wait until there is something; else `said` tells why not."""
    for _ in range(LOOKS):
        if something := found():
            return something
        time.sleep(0.05)
    raise AssertionError(f"it never came: {said()}")


def as_deployed(server: Served) -> list[str]:
    """The words of `docker run` for the pod of the Deployment, with a kubeconfig in place of a service account."""
    (deployment,) = yaml.safe_load_all((EXAMPLES / "deployment.yaml").read_text(encoding="utf-8"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user, secure = pod["securityContext"], container["securityContext"]
    assert secure["readOnlyRootFilesystem"]
    assert not secure["allowPrivilegeEscalation"]
    words = ["--network=host", "--read-only", "--security-opt=no-new-privileges", "--cap-drop=ALL"]
    words.append(f"--user={user['runAsUser']}:{user['runAsGroup']}")
    words += [f"--tmpfs={mount['mountPath']}:uid={user['runAsUser']}" for mount in container["volumeMounts"]]
    served = server.directory / "kubeconfig"
    served.write_bytes(server.kubeconfig.read_bytes())
    served.chmod(0o644)
    words += [f"--volume={served}:/kubeconfig:ro", "--env=KUBECONFIG=/kubeconfig", IMAGE]
    return [*words, *(re.sub(r"(--metrics-listen)=.*", r"\1=127.0.0.1:0", each) for each in container["args"])]


@pytest.fixture
def engine() -> Generator[Engine]:
    # The path of a socket has to be short.
    with tempfile.TemporaryDirectory(prefix="podledger-docker-") as place, docker_engine(Path(place)) as engine:
        yield engine


def test_the_image_runs_as_the_deployment_runs_it(tmp_path: Path, engine: Engine) -> None:
    if not engine.has(base_image()):
        engine.make_base(base_image())
    engine.run("build", "--network=host", "--tag", IMAGE, str(ROOT))
    (job,) = yaml.safe_load_all((EXAMPLES / "job.yaml").read_text(encoding="utf-8"))
    with serve(tmp_path, "--cluster", "memory", "--controllers", "*,-job") as server:
        call(server, "/api/v1/namespaces", {"metadata": {"name": "podledger"}})
        call(server, "/apis/batch/v1/namespaces/default/jobs", job)
        container = engine.run("run", "--detach", *as_deployed(server))
        try:

            def said() -> str:
                done = engine.attempt("logs", container)
                return (done.stdout + done.stderr).decode()

            place = until(lambda: re.search(r"http://127\.0\.0\.1:\d+", said()), said)[0]
            hello = "/apis/batch/v1/namespaces/default/jobs/hello"
            until(lambda: call(server, hello)["status"].get("succeeded") == 3, said)
            pages = {name: urlopen(f"{place}/{name}", timeout=30).read() for name in ("healthz", "readyz", "metrics")}
            assert (pages["healthz"], pages["readyz"]) == (b"ok", b"ok")
            assert b"\njob_syncs_total" in pages["metrics"] or b"job_controller" in pages["metrics"]
            engine.run("stop", "--time", "20", container)
            code = engine.run("inspect", "--format", "{{.State.ExitCode}}", container)
            assert int(code) == ExitCode.TERMINATED, said()
            assert "Traceback" not in said()
        finally:
            engine.attempt("rm", "--force", container)
            engine.attempt("rmi", IMAGE)
