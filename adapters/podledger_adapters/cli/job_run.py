"""What happens to the Jobs of a run: submitted or resumed, waited for, suspended when the run is stopped.

The cluster, the controller and the output are handed in, open; which Jobs there are was decided by `resume.py`.
"""

from collections.abc import Callable, Sequence

import anyio
import anyio.lowlevel
from msgspec import structs

from podledger.api.job import JobKey
from podledger.api.pod import Pod
from podledger.controller import Controller
from podledger.job.state import JobState, Standing
from podledger.ports import StopPod
from podledger_adapters.cli.cron_run import CronRun
from podledger_adapters.cli.output import Output
from podledger_adapters.cli.progress import JobProgress, job_progress, next_restart_s
from podledger_adapters.cli.resume import Plan
from podledger_adapters.cli.stopping import Stop
from podledger_adapters.local import LocalCluster

__all__ = ["JobRun"]

UNFINISHED = ("", "Pending", "Running", "Unknown")
CHANGED_AT_ONCE = 500
"""Jobs submitted or suspended together, so that they become durable together."""
KILL_WAIT_S = 10.0
"""How long a second Ctrl-C waits for killed pods to be gone and recorded."""


class JobRun:
    """The Jobs of one run, from their submission to their end or suspension."""

    def __init__(
        self,
        cluster: LocalCluster,
        controller: Controller,
        output: Output,
        stop: Stop,
        cron: CronRun | None = None,
    ) -> None:
        """`cron` are the CronJobs that run meanwhile."""
        self._cluster, self._controller = cluster, controller
        self._output, self._stop, self._cron = output, stop, cron
        self.keys: dict[JobKey, bool] = {}
        """The Jobs begun, in the order of the manifests, and whether their manifest suspends them."""

    def progress(self) -> Sequence[JobProgress]:
        """How the Jobs stand."""
        now_s = self._cluster.clock.now()
        runs = () if self._cron is None else self._cron.jobs
        states = (self._controller.state(key) for key in dict.fromkeys((*self.keys, *runs)))
        return [job_progress(state, now_s, self._restart_s(state)) for state in states if state is not None]

    def _restart_s(self, state: JobState) -> float | None:
        """When the first of the Job's crashed containers is restarted in place."""
        if not state.tally.restarts:
            return None
        restarted = (pod for pod in state.pods.values() if pod.restarts and pod.standing == Standing.ACTIVE)
        found = (self._cluster.store.find(Pod, (state.namespace, pod.name)) for pod in restarted)
        return next_restart_s(pod for pod in found if pod is not None)

    def owns(self, key: JobKey) -> bool:
        """Whether the Job of this name is one of the run's."""
        return key in self.keys or (self._cron is not None and self._cron.owns(key))

    async def run(self, plans: Sequence[Plan], timeout_s: float | None) -> None:
        """Begin the Jobs and return when all have ended, or are suspended because the run was asked to stop."""
        ended = False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_on_stop, tasks.cancel_scope)
            if timeout_s is not None:
                tasks.start_soon(self._stop.after, self._cluster.clock, timeout_s)
            await self._begin(plans)
            if self._cron is not None:
                await self._cron.run()
            await self._wait()
            ended = True
            tasks.cancel_scope.cancel()
        if not ended:
            await self._suspend()

    async def _cancel_on_stop(self, scope: anyio.CancelScope) -> None:
        await self._stop.requested.wait()
        scope.cancel()

    async def _begin(self, plans: Sequence[Plan]) -> None:
        """Submit what is new; give what is known back the manifest's suspend, which a stopped run had changed."""
        for start in range(0, len(plans), CHANGED_AT_ONCE):
            part = plans[start : start + CHANGED_AT_ONCE]
            begun: dict[int, JobKey] = {}
            # Shielded: a Job is submitted and ours to suspend, or it is neither.
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as tasks:
                    for i, plan in enumerate(part):
                        tasks.start_soon(self._begin_one, plan, begun, i)
            for i, plan in enumerate(part):
                self.keys[begun[i]] = plan.suspend
            await anyio.lowlevel.checkpoint()

    async def _begin_one(self, plan: Plan, begun: dict[int, JobKey], i: int) -> None:
        if plan.stored is None:
            job = await self._cluster.submit(plan.job)
            begun[i] = job.key
            return
        begun[i] = plan.stored.key
        await self._output.note(f"resuming Job {plan.stored.key}")
        if bool(plan.stored.spec.suspend) != plan.suspend:
            await self._set_suspend(plan.stored.key, plan.suspend)

    async def _wait(self) -> None:
        for key, suspend in self.keys.items():
            if not suspend:
                await self._controller.wait(key)
        suspended = [key for key, suspend in self.keys.items() if suspend]
        if suspended:
            # Nobody can resume them meanwhile: this run holds the ledger.
            await self._until(lambda: all(map(self._at_rest, suspended)))
            for key in suspended:
                if not self._finished(key):
                    await self._output.note(f"note: Job {key} stays suspended, as its manifest says")

    async def _suspend(self) -> None:
        if self._cron is not None:
            await self._cron.suspend()
            self.keys |= dict.fromkeys(self._cron.jobs, False)
        reason = self._stop.reason
        words = reason.words if reason is not None else "stopped"
        unfinished = [key for key in self.keys if not self._finished(key)]
        if not unfinished:
            return
        await self._output.note(
            f"{words}: suspending {_count(len(unfinished), 'Job')}; once more to kill the pods at once"
        )
        for start in range(0, len(unfinished), CHANGED_AT_ONCE):
            async with anyio.create_task_group() as tasks:
                for key in unfinished[start : start + CHANGED_AT_ONCE]:
                    tasks.start_soon(self._set_suspend, key, True)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._kill_when_urgent, tasks.cancel_scope)
            await self._until(lambda: all(map(self._at_rest, unfinished)))
            tasks.cancel_scope.cancel()

    async def _kill_when_urgent(self, waiting: anyio.CancelScope) -> None:
        await self._stop.urgent.wait()
        await self._output.note("killing the pods")
        await self._kill()
        # The pods are dead; that it is written down too is worth a moment, but not more.
        waiting.deadline = anyio.current_time() + KILL_WAIT_S

    async def _kill(self) -> None:
        node = self._cluster.node
        states = [state for key in self.keys if (state := self._controller.state(key)) is not None]
        pods = [pod for state in states for pod in await self._cluster.list_pods(state.uid)]
        if node is not None:
            await node.stop([StopPod(pod.metadata.uid, 0) for pod in pods if pod.status.phase in UNFINISHED])

    async def _set_suspend(self, key: JobKey, suspend: bool) -> None:
        await self._cluster.update_job_spec(key, lambda spec: structs.replace(spec, suspend=suspend))

    async def _until(self, reached: Callable[[], bool]) -> None:
        """Wait until something holds of the states; looked at after each batch of events."""
        async with anyio.create_task_group() as tasks, self._controller.follow() as batches:
            # The log does not end when the controller does; whoever waits for a Job is told.
            tasks.start_soon(self._controller.wait, next(iter(self.keys)))
            if not reached():
                async for _ in batches:
                    if reached():
                        break
            tasks.cancel_scope.cancel()

    def _finished(self, key: JobKey) -> bool:
        state = self._controller.state(key)
        return state is not None and state.finished

    def _at_rest(self, key: JobKey) -> bool:
        """Finished, or suspended with all of its pods gone."""
        state: JobState | None = self._controller.state(key)
        if state is None or state.finished:
            return state is not None
        quiet = not state.tally.active and not state.tally.terminating
        return quiet and state.published.is_true("Suspended")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
