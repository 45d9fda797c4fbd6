"""What happens to the CronJobs of a run: submitted or gone on with, left to run for a while, then suspended.

Their Jobs end by themselves, or are suspended with the others when the run is stopped (`job_run.py`).
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import anyio
from msgspec import structs

from podledger.api.cronjob import CronJob
from podledger.api.job import Job, JobKey
from podledger.controller import Controller
from podledger.cron.event import CronEvent, CronRecord, RunFinished, ScheduleFired, SlotSkipped, SlotsMissed
from podledger.event import Event
from podledger_adapters.cli.cron_plan import CronPlan
from podledger_adapters.cli.output import Output
from podledger_adapters.local import LocalCluster

__all__ = ["CronRun"]


class CronRun:
    """The CronJobs of one run. `failed` counts the Jobs of theirs that failed, those included that are gone by now."""

    def __init__(
        self, cluster: LocalCluster, controller: Controller, output: Output, plans: Sequence[CronPlan], for_s: float
    ) -> None:
        self._cluster, self._controller, self._output = cluster, controller, output
        self._plans, self._for_s = plans, for_s
        self._names: dict[str, JobKey] = {}
        self.failed = 0

    def owns(self, key: JobKey) -> bool:
        """Whether the Job of this name is one of theirs."""
        job = self._cluster.store.find(Job, key)
        controller = None if job is None else job.metadata.controller()
        return controller is not None and controller.uid in self._names

    @property
    def jobs(self) -> Sequence[JobKey]:
        """Their Jobs that are there."""
        states = (self._controller.cron_state(key) for key in self._names.values())
        runs = [(state.namespace, run) for state in states if state is not None for run in state.runs.values()]
        return [JobKey(namespace, run.name) for namespace, run in runs]

    async def run(self) -> None:
        """Run them for their time, and return when their last Jobs have ended."""
        async with self._controller.follow() as batches, anyio.create_task_group() as tasks:
            ended = anyio.Event()

            async def watch() -> None:
                async for events in batches:
                    for event in events:
                        await self._tell(event)
                    if self._at_rest():
                        ended.set()

            await self._begin()
            tasks.start_soon(watch)
            # The log does not end when the controller does; whoever waits for it is told.
            tasks.start_soon(self._controller.wait_stopped)
            clock = self._cluster.clock
            end_s = clock.monotonic() + self._for_s
            while (left_s := end_s - clock.monotonic()) > 0:
                await clock.sleep_until(clock.now() + left_s)
            await self.suspend()
            if not self._at_rest():
                await ended.wait()
            tasks.cancel_scope.cancel()

    async def suspend(self) -> None:
        """Start no more Jobs."""
        for key in self._names.values():
            await self._set_suspend(key, True)

    async def _begin(self) -> None:
        for plan in self._plans:
            if plan.stored is None:
                cronjob = await self._cluster.submit(plan.cronjob)
            else:
                cronjob = await self._set_suspend(plan.stored.key, plan.cronjob.spec.suspend)
                await self._output.note(f"going on with CronJob {cronjob.key}")
            self._names[cronjob.metadata.uid] = cronjob.key

    async def _set_suspend(self, key: JobKey, suspend: bool | None) -> CronJob:
        return await self._cluster.update_cronjob_spec(key, lambda spec: structs.replace(spec, suspend=suspend))

    def _at_rest(self) -> bool:
        """Whether all are suspended, with no Job active that was made for a slot."""
        for key in self._names.values():
            state = self._controller.cron_state(key)
            if state is not None and (not state.spec.suspend or state.active or state.firing is not None):
                return False
        return True

    async def _tell(self, event: Event) -> None:
        """Say what became of a time of the schedule."""
        if not isinstance(event, CronRecord) or event.cronjob not in self._names:
            return
        text = self._said(event, self._names[event.cronjob].name)
        if text:
            await self._output.note(text)

    def _said(self, event: CronEvent, name: str) -> str:
        match event:
            case ScheduleFired():
                late = f", {event.late_s:.0f} s late" if event.rule != "due" else ""
                return f"{name}: {event.name} is due at {_time(event.slot_s)}{late}"
            case SlotsMissed():
                about = "about " if event.estimated else ""
                return f"{name}: {about}{event.count} missed from {_time(event.first_s)} on: {event.rule}"
            case SlotSkipped():
                return f"{name}: {_time(event.slot_s)} is skipped: {event.rule}"
            case RunFinished(condition="Failed"):
                self.failed += 1
                return ""
            case _:
                return ""


def _time(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M:%S}Z"
