"""What a controller asks of an API server, counted there: two writes a pod, two statuses a sync, one list a kind.

Which sync a status belongs to is told by the log: the server's answer and the log name the same resourceVersion.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from msgspec import Struct
from msgspec.structs import replace
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.kubernetes_server import NAMESPACE, api_server
from tests.request_account import Asked, RequestAccount
from tests.unit.controller_world import events_of, held_pods, make_job

from podledger import Controller, ControllerOptions, Job, MemoryLog
from podledger.api.job import SuccessPolicy, SuccessPolicyRule
from podledger.api.pod import Pod
from podledger.controller import EVERY_JOB
from podledger.job import event as ev
from podledger.job.limits import Limits
from podledger.log.memory import MemoryLedger
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Behaviour, Workload

LIMITS = Limits(backoff_base_s=0.1, backoff_max_s=0.2)
OPTIONS = ControllerOptions(managed_by=EVERY_JOB, sync_batch_period_s=0.2, limits=LIMITS)
UNCOUNTED = LIMITS.uncounted_pods
SUCCESS = SuccessPolicy(rules=(SuccessPolicyRule(succeeded_count=5),))


class Run(Struct):
    """A controller at work on a server: its log, and what the server was asked."""

    cluster: LocalCluster
    ledger: MemoryLedger
    account: RequestAccount

    async def submit(self, **spec: object) -> Job:
        """Create a Job."""
        job = make_job("job", **spec)
        return await self.cluster.submit(replace(job, metadata=replace(job.metadata, namespace=NAMESPACE)))

    def stored(self, job: Job) -> Job:
        """The Job as it is now."""
        stored = self.cluster.store.find(Job, job.key)
        assert stored is not None
        return stored

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what is written until something holds."""
        watch = self.cluster.store.watch()
        with anyio.fail_after(120):
            while not holds():
                await watch.next()
        watch.close()

    async def finish(self, job: Job) -> Job:
        """The Job, once it is finished and holds no pod."""
        await self.until(lambda: self.stored(job).status.finished and not held_pods(self.cluster))
        return self.stored(job)

    def pods(self, job: Job) -> list[Pod]:
        """The Job's pods that are there still."""
        return self.cluster.store.table(Pod).dependents(job.metadata.uid)

    def reads_of(self, resource: str) -> list[Asked]:
        """Every list and watch of a resource."""
        return [each for each in self.account.asked if each.resource == resource and not each.writes]

    def writes_of_pods(self) -> Counter[str]:
        """The writes by pod; creates, which name none, under ""."""
        return Counter(each.name for each in self.account.asked if each.writes and each.resource == "pods")

    def statuses_by_sync(self, job: Job) -> list[int]:
        """How many statuses the server was sent in each sync that sent one."""
        sent = [each for each in self.account.asked if each.subresource == "status" and each.name == job.metadata.name]
        syncs: list[list[str]] = []
        for event in events_of(self.ledger):
            if isinstance(event, ev.SyncDecided) and event.starts and event.job == job.metadata.uid:
                syncs.append([])
            elif isinstance(event, ev.StatusPublished):
                syncs[-1].append(event.resource_version)
            elif isinstance(event, ev.CallFailed) and event.call == "publish":
                syncs[-1].append("")  # the spec was changed meanwhile: 409
        assert [each.resource_version for each in sent] == [version for sync in syncs for version in sync]
        assert {(each.verb, each.resource) for each in sent} == {("patch", "jobs")}
        assert {each.code for each in sent} <= {200, 409}
        return [len(sync) for sync in syncs if sync]


@asynccontextmanager
async def running(
    behaviour: Behaviour, *, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> AsyncGenerator[Run]:
    """A server, and a controller that has listed it. Only when it is left has the log all that the server was sent."""
    account, ledger = RequestAccount(), MemoryLedger()
    served = api_server(simulated=True, behaviour=behaviour, around=lambda app: account.around(around(app)))
    async with (
        served as (local, access),
        KubernetesCluster(access) as cluster,
        MemoryLog(ledger) as log,
        Controller(cluster, log, options=OPTIONS),
    ):
        yield Run(local, ledger, account)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("spec", "behaviour"),
    [
        ({"completions": 120, "parallelism": 40}, Workload()),
        ({"completions": 120, "parallelism": 40, "completion_mode": "Indexed"}, Workload(duration_s=(0.0, 0.3))),
        ({"completions": 40, "parallelism": 10, "backoff_limit": 1000}, Workload(failure_probability=0.3)),
        (
            {"completions": 20, "parallelism": 10, "completion_mode": "Indexed", "backoff_limit_per_index": 3},
            Workload(failure_probability=0.2),
        ),
    ],
    ids=["NonIndexed", "Indexed", "failing", "failing by index"],
)
async def test_a_pod_costs_two_writes_and_a_sync_two_statuses(spec: dict[str, object], behaviour: Behaviour) -> None:
    async with running(behaviour) as run:
        job = await run.finish(await run.submit(**spec))
    made = job.status.succeeded + job.status.failed
    writes = run.writes_of_pods()
    assert writes.pop("") == made, "each pod was created by one call"
    assert writes == {pod.metadata.name: 1 for pod in run.pods(job)}, "and released by one"
    assert max(run.statuses_by_sync(job)) <= 2


@pytest.mark.asyncio
async def test_a_suspension_costs_a_pod_its_delete_and_a_sync_two_statuses_still() -> None:
    async with running(Workload(duration_s=(0.0, 2.0))) as run:
        job = await run.submit(completions=30, parallelism=15)
        await run.until(lambda: run.stored(job).status.active == 15)
        await run.cluster.update_job_spec(job.key, lambda spec: replace(spec, suspend=True))
        await run.until(lambda: run.stored(job).status.active == 0)
        await run.cluster.update_job_spec(job.key, lambda spec: replace(spec, suspend=False))
        job = await run.finish(job)
    writes = run.writes_of_pods()
    created = writes.pop("")
    deleted = [each.name for each in run.account.asked if (each.verb, each.resource) == ("delete", "pods")]
    assert deleted, "it was suspended in the middle"
    assert created == job.status.succeeded + job.status.failed + len(deleted)
    assert all(count == 1 + (name in deleted) for name, count in writes.items())
    assert max(run.statuses_by_sync(job)) <= 2


@pytest.mark.asyncio
async def test_a_success_policy_costs_no_more_statuses() -> None:
    async with running(Workload(duration_s=(0.0, 1.0))) as run:
        spec: dict[str, object] = {"completion_mode": "Indexed", "success_policy": SUCCESS}
        job = await run.finish(await run.submit(completions=40, parallelism=20, **spec))
    assert job.status.is_true("Complete")
    assert max(run.statuses_by_sync(job)) <= 2


@pytest.mark.asyncio
async def test_thousands_of_uncounted_pods_go_in_as_few_statuses_as_the_limit_allows() -> None:
    pods = 4 * UNCOUNTED
    async with running(Workload()) as run:
        job = await run.finish(await run.submit(completions=pods, parallelism=pods))
    writes = run.writes_of_pods()
    assert (job.status.succeeded, writes.pop("")) == (pods, pods)
    assert set(writes.values()) == {1}
    statuses = run.statuses_by_sync(job)
    assert max(statuses) == 2
    assert len(statuses) <= 3 * pods // UNCOUNTED, "what goes together is not told one by one"


def pages_only(app: ASGIApp) -> ASGIApp:
    """A server without streaming lists."""

    refusal = PlainTextResponse("the WatchList feature gate is disabled", status_code=422)

    async def refusing(scope: Scope, receive: Receive, send: Send) -> None:
        answers = refusal if b"sendInitialEvents" in scope["query_string"] else app
        await answers(scope, receive, send)

    return refusing


@pytest.mark.asyncio
async def test_a_start_costs_one_consistent_list_a_kind_and_nothing_is_listed_after_it() -> None:
    async with running(Workload()) as run:
        await run.finish(await run.submit(completions=30, parallelism=10))
    for resource in ("jobs", "pods"):
        (listed,) = run.reads_of(resource)  # it goes on as the watch
        assert listed.lists
        assert listed.consistent, "a cache may lag behind what was counted before"


@pytest.mark.asyncio
async def test_a_server_without_streaming_lists_is_asked_for_one_list_and_one_watch_a_kind() -> None:
    async with running(Workload(), around=pages_only) as run:
        await run.finish(await run.submit(completions=30, parallelism=10))
    for resource in ("jobs", "pods"):
        refused, listed, watched = run.reads_of(resource)
        assert (refused.code, listed.verb, watched.verb) == (422, "list", "watch")
        assert (listed.consistent, watched.lists) == (True, False)
