"""The manifests of examples/kubernetes as kubectl and an API server read them."""

import os
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.kubernetes_server import NAMESPACE, TOKEN, api_server
from tests.system.serving import KUBECTL, require_kubectl

EXAMPLES = Path(__file__).parents[2] / "examples" / "kubernetes"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


@require_kubectl
def test_kubectl_reads_every_object_of_the_folder(tmp_path: Path) -> None:
    assert KUBECTL is not None
    # Of kubectl's commands this is one that asks no server.
    words = (KUBECTL, "label", "--local", "-f", str(EXAMPLES), "read=yes", "-o", "name")
    environment = {**os.environ, "HOME": str(tmp_path), "KUBECONFIG": str(tmp_path / "none")}
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    kinds = [each for path in EXAMPLES.glob("*.yaml") for each in documents(path.name)]
    read = [line.partition(".")[0].partition("/")[0] for line in done.stdout.splitlines()]
    assert sorted(read) == sorted(each["kind"].lower() for each in kinds)


@pytest.mark.asyncio
async def test_an_api_server_takes_the_job_and_the_deployments_pod_without_a_warning() -> None:
    (deployment,), (job,) = documents("deployment.yaml"), documents("job.yaml")
    template = deployment["spec"]["template"]
    pod = {"metadata": {"name": "controller", **template["metadata"]}, "spec": template["spec"]}
    async with (
        api_server() as (_, access),
        aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
    ):
        for path, body in (
            (f"/api/v1/namespaces/{NAMESPACE}/pods", pod),
            (f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs", job),
        ):
            async with session.post(f"{access.server}{path}?fieldValidation=Strict", json=body) as answer:
                assert answer.status == 201, await answer.text()
                assert "Warning" not in answer.headers
