"""A process that dies at any point around a due time: each slot is run once or found missed, never run twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace
from tests.unit.controller_world import Death, MortalCluster, MortalLog, PortDead, events_of, make_job

from podledger import Controller, ControllerOptions
from podledger.api import CronJob, CronJobSpec, JobTemplateSpec, ObjectMeta
from podledger.cron.command import CronCommand
from podledger.cron.event import ScheduleFired, SlotSkipped, SlotsMissed
from podledger.log.memory import MemoryLedger
from podledger.ports import Change, CronOutcome, JobCreated
from podledger_adapters.local import LocalCluster

SLOTS = 2
OPTIONS = ControllerOptions(cronjobs=True, snapshot_events=20)
# More points than this would mean that the scenario has grown beyond a unit test.
MOST_POINTS = 300


class MortalCronCluster(MortalCluster):
    """A cluster whose calls for CronJobs may be the process's last too; remembers the Jobs they made."""

    def __init__(self, cluster: LocalCluster, death: Death, made: Counter[str]) -> None:
        super().__init__(cluster, death)
        self._local, self._made = cluster, made

    @asynccontextmanager
    async def watch_cronjobs(self) -> AsyncGenerator[AsyncIterator[Sequence[Change]]]:
        """See `CronCluster.watch_cronjobs`."""
        async with self._local.watch_cronjobs() as changes:
            yield self._mortal(changes)

    async def perform_cron(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """See `CronCluster.perform_cron`. A batch may be cut off in its middle."""
        outcomes: list[CronOutcome] = []
        for command in commands:
            self.death.point()
            (outcome,) = await self._local.perform_cron([command])
            if isinstance(outcome, JobCreated) and not outcome.found:
                self._made[outcome.job.metadata.name] += 1
            outcomes.append(outcome)
        self.death.point()
        return outcomes


async def live(cluster: LocalCluster, ledger: MemoryLedger, death: Death, until: float, made: Counter[str]) -> None:
    """One life of a controller, to a time or to its death: the ports are dead first, then the tasks are cancelled."""

    async def control() -> None:
        mortal = MortalCronCluster(cluster, death, made)
        log = MortalLog(ledger, death)
        async with Controller(mortal, log, clock=cluster.clock, seed="seed", options=OPTIONS):
            await cluster.clock.sleep_until(until)

    task, struck = asyncio.create_task(control()), asyncio.create_task(death.struck.wait())
    await asyncio.wait([task, struck], return_when=asyncio.FIRST_COMPLETED)
    struck.cancel()
    if death.dead:
        task.cancel()
    await asyncio.wait([task, struck])
    if not death.dead:
        task.result()
    elif not task.cancelled() and (error := task.exception()) is not None:
        assert "at point" in repr(error) or isinstance(error, PortDead), error


async def run_with_death(at: int | None, *, log_lost: bool, down_s: float, ttl_s: int | None) -> int:
    """Some minutes of a CronJob; the process dies at a point and comes back later. How many points there were."""
    async with LocalCluster.simulated(seed=7) as cluster:
        start_s = cluster.clock.now()
        spec = replace(make_job().spec, ttl_seconds_after_finished=ttl_s)
        cronjob = CronJob(
            metadata=ObjectMeta(name="cron"),
            spec=CronJobSpec(schedule="* * * * *", job_template=JobTemplateSpec(spec=spec)),
        )
        await cluster.submit(cronjob)
        made: Counter[str] = Counter()
        ledgers, death = [MemoryLedger()], Death(at)
        end_s = start_s + SLOTS * 60 + 30
        await live(cluster, ledgers[0], death, end_s, made)
        if death.dead:
            await cluster.clock.sleep_until(cluster.clock.now() + down_s)
            if log_lost:
                ledgers.append(MemoryLedger())
            await live(cluster, ledgers[-1], Death(), max(end_s, cluster.clock.now()) + 60, made)
        assert set(made.values()) == {1}, f"death at {at}: {made}"
        check_slots(ledgers, made, int(start_s), int(end_s))
        return death.points


def check_slots(ledgers: Sequence[MemoryLedger], made: Counter[str], start_s: int, end_s: int) -> None:
    """Every slot has its Job, or the log says why not."""
    events = [event for ledger in ledgers for event in events_of(ledger)]
    missed = [event for event in events if isinstance(event, SlotsMissed)]
    skipped = [event.slot_s for event in events if isinstance(event, SlotSkipped)]
    for slot_s in range(start_s + 60, end_s, 60):
        run = made[f"cron-{slot_s // 60}"] > 0
        told = any(event.first_s <= slot_s <= event.last_s for event in missed) or slot_s in skipped
        assert run or told, f"nothing is known of the slot {slot_s - start_s} s after the start"
        fired = any(isinstance(event, ScheduleFired) and event.slot_s == slot_s for event in events)
        assert fired or not run, "a Job is created only when its intent is durable"


@pytest.mark.parametrize(
    ("log_lost", "down_s", "ttl_s"),
    [
        pytest.param(False, 0.0, None, id="up at once"),
        # With the log lost too, nobody could tell that a Job came and went before its status was written.
        pytest.param(False, 100.0, 0, id="down for two slots, Jobs that go at once"),
        pytest.param(True, 100.0, None, id="down for two slots, log lost"),
    ],
)
def test_death_at_every_point(log_lost: bool, down_s: float, ttl_s: int | None) -> None:
    points = asyncio.run(run_with_death(None, log_lost=log_lost, down_s=down_s, ttl_s=ttl_s))
    assert points < MOST_POINTS
    for at in range(1, points + 1):
        asyncio.run(run_with_death(at, log_lost=log_lost, down_s=down_s, ttl_s=ttl_s))
