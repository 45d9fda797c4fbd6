"""One sync: what is durable before a call, what comes between its steps, and a result for every Job asked for."""

from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace
from tests.unit.controller_world import Wrapped, events_of, make_job
from tests.unit.job_world import status_of_phase

from podledger import Controller, Job, JobKey, MemoryLog, VirtualClock
from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger.errors import ClusterError
from podledger.job import event as ev
from podledger.job.command import Command, CreatePod, DeletePod, PublishStatus, RecordEvent, ReleasePod
from podledger.job.decision import Decision
from podledger.job.limits import Limits
from podledger.job.names import JOB_CONTROLLER
from podledger.job.outcome import Created, Done, Outcome
from podledger.job.state import JobState
from podledger.journal import Journal, open_journal
from podledger.log.memory import MemoryLedger
from podledger.ports import Gone, ListBegan, ListEnded, Seen
from podledger.reflector import Reflector
from podledger.sync import Syncer
from podledger.sync_metrics import SyncMetrics
from podledger.sync_together import SyncResult
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Workload


class OneJob(Wrapped):
    """A journal, a reflector and a syncer around one Job; `meanwhile` plays what the watch shows during each call."""

    def __init__(self, journal: Journal, clock: VirtualClock) -> None:
        super().__init__(LocalCluster.manual())
        self.journal, self.clock = journal, clock
        self.reflector = Reflector(journal, frozenset({JOB_CONTROLLER}))
        self.syncer = Syncer(self, journal, self.reflector, clock, Limits(), SyncMetrics())
        self.meanwhile: Callable[[Command], None] = lambda _: None
        self.version = 100
        self.calls: list[Command] = []
        self.there: Job | None = None

    @classmethod
    async def begin(cls, *jobs: Job) -> "OneJob":
        """Everything listed; the Jobs have their names as uids."""
        clock = VirtualClock()
        made = cls(await open_journal(MemoryLog(), "main", "test", clock, "seed"), clock)
        made.show(ListBegan("Job"), *map(Seen, jobs), ListEnded("Job", "10"), ListBegan("Pod"), ListEnded("Pod", "10"))
        return made

    def show(self, *changes: ListBegan | ListEnded | Seen | Gone) -> None:
        """What the watch shows."""
        self.reflector.observe(changes, self.clock.now())
        self.journal.flush()

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`: every call succeeds."""
        outcomes: list[Outcome] = []
        for command in commands:
            self.calls.append(command)
            self.version += 1
            outcomes.append(self.answer(command))
            self.meanwhile(command)
        return outcomes

    def answer(self, command: Command) -> Outcome:
        """What a perfect cluster answers."""
        if isinstance(command, CreatePod):
            meta = command.pod.metadata
            made = replace(meta, uid=f"uid of {meta.name}", resource_version=str(self.version))
            return Created(replace(command.pod, metadata=made))
        return Done(str(self.version))

    async def get_job(self, key: JobKey) -> Job | None:
        """See `Cluster.get_job`."""
        if self.there is None:
            raise ClusterError("connection reset")
        return self.there


def job(uid: str = "j", version: int = 5, generation: int = 1, **spec: object) -> Job:
    """A Job as a cluster shows it."""
    made = make_job(uid, **spec)
    return replace(made, metadata=replace(made.metadata, uid=uid, resource_version=str(version), generation=generation))


@pytest.mark.asyncio
async def test_every_job_asked_for_has_a_result_in_the_order_asked() -> None:
    one = await OneJob.begin(job("a"), job("b"))
    results = await one.syncer.sync(["b", "never heard of", "a"])
    assert results == [SyncResult("b"), SyncResult("never heard of"), SyncResult("a")]


@pytest.mark.asyncio
async def test_jobs_share_appends_and_calls() -> None:
    one = await OneJob.begin(*(job(f"j{number}") for number in range(50)))
    await one.syncer.sync([f"j{number}" for number in range(50)])
    kinds = [type(call) for call in one.calls if isinstance(call, CreatePod | PublishStatus)]
    assert kinds == [CreatePod] * 50 + [PublishStatus] * 50


@pytest.mark.asyncio
async def test_a_spec_that_changes_in_the_middle_ends_the_sync_before_anything_old_is_published() -> None:
    one = await OneJob.begin(job(parallelism=3, completions=3))

    def suspend(command: Command) -> None:
        if isinstance(command, CreatePod) and one.journal.projection.states["j"].generation == 1:
            one.show(Seen(job(version=90, generation=2, parallelism=3, completions=3, suspend=True)))

    one.meanwhile = suspend
    one.reflector.take_touched()
    assert await one.syncer.sync(["j"]) == [SyncResult("j")]
    assert not any(isinstance(call, PublishStatus) for call in one.calls)
    assert one.reflector.take_touched() == {"j": True}, "due again at once for that very change"
    await one.syncer.sync(["j"])
    published = [call for call in one.calls if isinstance(call, PublishStatus)]
    assert published[0].resource_version == "90"
    assert published[0].status.conditions[0].reason == "JobSuspended"
    assert sum(isinstance(call, DeletePod) for call in one.calls) == 3


def restore(one: OneJob, *pods: Pod) -> None:
    """The cluster is restored to what was there at 8, and all of it is listed anew."""
    jobs = (ListBegan("Job"), Seen(job(version=5)), ListEnded("Job", "8"))
    one.show(*jobs)
    one.show(*jobs, ListBegan("Pod"), *map(Seen, pods), ListEnded("Pod", "8"))


@pytest.mark.asyncio
async def test_a_sync_breaks_off_when_the_cluster_is_restored_and_answers_of_before_count_for_nothing() -> None:
    one = await OneJob.begin(job())
    one.meanwhile = lambda _: restore(one)
    (result,) = await one.syncer.sync(["j"])
    assert [type(call) for call in one.calls] == [CreatePod]
    assert result.failed, "to be tried again"
    state = one.journal.projection.states["j"]
    assert (state.pods, list(state.creating), state.resource_version) == ({}, list(state.unresolved), "5")
    assert "0 at home" in repr(one.reflector)
    assert "0 ahead" in repr(one.reflector)
    assert one.reflector.take_touched() == {"j": True}


@pytest.mark.asyncio
async def test_nothing_is_called_and_nothing_decided_until_all_of_a_restored_cluster_is_listed() -> None:
    one = await OneJob.begin(job())
    wait_until_durable = one.journal.durable

    async def restored_meanwhile() -> None:
        one.journal.durable = wait_until_durable  # type: ignore[method-assign]  # once
        await wait_until_durable()
        one.show(ListBegan("Job"), ListEnded("Job", "8"))

    one.journal.durable = restored_meanwhile  # type: ignore[method-assign]  # while the intent becomes durable
    (result,) = await one.syncer.sync(["j"])
    assert (result.failed, one.calls) == (True, [])
    assert not one.reflector.synced
    assert await one.syncer.sync(["j"]) == [SyncResult("j")]
    assert one.calls == []
    position = one.journal.projection.position
    restore(one)
    assert one.journal.projection.position > position
    one.clock.set_wall(one.clock.now() + 60)
    await one.syncer.sync(["j"])
    assert [type(call) for call in one.calls] == [CreatePod, RecordEvent, PublishStatus]


@pytest.mark.asyncio
async def test_a_pod_that_the_watch_showed_and_took_away_before_the_answer_came_is_no_ghost() -> None:
    one = await OneJob.begin(job())

    def come_and_go(command: Command) -> None:
        if isinstance(command, CreatePod):
            answer = one.answer(command)  # the very pod that the answer will tell of
            assert isinstance(answer, Created)
            meta: ObjectMeta = answer.pod.metadata
            one.show(Seen(answer.pod), Gone("Pod", meta.namespace, meta.name, meta.uid, str(one.version + 50)))

    one.meanwhile = come_and_go
    await one.syncer.sync(["j"])
    state = one.journal.projection.states["j"]
    assert (state.pods, state.tally.active, state.creating) == ({}, 0, {})
    assert "0 at home" in repr(one.reflector)


@pytest.mark.asyncio
async def test_a_pod_that_its_create_finds_ended_leads_to_the_next_sync_for_no_watch_will() -> None:
    one = await OneJob.begin(job(completions=2))
    answer, found = one.answer, list[Pod]()

    def find(command: Command) -> Outcome:
        outcome = answer(command)
        if not isinstance(outcome, Created):
            return outcome
        # An earlier call with this intent made it, and was not heard of.
        found.append(replace(outcome.pod, status=status_of_phase("Succeeded", one.clock.now())))
        return Created(found[-1])

    one.answer = find  # type: ignore[method-assign]  # the answers of this test
    (result,) = await one.syncer.sync(["j"])
    state = one.journal.projection.states["j"]
    assert (state.tally.active, state.published.succeeded, result) == (0, 1, SyncResult("j", left=True))
    one.reflector.take_touched()
    one.show(*map(Seen, found))
    assert one.reflector.take_touched() == {}, "the watch shows nothing new"
    await one.syncer.sync(["j"])
    assert len(found) == 2


@pytest.mark.asyncio
async def test_what_is_left_though_nothing_can_be_done_is_tried_again_by_the_retry_curve(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = await OneJob.begin(job())

    def stuck(_state: JobState, now: float, **_: object) -> Decision:
        return Decision((), (), now, "results left for the next sync")

    monkeypatch.setattr("podledger.sync.decide", stuck)
    assert await one.syncer.sync(["j"]) == [SyncResult("j", left=True, failed=True)]


@pytest.mark.asyncio
async def test_whether_a_missing_job_is_there_is_asked_and_no_answer_is_none() -> None:
    one = await OneJob.begin()
    one.journal.add([ev.JobMissing("m", "default", "lost"), ev.PodCreated("m", "p", "p", "5", 1)])
    one.journal.add([ev.PodTerminating("m", "p", 1, 1)])
    assert await one.syncer.sync(["m"]) == [SyncResult("m", failed=True)]
    one.there = replace(job("m"), metadata=replace(job("m").metadata, name="lost"))
    assert await one.syncer.sync(["m"]) == [SyncResult("m")]
    assert one.calls == [], "it is there: its pods are not ours to release"
    one.there = job("another uid")
    assert await one.syncer.sync(["m"]) == [SyncResult("m")]
    assert [type(call) for call in one.calls] == [ReleasePod]


@pytest.mark.asyncio
async def test_no_call_is_made_before_what_it_rests_on_is_durable_and_no_release_before_its_status() -> None:
    ledger = MemoryLedger()

    class Auditor(Wrapped):
        """Looks into the durable log before every call."""

        async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            durable = events_of(ledger)
            intents = {event.intent for event in durable if isinstance(event, ev.CreateIntended)}
            released = {event.pod for event in durable if isinstance(event, ev.ReleaseIntended)}
            counted = {event.pod for event in durable if isinstance(event, ev.PodCounted)}
            statuses = [event.status for event in durable if isinstance(event, ev.StatusIntended)]
            stored = {pod: job.status for job in await cluster.list_jobs() for pod in _listed(job)}
            for command in commands:
                match command:
                    case CreatePod():
                        assert command.intent in intents
                    case PublishStatus():
                        assert command.status in statuses
                    case ReleasePod():
                        assert command.uid in released & counted
                        assert command.uid in stored, "the status that lists it is published"
                    case _:
                        pass
            return await super().perform(commands)

    def _listed(job: Job) -> Sequence[str]:
        lists = job.status.uncounted_terminated_pods
        return () if lists is None else (*lists.succeeded, *lists.failed)

    behaviour = Workload(duration_s=(1.0, 5.0), failure_probability=0.3)
    async with LocalCluster.simulated(behaviour=behaviour) as cluster:
        submitted = await cluster.submit(make_job(completions=10, parallelism=4, backoff_limit=50))
        async with Controller(Auditor(cluster), MemoryLog(ledger), clock=cluster.clock) as controller:
            assert (await controller.wait(submitted.key)).succeeded == 10
