"""The Jobs of a run on a simulated cluster: waited for, timed out, suspended, resumed, killed; and their progress."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from podledger.api.decode import decode_job
from podledger.api.defaults import with_defaults
from podledger.api.job import Job, JobKey
from podledger.api.pod import Pod
from podledger.controller import Controller
from podledger.job.state import JobState
from podledger.log import MemoryLog
from podledger_adapters.cli.job_run import JobRun
from podledger_adapters.cli.output import Output
from podledger_adapters.cli.progress import JobProgress, job_progress, retry_text
from podledger_adapters.cli.resume import Plan
from podledger_adapters.cli.stopping import Stop, StopReason
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Draws, PodRun

KEY = JobKey("default", "a")


class Notes:
    """A writer that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def logs(self, data: bytes) -> None:
        """Simulated pods write nothing."""

    def note(self, text: str) -> None:
        """Keep it."""
        self.notes.append(text)

    def progress(self, jobs: Sequence[JobProgress]) -> None:
        """Asked of the run itself."""

    def close(self) -> None:
        """Nothing is open."""


class Setting(NamedTuple):
    cluster: LocalCluster
    run: JobRun
    stop: Stop
    notes: list[str]


@asynccontextmanager
async def running(behaviour: PodRun) -> AsyncGenerator[Setting]:
    def behave(pod: Pod, draws: Draws) -> PodRun:
        return behaviour

    writer, stop = Notes(), Stop()
    output = Output(writer, list)
    async with (
        LocalCluster.simulated(behaviour=behave) as cluster,
        MemoryLog() as log,
        Controller(cluster, log, clock=cluster.clock) as controller,
        output.open(),
    ):
        yield Setting(cluster, JobRun(cluster, controller, output, stop), stop, writer.notes)


def job(**spec: Any) -> Job:
    container = {"name": "main", "image": "busybox", "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "terminationGracePeriodSeconds": 3600, "containers": [container]}}
    document = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "a"},
        "spec": {"template": template, **spec},
    }
    return decode_job(document)


def start(**spec: Any) -> list[Plan]:
    return [Plan("start", job(**spec), None)]


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["NonIndexed", "Indexed"])
async def test_a_run_returns_when_its_jobs_are_complete(mode: str) -> None:
    async with running(PodRun(duration_s=5)) as (cluster, run, stop, notes):
        await run.run(start(completions=4, parallelism=2, completionMode=mode), timeout_s=1000)
        (stored,) = await cluster.list_jobs()
        (progress,) = run.progress()
    assert stored.status.succeeded == 4
    assert (progress.status, progress.succeeded, progress.goal, progress.running) == ("Complete", 4, 4, 0)
    assert (progress.elapsed_s, progress.retry_in_s) == (10, None)
    assert (stop.reason, notes, list(run.keys)) == (None, [], [KEY])


def test_progress_knows_when_the_next_retry_is_due() -> None:
    state = JobState(uid="u", namespace="default", name="a", seed="s", spec=with_defaults(job()).spec, start_s=100)
    assert job_progress(state, 205.0).retry_in_s is None
    state.failed, state.backoff_failures, state.backoff_last_s = 2, 2, 200
    progress = job_progress(state, 205.5)
    assert (progress.status, progress.failed, progress.retry_in_s, progress.elapsed_s) == ("Running", 2, 14.5, 105.5)
    assert retry_text(progress) == "next retry in 15s"
    assert job_progress(state, 220.0).retry_in_s is None
    state.tally.active = 1  # the retry is there
    assert job_progress(state, 205.5).retry_in_s is None


@pytest.mark.asyncio
async def test_a_timeout_is_of_the_clusters_time_and_suspends() -> None:
    async with running(PodRun(duration_s=1e6, stop_s=2)) as (cluster, run, stop, notes):
        await run.run(start(completions=3, parallelism=2), timeout_s=86_400)
        (stored,) = await cluster.list_jobs()
        pods = await cluster.list_pods(stored.metadata.uid)
    assert stop.reason is StopReason.TIMEOUT
    assert stored.spec.suspend is True
    assert stored.status.is_true("Suspended")
    assert (stored.status.active, stored.status.failed, list(pods)) == (0, 0, [])
    assert notes == ["timed out: suspending 1 Job; once more to kill the pods at once"]


@pytest.mark.asyncio
async def test_a_second_request_kills_pods_whose_grace_is_long() -> None:
    async with running(PodRun(duration_s=1e6, stop_s=1e6)) as (cluster, run, stop, notes):
        stop.urgent.set()  # asked for twice before the run looks
        began = cluster.clock.now()
        await run.run(start(), timeout_s=10)
        took_s = cluster.clock.now() - began
        (stored,) = await cluster.list_jobs()
        pods = await cluster.list_pods(stored.metadata.uid)
    assert stored.status.is_true("Suspended")
    assert list(pods) == []
    assert took_s < 3600
    assert notes[-1] == "killing the pods"


@pytest.mark.asyncio
async def test_a_suspended_job_is_resumed_and_the_manifests_suspend_put_back() -> None:
    async with running(PodRun(duration_s=5)) as (cluster, run, _, notes):
        stored = await cluster.submit(job(suspend=True))
        await run.run([Plan("resume", job(), stored)], timeout_s=None)
        (resumed,) = await cluster.list_jobs()
    assert (resumed.spec.suspend, resumed.status.succeeded) == (False, 1)
    assert resumed.metadata.uid == stored.metadata.uid
    assert notes == ["resuming Job default/a"]


@pytest.mark.asyncio
async def test_a_job_that_its_manifest_suspends_is_not_waited_for() -> None:
    async with running(PodRun(duration_s=5)) as (cluster, run, _, notes):
        await run.run(start(suspend=True), timeout_s=None)
        (stored,) = await cluster.list_jobs()
    assert stored.status.is_true("Suspended")
    assert notes == ["note: Job default/a stays suspended, as its manifest says"]


@pytest.mark.asyncio
async def test_a_run_that_is_stopped_when_all_is_done_suspends_nothing() -> None:
    async with running(PodRun()) as (cluster, run, stop, notes):
        await run.run(start(), timeout_s=None)
        stop.request(StopReason.INTERRUPT)
        await run.run([], timeout_s=None)
        (stored,) = await cluster.list_jobs()
    assert stored.spec.suspend is False
    assert notes == []
