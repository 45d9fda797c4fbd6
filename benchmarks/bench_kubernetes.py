"""What a controller costs against an API server over HTTP: podledger's own, in a process of its own."""

import asyncio
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec

from benchmarks.harness import Elapsed, Measured, at_most, benchmark, digest_of, figure, stopwatch
from benchmarks.workload import make_job, say_status
from podledger import Controller, ControllerOptions, SqliteLog
from podledger.api.document import job_document
from podledger.api.job import JobStatus
from podledger.controller import EVERY_JOB
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.kubeconfig import Access, load_access
from podledger_adapters.kubernetes.request import ApiRequest

__all__ = ["api_throughput"]

OPTIONS = ControllerOptions(managed_by=EVERY_JOB, sync_batch_period_s=1.0)


class ApiSize(NamedTuple):
    """Pods of the Job, and its parallelism."""

    pods: int
    parallelism: int


class ApiRun(NamedTuple):
    """The time it took, the Job's last status, and the writes by method."""

    elapsed: Elapsed
    status: JobStatus
    creates: int
    patches: int
    lists: int


@contextmanager
def api_server(folder: Path) -> Generator[Access]:
    """An API server with simulated pods and without a Job controller, and how to reach it."""
    words = ["serve", "--cluster", "memory", "--pods", "simulate", "--controllers", "*,-job", "--insecure-http"]
    place = ["--listen", "127.0.0.1:0", "--kubeconfig", str(folder / "kubeconfig")]
    with subprocess.Popen(
        [sys.executable, "-m", "podledger_adapters.cli", *words, *place],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            server.stdout.readline()  # said once it listens
            yield load_access(folder / "kubeconfig")
        finally:
            server.terminate()


async def run_job(access: Access, folder: Path, size: ApiSize) -> ApiRun:
    """One Job, from its creation to its end."""
    job = make_job("large", size.pods, size.parallelism)
    async with (
        KubernetesCluster(access) as cluster,
        SqliteLog.open(folder / "ledger.db") as log,
        Controller(cluster, log, options=OPTIONS) as controller,
    ):
        with stopwatch() as elapsed:
            path = "/apis/batch/v1/namespaces/default/jobs"
            body = msgspec.json.encode(job_document(job))
            answer = await cluster.client.send(ApiRequest("POST", path, body, "application/json"))
            if answer.code != 201:
                raise ClusterError(f"the Job was refused: {answer.code}")
            status = await controller.wait(job.key)
        made = cluster.client.metrics
        creates, patches = made.requests["POST", "201"], made.requests["PATCH", "200"]
        return ApiRun(elapsed, status, creates - 1, patches, sum(made.relists.values()))


@benchmark(
    "api-throughput",
    figures=[
        figure("api-throughput", "pods/s"),
        figure("api-throughput/cpu", "ms CPU of the controller a pod"),
        at_most("api-throughput/writes", 2.2, "writes a pod, with statuses and Events"),
        at_most("api-throughput/lists", 2, "lists"),
    ],
    small=ApiSize(200, 50),
    full=ApiSize(5_000, 1_000),
    not_shown="The server is podledger's own, with everything in memory and pods of zero duration: no etcd, no TLS.",
)
def api_throughput(size: ApiSize, seed: int) -> Measured:
    """One Job of 5,000 pods against an API server in another process, sync batch period 1 s."""
    with TemporaryDirectory(prefix="podledger-bench-") as name, api_server(Path(name)) as access:
        ran = asyncio.run(run_job(access, Path(name), size))
    values = {
        "api-throughput": size.pods / ran.elapsed.wall_s,
        "api-throughput/cpu": ran.elapsed.cpu_s / size.pods * 1e3,
        "api-throughput/writes": (ran.creates + ran.patches) / size.pods,
        "api-throughput/lists": float(ran.lists),
    }
    return Measured(values, digest_of(say_status(ran.status)))
