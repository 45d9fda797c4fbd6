"""The controller inside somebody's own process: entered, left and doubled, beside other work."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from examples.kubernetes.web_service import make_app
from tests.kubernetes_server import NAMESPACE, api_server
from tests.web_app import serving

from podledger import Controller, Job, JobKey, JobSpec, MemoryLog
from podledger.api import ObjectMeta, PodTemplateSpec
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger_adapters.kubernetes.cluster import KubernetesCluster

LOOK_S = 0.02
LOOKS = 1500


def marked(name: str, pods: int) -> Job:
    template = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]})
    spec = JobSpec(completions=pods, parallelism=pods, template=template, managed_by=PODLEDGER_CONTROLLER)
    return Job(metadata=ObjectMeta(name=name, namespace=NAMESPACE), spec=spec)


async def finished(session: aiohttp.ClientSession, url: str) -> Any:
    """What a service shows of a Job once it is Complete."""
    for _ in range(LOOKS):
        async with session.get(url) as answer:
            if answer.status == 200 and "Complete" in (shown := await answer.json())["conditions"]:
                return shown
        await asyncio.sleep(LOOK_S)
    raise AssertionError(f"{url} never shows it Complete")


@pytest.mark.asyncio
async def test_two_web_services_in_one_process_run_the_jobs_of_two_clusters(tmp_path: Path) -> None:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    async with (
        api_server(simulated=True) as (one, first),
        api_server(simulated=True) as (other, second),
        serving(make_app(first, str(tmp_path / "one.db"))) as url,
        serving(make_app(second, str(tmp_path / "other.db"))) as other_url,
        aiohttp.ClientSession() as session,
    ):
        # One name in both: neither sees the other's.
        await one.submit(marked("sweep", 3))
        await other.submit(marked("sweep", 5))
        shown = await finished(session, f"{url}/jobs/{NAMESPACE}/sweep")
        assert shown == {
            "namespace": NAMESPACE,
            "name": "sweep",
            "active": 0,
            "succeeded": 3,
            "failed": 0,
            "conditions": ["SuccessCriteriaMet", "Complete"],
        }
        assert (await finished(session, f"{other_url}/jobs/{NAMESPACE}/sweep"))["succeeded"] == 5
        async with session.get(f"{url}/jobs") as answer:
            assert await answer.json() == [shown]
        async with session.get(f"{url}/jobs/{NAMESPACE}/nothing") as answer:
            assert answer.status == 404
        assert {number: signal.getsignal(number) for number in signal.valid_signals()} == handlers


@pytest.mark.asyncio
async def test_cluster_and_controller_may_be_entered_and_left_in_different_tasks() -> None:
    async with api_server(simulated=True) as (local, access):
        cluster, log = KubernetesCluster(access), MemoryLog()
        controller = Controller(cluster, log)
        for part in (cluster, log, controller):
            await asyncio.create_task(part.__aenter__())
        await local.submit(marked("job", 2))
        status = await controller.wait(JobKey(NAMESPACE, "job"), timeout_s=30)
        assert status.succeeded == 2
        for part in (controller, log, cluster):
            await asyncio.create_task(part.__aexit__(None, None, None))
