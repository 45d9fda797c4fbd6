"""The controller runs CronJobs on a local cluster: on time, through restarts, clock changes and deletions."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace
from tests.unit.controller_world import Wrapped, events_of, make_job

from podledger import Controller, ControllerOptions, MemoryLog, VirtualClock
from podledger.api import CronJob, CronJobSpec, JobTemplateSpec, ObjectMeta
from podledger.cron.event import CronSyncDecided, RunCreated, ScheduleFired, SlotsMissed
from podledger.journal import load_projection
from podledger.log.memory import MemoryLedger
from podledger.projection import decode_projection, encode_projection
from podledger_adapters.local import LocalCluster

pytestmark = pytest.mark.asyncio

OPTIONS = ControllerOptions(cronjobs=True)
DAY_S = 86_400.0


class Setting(NamedTuple):
    cluster: LocalCluster
    ledger: MemoryLedger
    clock: VirtualClock

    async def wait(self, seconds: float) -> None:
        """Let virtual time pass."""
        await self.clock.sleep_until(self.clock.now() + seconds)

    def logged(self, kind: type) -> list[Any]:
        """The log's events of a kind."""
        return [event for event in events_of(self.ledger) if isinstance(event, kind)]


def make_cronjob(schedule: str = "* * * * *", name: str = "cron", **spec: Any) -> CronJob:
    """A CronJob whose Jobs have one pod."""
    template = JobTemplateSpec(spec=make_job().spec)
    return CronJob(metadata=ObjectMeta(name=name), spec=CronJobSpec(schedule=schedule, job_template=template, **spec))


@asynccontextmanager
async def setting() -> AsyncGenerator[Setting]:
    clock = VirtualClock()
    async with LocalCluster.simulated(seed=7, clock=clock) as cluster:
        yield Setting(cluster, MemoryLedger(), clock)


@asynccontextmanager
async def controller(world: Setting) -> AsyncGenerator[Controller]:
    async with (
        MemoryLog(world.ledger) as log,
        Controller(world.cluster, log, clock=world.clock, seed="seed", options=OPTIONS) as running,
    ):
        yield running


async def test_runs_are_started_on_time_and_trimmed() -> None:
    async with setting() as world:
        cronjob = await world.cluster.submit(make_cronjob())
        async with controller(world) as running:
            await world.wait(10 * 60 + 1)
            state = running.cron_state(cronjob.key)
        assert [event.rule for event in world.logged(ScheduleFired)] == ["due"] * 10
        assert len(await world.cluster.list_jobs()) == 3
        (stored,) = await world.cluster.list_cronjobs()
        assert state is not None
        assert state.published == stored.status
        assert stored.status.last_schedule_time == stored.status.last_successful_time
        assert stored.status.active == ()


async def test_nothing_happens_between_due_times() -> None:
    async with setting() as world:
        await world.cluster.submit(make_cronjob("0 0 1 1 *"))
        async with controller(world):
            await world.wait(60)
            before = (len(world.logged(CronSyncDecided)), world.cluster.store.revision)
            await world.wait(300 * DAY_S)
            assert (len(world.logged(CronSyncDecided)), world.cluster.store.revision) == before


async def test_a_week_without_a_controller_ends_with_one_run() -> None:
    async with setting() as world:
        await world.cluster.submit(make_cronjob("0 * * * *"))
        async with controller(world):
            await world.wait(3601)
        await world.wait(7 * DAY_S)
        async with controller(world):
            await world.wait(1)
        assert len(world.logged(RunCreated)) == 2
        (missed,) = world.logged(SlotsMissed)
        assert missed.count == 7 * 24 - 1


@pytest.mark.parametrize("jump_s", [-3600.0, -30 * DAY_S])
async def test_a_clock_set_back_runs_nothing_twice_and_waits_for_no_month(jump_s: float) -> None:
    async with setting() as world:
        await world.cluster.submit(make_cronjob())
        async with controller(world):
            await world.wait(5 * 60 + 1)
            before = [event.slot_s for event in world.logged(RunCreated)]
            world.clock.set_wall(world.clock.now() + jump_s)
            await world.wait(-jump_s + 61)
        slots = [event.slot_s for event in world.logged(RunCreated)]
        assert len(slots) == len(set(slots)), "no slot runs twice"
        assert len(slots) == len(before) + 1, "as before, from where it had come to"


async def test_a_clock_set_forward_starts_the_latest_only() -> None:
    async with setting() as world:
        await world.cluster.submit(make_cronjob())
        async with controller(world):
            await world.wait(61)
            world.clock.set_wall(world.clock.now() + 3600)
            await world.wait(1)
        assert len(world.logged(RunCreated)) == 2
        (missed,) = world.logged(SlotsMissed)
        assert missed.count == 59


async def test_a_deleted_cronjob_takes_its_jobs_along() -> None:
    async with setting() as world:
        cronjob = await world.cluster.submit(make_cronjob())
        async with controller(world) as running:
            await world.wait(61)
            await world.cluster.delete_cronjob(cronjob.key)
            await world.wait(600)
            assert running.cron_state(cronjob.key) is None
        assert await world.cluster.list_jobs() == []
        assert len(world.logged(RunCreated)) == 1


async def test_one_of_the_same_name_begins_anew() -> None:
    async with setting() as world:
        first = await world.cluster.submit(make_cronjob())
        async with controller(world):
            await world.wait(61)
            await world.cluster.delete_cronjob(first.key, propagation="Orphan")
            await world.wait(1)
            await world.cluster.submit(make_cronjob())
            await world.wait(60)
        names = [event.name for event in world.logged(RunCreated)]
        assert len(names) == len(set(names)) == 2


async def test_a_new_schedule_is_followed() -> None:
    async with setting() as world:
        cronjob = await world.cluster.submit(make_cronjob("0 0 1 1 *"))
        async with controller(world):
            await world.wait(90)
            await world.cluster.update_cronjob_spec(cronjob.key, lambda spec: replace(spec, schedule="* * * * *"))
            await world.wait(31)
            assert len(world.logged(RunCreated)) == 1
            await world.cluster.update_cronjob_spec(cronjob.key, lambda spec: replace(spec, suspend=True))
            await world.wait(600)
            assert len(world.logged(RunCreated)) == 1


async def test_a_snapshot_holds_cronjobs_too() -> None:
    async with setting() as world:
        await world.cluster.submit(make_cronjob())
        async with controller(world):
            await world.wait(200)
        async with MemoryLog(world.ledger) as log:
            projection = await load_projection(log, "main")
        again = decode_projection(encode_projection(projection))
        assert len(again.crons) == 1
        assert list(again.crons) == list(projection.crons)


async def test_a_cluster_without_cronjobs_is_refused() -> None:
    async with setting() as world, MemoryLog(world.ledger) as log:
        with pytest.raises(TypeError, match="a Wrapped holds no CronJobs"):
            Controller(Wrapped(world.cluster), log, clock=world.clock, options=OPTIONS)
