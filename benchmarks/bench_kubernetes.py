"""What `podledger controller` costs against an API server over HTTP, each in a process of its own.

The server counts what it is asked; this process only submits Jobs and looks whether they are done. The built-in Job
controller, measured so on a real API server that shared two cores with it, with etcd and with pods played to it: 269
pods/s for a Job of 5,000 pods at parallelism 1,000, with 0.66 to 0.84 ms CPU of the controller a pod. Machines differ:
what counts is how figures of one machine compare.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import anyio
import msgspec

from benchmarks.counted_server import LIST
from benchmarks.harness import Measured, at_most, benchmark, digest_of, figure
from benchmarks.workload import make_job, say_status
from podledger import Job, RealClock
from podledger.api.document import job_document
from podledger.api.job import JobStatus
from podledger.errors import ClusterError
from podledger_adapters.kubernetes.client import ApiClient
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.kubeconfig import load_access
from podledger_adapters.kubernetes.request import ApiRequest

__all__ = ["api_throughput"]

LOOK_S = 0.02
"""Seconds between two looks at a Job."""
STARTS = 2
"""How often a controller is started."""
NO_WRITES = ("get ", "watch ", f"{LIST} ", "create selfsubjectaccessreviews")
JOBS = "/apis/batch/v1/namespaces/default/jobs"


class ApiSize(NamedTuple):
    """Pods of the Job, and its parallelism."""

    pods: int
    parallelism: int


class ApiRun(NamedTuple):
    """The controller's start to its first status; then the large Job's time, the CPU time it took, and its end."""

    start_s: float
    wall_s: float
    cpu_s: float
    status: JobStatus


class Server:
    """The server's process; `asked` once it has ended."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.asked: Mapping[str, int] = {}

    def end(self) -> None:
        """End it, and hear what it was asked."""
        self._process.terminate()
        said, _ = self._process.communicate()
        self.asked = msgspec.json.decode(said, type=dict[str, int])


@contextmanager
def api_server(kubeconfig: Path) -> Generator[Server]:
    """An API server that listens, and how to reach it."""
    command = [sys.executable, "-m", "benchmarks.counted_server", str(kubeconfig)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()  # said once it listens
            yield Server(process)
        finally:
            process.terminate()


@contextmanager
def controller(folder: Path, kubeconfig: Path) -> Generator["subprocess.Popen[bytes]"]:
    """`podledger controller`, from its start to its end. It finds compiled what an earlier one imported."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(folder / "compiled")
    words = ["--kubeconfig", str(kubeconfig), "--manage", "all", "--no-leader-elect", "--db", str(folder / "ledger.db")]
    command = [sys.executable, "-m", "podledger_adapters.cli", "controller", *words]
    with subprocess.Popen([*command, "--log-level", "warning"], env=environment) as process:
        try:
            yield process
        finally:
            process.terminate()


def cpu_s(pid: int) -> float:
    """The CPU time that a process took so far, all its threads (proc_pid_stat(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def submit(client: ApiClient, job: Job) -> None:
    """Create a Job. Raises ClusterError."""
    body = msgspec.json.encode(job_document(job))
    answer = await client.send(ApiRequest("POST", JOBS, body, "application/json"))
    if answer.code != 201:
        raise ClusterError(f"the Job was refused: {answer.code}")


async def until(
    holds: Callable[[JobStatus], bool], cluster: KubernetesCluster, job: Job, process: "subprocess.Popen[bytes]"
) -> JobStatus:
    """The Job's status, once something holds of it. Raises ClusterError when the controller has ended."""
    while process.poll() is None:
        stored = await cluster.get_job(job.key)
        if stored is not None and holds(stored.status):
            return stored.status
        await anyio.sleep(LOOK_S)
    raise ClusterError(f"the controller ended with {process.returncode}")


async def run_jobs(folder: Path, kubeconfig: Path, size: ApiSize) -> ApiRun:
    """Small Jobs that wait for a controller to start, then a large one from its creation to its end."""
    first, second, large = make_job("first", 1, 1), make_job("second", 1, 1), make_job("large", *size)
    async with KubernetesCluster(load_access(kubeconfig), clock=RealClock()) as cluster:
        await submit(cluster.client, first)
        with controller(folder, kubeconfig) as process:  # for the interpreter, which compiles what it imports
            await until(lambda status: status.finished, cluster, first, process)
        await submit(cluster.client, second)
        begun_s = time.perf_counter()
        with controller(folder, kubeconfig) as process:
            await until(lambda status: status.start_time is not None, cluster, second, process)
            start_s = time.perf_counter() - begun_s
            await until(lambda status: status.finished, cluster, second, process)
            begun_s, used_s = time.perf_counter(), cpu_s(process.pid)
            await submit(cluster.client, large)
            status = await until(lambda status: status.finished, cluster, large, process)
            return ApiRun(start_s, time.perf_counter() - begun_s, cpu_s(process.pid) - used_s, status)


@benchmark(
    "api-throughput",
    figures=[
        figure("api-throughput", "pods/s"),
        figure("api-throughput/cpu", "ms CPU of the controller a pod"),
        at_most("api-throughput/start", 1.0, "s from exec to the first status"),
        at_most("api-throughput/pod-writes", 2.0, "writes of pods a pod"),
        at_most("api-throughput/writes", 2.2, "writes a pod, statuses and Events too"),
        at_most("api-throughput/lists", 2, "lists a start"),
    ],
    small=ApiSize(100, 50),
    full=ApiSize(5_000, 1_000),
    not_shown="The server is podledger's own, in memory, its pods end at once: no etcd, TLS, scheduler or kubelet.",
)
def api_throughput(size: ApiSize, seed: int) -> Measured:
    """One Job of 5,000 pods; `podledger controller` and API server in processes of their own, sync batch period 1 s."""
    with TemporaryDirectory(prefix="podledger-bench-") as name:
        folder, kubeconfig = Path(name), Path(name) / "kubeconfig"
        with api_server(kubeconfig) as server:
            ran = asyncio.run(run_jobs(folder, kubeconfig, size))
            server.end()
    asked, pods = server.asked, size.pods + 2
    writes = {name: times for name, times in asked.items() if not name.startswith(NO_WRITES)}
    of_pods = sum(times for name, times in writes.items() if name.endswith(" pods"))
    values = {
        "api-throughput": size.pods / ran.wall_s,
        "api-throughput/cpu": ran.cpu_s / size.pods * 1e3,
        "api-throughput/start": ran.start_s,
        "api-throughput/pod-writes": of_pods / pods,
        "api-throughput/writes": sum(writes.values()) / pods,
        "api-throughput/lists": sum(times for name, times in asked.items() if name.startswith(f"{LIST} ")) / STARTS,
    }
    detail = {name: str(times) for name, times in sorted(writes.items())}
    return Measured(values, digest_of(say_status(ran.status)), detail)
