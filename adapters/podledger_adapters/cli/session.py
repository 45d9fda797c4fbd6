"""What a run opens and closes: ledger, cluster, controller, output; and the order in which it does.

What happens to the Jobs inside is `job_run.py`, what is said in the end `report.py`.
"""

import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import anyio

from podledger.api.cronjob import CronJob
from podledger.api.job import Job, JobKey
from podledger.api.pod import Pod
from podledger.controller import Controller, ControllerOptions
from podledger.job.names import FINALIZER
from podledger.log.sqlite import SqliteLog
from podledger.ports import EventLog
from podledger_adapters.cli.cron_plan import CronPlan, plan_cronjobs
from podledger_adapters.cli.cron_run import CronRun
from podledger_adapters.cli.exit_code import ExitCode
from podledger_adapters.cli.job_run import JobRun
from podledger_adapters.cli.output import Output
from podledger_adapters.cli.pod_logs import LogLook, PodLogs
from podledger_adapters.cli.preflight import Submission
from podledger_adapters.cli.progress import JobProgress
from podledger_adapters.cli.report import Ending, last_failure, print_ending
from podledger_adapters.cli.resume import Plan, plan_run
from podledger_adapters.cli.run_cluster import (
    ClusterKind,
    RunCluster,
    catch_up,
    make_cluster,
    pod_remarks,
    require_own_pods,
)
from podledger_adapters.cli.stopping import Stop, signals_heeded
from podledger_adapters.cli.summary import FailedPod, exit_code_of_jobs
from podledger_adapters.cli.terminal import Streams
from podledger_adapters.local import KEEPERS, LocalCluster
from podledger_adapters.manifest.fault import ManifestError
from podledger_adapters.store import ObjectStore
from podledger_adapters.workspace import Workspace

__all__ = ["RunOptions", "run_jobs"]


class RunOptions(NamedTuple):
    """The flags of `podledger run`."""

    files: Sequence[str]
    cluster: ClusterKind
    db: str | None
    namespace: str | None
    timeout_s: float | None
    max_pods: int | None
    env: Sequence[str]
    as_json: bool
    for_s: float | None = None


async def run_jobs(
    options: RunOptions, submissions: Sequence[Submission], cronjobs: Sequence[CronPlan] = ()
) -> ExitCode:
    """Run these Jobs, and CronJobs for a while, and say how they ended; the exit code. Raises PodledgerError."""
    stop = Stop()
    workspace = Workspace(options.db)
    try:
        parts = make_cluster(options.cluster, workspace, max_pods=options.max_pods, env=options.env)
        session = Session(options, workspace, parts, stop)
        async with signals_heeded(stop):
            ending = await session.run(submissions, cronjobs)
    except BaseException:
        if not workspace.used:
            workspace.remove()
        elif workspace.temporary:
            print(f"ledger and logs are kept in {workspace.ledger.parent}", file=sys.stderr)
        raise
    code = exit_code_of_jobs(job.status for job in ending.jobs) if ending.reason is None else ending.reason.code
    if code == ExitCode.OK and session.failed_runs:
        code = ExitCode.FAILED
    if code == ExitCode.OK and all(job.status.finished for job in ending.jobs):
        workspace.remove()
        ending = ending._replace(kept=None)
    return print_ending(ending, code, as_json=options.as_json)


class Session:
    """One run: what is open while it lasts."""

    def __init__(self, options: RunOptions, workspace: Workspace, parts: RunCluster, stop: Stop) -> None:
        self._options, self._workspace, self._parts, self._stop = options, workspace, parts, stop
        self._streams = Streams.of_process(as_json=options.as_json)
        self._run: JobRun | None = None
        self._cron: CronRun | None = None

    @property
    def failed_runs(self) -> int:
        """How many Jobs of CronJobs failed, those included that are gone by now."""
        return 0 if self._cron is None else self._cron.failed

    async def run(self, submissions: Sequence[Submission], cronjobs: Sequence[CronPlan]) -> Ending:
        """Open the ledger and the cluster, run what is to be run, and look at what is stored in the end."""
        clock, node, _ = self._parts
        async with SqliteLog.open(self._workspace.ledger, clock=clock) as log:
            store = await ObjectStore.open(clock, log.objects())
            catch_up(clock, store)
            plans, faults = plan_run(submissions, {job.key: job for job in store.table(Job)})
            crons, more = plan_cronjobs(cronjobs, {cronjob.key: cronjob for cronjob in store.table(CronJob)})
            if faults or more:
                raise ManifestError([*faults, *more])
            if crons or any(plan.step != "report" for plan in plans):
                require_own_pods(self._workspace.ledger, store.table(Pod), node.name)
            # The Jobs of a run are told of when it ends: only those of CronJobs go before.
            keepers = [name for name in KEEPERS if crons or name != "ttl"]
            async with LocalCluster(store, node, clock=clock, controllers=keepers) as cluster:
                keys = [plan.stored.key for plan in plans if plan.stored is not None]
                todo = [plan for plan in plans if plan.step != "report"]
                if (todo or crons) and self._stop.reason is None:
                    begun = iter(await self._run_jobs(cluster, log, todo, crons))
                    keys = [key for plan in plans if (key := _reported(plan) or next(begun, None)) is not None]
                    keys += begun
                return await self._ending(cluster, keys)

    async def _run_jobs(
        self, cluster: LocalCluster, log: EventLog, todo: Sequence[Plan], crons: Sequence[CronPlan]
    ) -> Sequence[JobKey]:
        """Run the Jobs that are not finished; their keys, and those of the CronJobs' Jobs."""
        ours = {plan.stored.key for plan in todo if plan.stored is not None}
        others = [job for job in cluster.store.table(Job) if job.key not in ours and not job.status.finished]
        self._workspace.used = True
        output = Output(self._streams.writer(), self._progress)
        async with output.open():
            templates = [
                *(plan.job.spec.template for plan in todo),
                *(plan.cronjob.spec.job_template.spec.template for plan in crons),
            ]
            for remark in pod_remarks(self._options.cluster, [template.spec for template in templates]):
                await output.note(f"note: {remark}")
            for job in others:
                await output.note(f"note: this ledger also holds Job {job.key}, unfinished; it goes on meanwhile")
            settings = ControllerOptions(cronjobs=bool(crons))
            async with Controller(cluster, log, clock=cluster.clock, options=settings) as controller:
                if crons:
                    self._cron = CronRun(cluster, controller, output, crons, self._options.for_s or 0.0)
                self._run = JobRun(cluster, controller, output, self._stop, self._cron)
                async with self._logs_shown(cluster, output, self._run):
                    await self._run.run(todo, self._options.timeout_s)
                runs = () if self._cron is None else self._cron.jobs
        return list(dict.fromkeys((*self._run.keys, *runs)))

    def _progress(self) -> Sequence[JobProgress]:
        return self._run.progress() if self._run is not None else ()

    @asynccontextmanager
    async def _logs_shown(self, cluster: LocalCluster, output: Output, run: JobRun) -> AsyncGenerator[None]:
        """Show pods' logs while inside and to their end; a stop that comes after the Jobs' end cuts them short."""
        if self._parts.logs is None:
            yield
            return
        # What an earlier run counted, it has also shown.
        known = {pod.metadata.uid for pod in cluster.store.table(Pod) if FINALIZER not in pod.metadata.finalizers}
        look = LogLook(self._streams.logs_to_terminal, self._streams.colour)
        logs = PodLogs(self._parts.logs, output, is_ours=run.owns, known=known, look=look)
        async with anyio.create_task_group() as tasks:
            async with logs.open(cluster):
                yield
                tasks.start_soon(self._cut_short, logs)
                # The watch may not have come to the last pods yet.
                await logs.finish(cluster.store.table(Pod).sorted())
            tasks.cancel_scope.cancel()

    async def _cut_short(self, logs: PodLogs) -> None:
        await (self._stop.requested if self._stop.reason is None else self._stop.urgent).wait()
        logs.cut_short()

    async def _ending(self, cluster: LocalCluster, keys: Sequence[JobKey]) -> Ending:
        stored = {job.key: job for job in await cluster.list_jobs()}
        jobs = [stored[key] for key in keys if key in stored]
        failures: dict[str, FailedPod] = {}
        for job in jobs:
            if self._parts.logs is not None and job.status.is_true("Failed"):
                pods = await cluster.list_pods(job.metadata.uid)
                failure = await last_failure(pods, self._parts.logs)
                if failure is not None:
                    failures[job.metadata.uid] = failure
        return Ending(
            jobs=jobs,
            failures=failures,
            reason=self._stop.reason,
            kept=self._workspace.ledger,
            temporary=self._workspace.temporary,
            now_s=cluster.clock.now(),
            logged=self._run is not None and self._parts.logs is not None,
        )


def _reported(plan: Plan) -> JobKey | None:
    """The key of a Job that is only reported; the others' come from the run."""
    return plan.stored.key if plan.step == "report" and plan.stored is not None else None
