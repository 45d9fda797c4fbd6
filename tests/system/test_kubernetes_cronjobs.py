"""CronJobs on an API server, over HTTP: policies, histories, hands of users, and controllers that come and go.

Server and controller have one clock, which a test turns from minute to minute. What one sync decides is in
`tests/unit/test_cron_*.py`.
"""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import anyio
import pytest
from msgspec.structs import replace
from tests.kubernetes_server import NAMESPACE, api_server
from tests.system.kubernetes_user import FAST, Json, User, controlling, eventually

from podledger import Controller
from podledger.api.job import JobKey
from podledger.clock import RealClock
from podledger.log.memory import MemoryLedger
from podledger_adapters.kubernetes.access import Access

pytestmark = pytest.mark.asyncio

OPTIONS = replace(FAST, cronjobs=True)
NOON_S = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
JOB_ALREADY_ACTIVE = "Not starting job because prior execution is running and concurrency policy is Forbid"
TOO_MANY = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"


class TurnedClock(RealClock):
    """Goes as the machine's does, from noon, and is turned on to a later minute when a test says so."""

    def __init__(self) -> None:
        self._ahead_s = NOON_S - super().now()
        self._turned = anyio.Event()

    def now(self) -> float:
        """Wall time, Unix seconds."""
        return super().now() + self._ahead_s

    async def sleep_until(self, when: float) -> None:
        """Sleep until `when`; returns early when the clock is turned."""
        turned = self._turned
        with anyio.move_on_after(max(when - self.now(), 0.0)):
            await turned.wait()
        await anyio.lowlevel.checkpoint()

    def turn_to(self, minute: int, second: float = 1.0) -> None:
        """It is so many minutes past noon now. Tests do not turn it back."""
        self._ahead_s = NOON_S + 60 * minute + second - super().now()
        self._turned.set()
        self._turned = anyio.Event()


def name_of(minute: int) -> str:
    """The name of the run whose slot is so many minutes past noon."""
    return f"cron-{int(NOON_S) // 60 + minute}"


def text_of(minute: int) -> str:
    """That slot on the wire."""
    return datetime.fromtimestamp(NOON_S + 60 * minute, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Setting(User):
    """A user of CronJobs: all of it is about the CronJob "cron", which has a run each minute."""

    def __init__(self, access: Access, clock: TurnedClock) -> None:
        super().__init__(access)
        self.access, self.clock, self.ledger = access, clock, MemoryLedger()

    def controller(self, *, kept: bool = True) -> AbstractAsyncContextManager[Controller]:
        """A life of the controller, with what the last one knew or without."""
        return controlling(self.access, self.ledger if kept else None, options=OPTIONS, clock=self.clock)

    async def create(self, **spec: Any) -> Json:
        """Create the CronJob."""
        pod = {"restartPolicy": "Never", "containers": [{"name": "foo", "image": "bar"}]}
        template = {"spec": {"backoffLimit": 0, "template": {"spec": pod}}}
        body = {
            "apiVersion": "batch/v1",
            "kind": "CronJob",
            "metadata": {"name": "cron", "creationTimestamp": None},
            "spec": {"schedule": "* * * * ?", "jobTemplate": template, **spec},
            "status": {},
        }
        return await self.must("POST", "cronjobs", body)

    async def change(self, *, status: bool = False, **fields: Any) -> None:
        """Merge fields into the CronJob's spec, or its status."""
        path, part = ("cronjobs/cron/status", "status") if status else ("cronjobs/cron", "spec")
        await self.must("PATCH", path, {part: fields}, "merge-patch+json")

    async def change_seen(self, controller: Controller, **fields: Any) -> None:
        """Change the spec, and wait until the controller knows."""
        await self.change(**fields)
        generation = (await self.must("GET", "cronjobs/cron"))["metadata"]["generation"]

        async def look() -> bool:
            state = controller.cron_state(JobKey(NAMESPACE, "cron"))
            return state is not None and state.generation == generation

        await eventually(look, lambda: f"generation {generation}")

    async def see_run(self, minute: int) -> None:
        """From here on "the Job" is this run, and its pod is there."""
        self.name = name_of(minute)
        self.uid = (await self.job())["metadata"]["uid"]
        await self.check_counts(active=1)

    async def check_runs(self, *minutes: int, active: Sequence[int] | None = None) -> Json:
        """Fail unless in the end there are these runs, and of them these are active, all unless said; the status."""
        wanted = [name_of(minute) for minute in minutes]
        running = wanted if active is None else [name_of(minute) for minute in active]
        found: list[Any] = []

        async def look() -> bool:
            jobs = (await self.must("GET", "jobs"))["items"]
            status = (await self.must("GET", "cronjobs/cron")).get("status", {})
            names = sorted(job["metadata"]["name"] for job in jobs)
            found[:] = [names, sorted(each["name"] for each in status.get("active", ())), status]
            return found[:2] == [wanted, running]

        await eventually(look, lambda: f"runs {wanted}, active {running}; there are {found}")
        return found[2]  # type: ignore[no-any-return]  # JSON

    async def check_told(self, **messages: Sequence[str]) -> None:
        """Fail unless in the end these are the Kubernetes Events about the CronJob: messages by reason, each once."""
        wanted = sorted((reason, text) for reason, texts in messages.items() for text in texts)
        told: list[tuple[str, str]] = []

        async def look() -> bool:
            events = (await self.must("GET", "events"))["items"]
            about = [each for each in events if each["involvedObject"]["kind"] == "CronJob"]
            assert all(each["source"]["component"] == "cronjob-controller" for each in about)
            told[:] = sorted({(each["reason"], each["message"]) for each in about})
            return told == wanted

        await eventually(look, lambda: f"Events {wanted}; there are {told}")


@asynccontextmanager
async def setting() -> AsyncGenerator[Setting]:
    clock = TurnedClock()
    async with api_server(clock=clock) as (_, access), Setting(access, clock) as world:
        yield world


def created(*minutes: int) -> list[str]:
    """What is told of runs that were created."""
    return [f"Created job {name_of(minute)}" for minute in minutes]


def completed(*minutes: int, condition: str = "Complete") -> list[str]:
    """What is told of active runs that were found finished."""
    return [f"Saw completed job: {name_of(minute)}, condition: {condition}" for minute in minutes]


async def test_runs_overlap_where_that_is_allowed() -> None:
    async with setting() as world, world.controller():
        uid = (await world.create())["metadata"]["uid"]
        for minute in (1, 2):
            world.clock.turn_to(minute)
            status = await world.check_runs(*range(1, minute + 1))
            assert status["lastScheduleTime"] == text_of(minute)
        for job in (await world.must("GET", "jobs"))["items"]:
            (owner,) = job["metadata"]["ownerReferences"]
            assert (owner["kind"], owner["name"], owner["uid"]) == ("CronJob", "cron", uid)
            assert (owner["controller"], owner["blockOwnerDeletion"]) == (True, True)
        ended: list[str] = []
        for minute in (1, 2):
            await world.see_run(minute)
            await world.end("Succeeded")
            ended.append((await world.check_condition("Complete"))["completionTime"])
        status = await world.check_runs(1, 2, active=())
        assert status["lastSuccessfulTime"] == max(ended)
        await world.check_told(SuccessfulCreate=created(1, 2), SawCompletedJob=completed(1, 2))


async def test_a_run_that_is_not_done_keeps_the_next_one_waiting() -> None:
    async with setting() as world, world.controller():
        await world.create(concurrencyPolicy="Forbid")
        world.clock.turn_to(1)
        await world.check_runs(1)
        world.clock.turn_to(2)
        await world.check_told(SuccessfulCreate=created(1), JobAlreadyActive=[JOB_ALREADY_ACTIVE])
        world.clock.turn_to(3, 30)
        status = await world.check_runs(1)
        assert status["lastScheduleTime"] == text_of(1)
        await world.see_run(1)
        await world.end("Succeeded")
        status = await world.check_runs(1, 3, active=[3])
        assert status["lastScheduleTime"] == text_of(3), "the latest that waited, at once"


async def test_a_run_that_is_not_done_makes_room_for_the_next_one() -> None:
    async with setting() as world, world.controller():
        await world.create(concurrencyPolicy="Replace")
        for minute in (1, 2, 3):
            world.clock.turn_to(minute)
            await world.check_runs(minute)
        await world.check_told(
            SuccessfulCreate=created(1, 2, 3), SuccessfulDelete=[f"Deleted job {name_of(minute)}" for minute in (1, 2)]
        )
        owners: set[str] = set()

        async def look() -> bool:
            pods = (await world.must("GET", "pods"))["items"]
            owners.clear()
            owners.update(pod["metadata"]["ownerReferences"][0]["name"] for pod in pods)
            return owners == {name_of(3)}

        await eventually(look, lambda: f"pods of the last run only; there are those of {owners}")


@pytest.mark.parametrize(("successes", "failures"), [(1, 0), (0, 1)])
async def test_as_many_finished_runs_stay_as_the_limits_say(successes: int, failures: int) -> None:
    async with setting() as world, world.controller():
        await world.create(successfulJobsHistoryLimit=successes, failedJobsHistoryLimit=failures)
        kept = [0, 0]
        for minute, phase in enumerate(["Succeeded", "Failed"] * 2, 1):
            world.clock.turn_to(minute)
            stay = [each for each in kept if each]
            await world.check_runs(*stay, minute, active=[minute])
            await world.see_run(minute)
            await world.end(phase)
            which = 0 if phase == "Succeeded" else 1
            if (successes, failures)[which]:
                kept[which] = minute
            await world.check_runs(*sorted(each for each in kept if each), active=())


async def test_a_run_that_is_deleted_by_hand_is_missed_and_not_run_again() -> None:
    async with setting() as world, world.controller():
        await world.create(concurrencyPolicy="Forbid")
        world.clock.turn_to(1)
        await world.check_runs(1)
        world.name = name_of(1)
        await world.delete_job("Background")
        status = await world.check_runs()
        assert status["lastScheduleTime"] == text_of(1)
        await world.check_told(SuccessfulCreate=created(1), MissingJob=[f"Active job went missing: {name_of(1)}"])
        world.clock.turn_to(2)
        await world.check_runs(2)


@pytest.mark.parametrize("kept", [True, False], ids=["ledger kept", "ledger lost"])
async def test_the_next_life_of_the_controller_runs_the_latest_slot_only_and_none_again(*, kept: bool) -> None:
    async with setting() as world:
        async with world.controller():
            await world.create()
            world.clock.turn_to(1)
            await world.check_runs(1)
        async with world.controller(kept=kept):
            await world.check_runs(1)
        world.clock.turn_to(4, 30)
        async with world.controller(kept=kept):
            await world.check_runs(1, 4)
            await world.see_run(1)
        await world.end("Succeeded")
        async with world.controller(kept=kept):
            await world.check_runs(1, 4, active=[4])
        await world.check_told(SuccessfulCreate=created(1, 4), SawCompletedJob=completed(1))


async def test_a_run_that_the_status_does_not_name_is_found_again() -> None:
    async with setting() as world:
        async with world.controller():
            await world.create(concurrencyPolicy="Forbid")
            world.clock.turn_to(1)
            await world.check_runs(1)
        await world.change(status=True, active=None, lastScheduleTime=None)
        async with world.controller(kept=False):
            status = await world.check_runs(1)
            assert status["lastScheduleTime"] == text_of(1)
        unexpected = f"Saw a job that the controller did not create or forgot: {name_of(1)}"
        await world.check_told(SuccessfulCreate=created(1), UnexpectedJob=[unexpected])


async def test_a_slot_whose_name_is_taken_is_passed_over() -> None:
    async with setting() as world:
        world.name = name_of(1)
        await world.create_job(suspend=True)
        async with world.controller():
            await world.create()
            world.clock.turn_to(1)
            world.clock.turn_to(2)
            status = await world.check_runs(1, 2, active=[2])
            assert status["lastScheduleTime"] == text_of(2)
            await world.check_told(SuccessfulCreate=created(2))


async def test_suspended_it_starts_nothing_and_resumed_the_latest_slot() -> None:
    async with setting() as world, world.controller() as controller:
        await world.create(suspend=True)
        world.clock.turn_to(5, 30)
        await world.change_seen(controller, suspend=False)
        await world.check_runs(5)
        await world.change_seen(controller, suspend=True)
        world.clock.turn_to(9, 30)
        await world.see_run(5)
        await world.end("Succeeded")
        await world.check_runs(5, active=())
        await world.change_seen(controller, suspend=False, startingDeadlineSeconds=10)
        world.clock.turn_to(10)
        await world.check_runs(5, 10, active=[10])


async def test_a_schedule_that_is_edited_is_followed_in_its_zone() -> None:
    async with setting() as world, world.controller() as controller:
        await world.create(schedule="0 0 1 1 *")
        await world.change_seen(controller, schedule="30 17 * * *", timeZone="Asia/Kolkata")  # noon in UTC
        world.clock.turn_to(24 * 60)
        await world.check_runs(24 * 60)
        world.name = name_of(24 * 60)
        noted = (await world.job())["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"]
        assert noted == "2030-01-02T17:30:00+05:30"


async def test_after_months_without_a_controller_one_run_is_started_and_users_are_warned() -> None:
    async with setting() as world, world.controller():
        await world.create(suspend=True, concurrencyPolicy="Forbid")
        await world.change(status=True, lastScheduleTime=text_of(-98 * 24 * 60))
        world.clock.turn_to(1)
        await world.change(suspend=False)
        status = await world.check_runs(1)
        assert status["lastScheduleTime"] == text_of(1)
        await world.check_told(SuccessfulCreate=created(1), TooManyMissedTimes=[TOO_MANY])


async def test_a_deleted_cronjob_takes_runs_and_pods_along() -> None:
    async with setting() as world, world.controller():
        await world.create()
        world.clock.turn_to(1)
        await world.check_runs(1)
        await world.see_run(1)
        await world.must("DELETE", "cronjobs/cron", {"kind": "DeleteOptions", "apiVersion": "v1"})
        await world.check_gone()
