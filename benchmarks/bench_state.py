"""What state costs: memory of a pod in controller and store, the time to come back to it, and what it costs to wait."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple, TypeVar

import anyio
import msgspec

from benchmarks.harness import Measured, at_most, benchmark, digest_of, figure, stopwatch
from benchmarks.workload import make_job, say_status
from podledger import Controller, SqliteLog
from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.clock import RealClock
from podledger.event import Event, StreamStarted
from podledger.job import event as ev
from podledger.job.command import CreatePod
from podledger.job.decision import decide, proceed
from podledger.job.limits import Limits
from podledger.job.names import intent_id, pod_name
from podledger.job.observation import observe_job
from podledger.job.state import JobState
from podledger.journal import load_projection, open_journal, put_snapshot
from podledger.ports import Seen
from podledger.projection import Projection
from podledger_adapters.local import LocalCluster
from podledger_adapters.nodes.behaviour import Draws, PodRun
from podledger_adapters.store import ObjectStore

__all__ = ["idle", "memory", "restart"]

T = TypeVar("T")
JOB, NAME, NODE, SECOND = "0c7d4c0e-0000-4000-8000-000000000000", "large", "simulated", 1_893_456_000
BATCH = 1000
SETTLE_S = 0.2


def live_pods(first: int, last: int) -> Iterator[Event]:
    """The events by which pods number `first` to `last` - 1 of the Job come to run."""
    for number in range(first, last):
        intent = intent_id("seed", JOB, number)
        name = pod_name(f"{NAME}-", "seed", JOB, number)
        uid = f"9b0c1f2a-{number:012x}"
        yield ev.CreateIntended(JOB, number, intent, name, -1, 0, 0, "missing")
        yield ev.PodCreated(JOB, uid, name, str(number + 10), SECOND, intent)
        yield ev.PodScheduled(JOB, uid, NODE)
        yield ev.PodStarted(JOB, uid, SECOND)
        yield ev.PodReady(JOB, uid, True, SECOND)


def finished_pods(first: int, last: int) -> Iterator[Event]:
    """The events by which those pods end, are counted, published and let go."""
    uids = [f"9b0c1f2a-{number:012x}" for number in range(first, last)]
    for uid in uids:
        yield ev.PodSucceeded(JOB, uid, SECOND + 1)
        yield ev.PodCounted(JOB, uid, "succeeded", "succeeded")
    for uid in uids:
        yield ev.ReleaseIntended(JOB, uid, "succeeded")
        yield ev.PodReleased(JOB, uid)


def new_job(pods: int) -> Sequence[Event]:
    """The first events of a log."""
    spec = make_job(NAME, pods, pods).spec
    return [StreamStarted("seed"), ev.JobSet(JOB, "default", NAME, "1", 1, SECOND, spec)]


# ---- memory -------------------------------------------------------------------------------------------------------


def traced(build: Callable[[], T]) -> tuple[T, int]:
    """What `build` made, and the bytes it holds."""
    gc.collect()
    tracemalloc.start()
    try:
        made = build()
        gc.collect()
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def fold_stored(parts: Sequence[bytes]) -> Projection:
    """The fold of events as a log hands them out: decoded, so that nothing is shared that a log would not share."""
    decode = msgspec.msgpack.Decoder(list[Event]).decode
    projection = Projection()
    for part in parts:
        projection.apply_all(decode(part))
    return projection


def in_parts(events: Sequence[Event]) -> Sequence[bytes]:
    """The events, encoded as appends of a thousand."""
    encode = msgspec.msgpack.Encoder().encode
    return [encode(events[start : start + BATCH]) for start in range(0, len(events), BATCH)]


def creates(pods: int) -> Sequence[CreatePod]:
    """The commands by which the controller creates so many pods of one Job."""
    job = make_job(NAME, pods, pods)
    job = msgspec.structs.replace(job, metadata=msgspec.structs.replace(job.metadata, uid=JOB, resource_version="1"))
    state = JobState(uid=JOB, namespace="default", name=NAME, seed="seed")
    projection = Projection()
    projection.apply(StreamStarted("seed"))
    projection.apply_all(observe_job(None, job))
    state = projection.states[JOB]
    decision = decide(state, SECOND, limits=Limits(pod_changes=pods))
    commands: list[CreatePod] = []
    while decision.events:
        projection.apply_all(decision.events)
        commands += [command for command in decision.commands if isinstance(command, CreatePod)]
        decision = proceed(state, SECOND, limits=Limits(pod_changes=pods))
    return commands


def fill_store(pods: int) -> ObjectStore:
    """A store with so many pods of one Job, created as the controller does."""
    store = ObjectStore(RealClock(), seed=1)
    with store.batch() as batch:
        for command in creates(pods):
            batch.create_pod(command.pod)
    return store


@benchmark(
    "memory",
    figures=[
        at_most("memory", 512, "B a finished pod, controller"),
        at_most("memory/live", 2048, "B a live pod, controller"),
        at_most("memory/store", 2048, "B a pod, store"),
    ],
    small=500,
    full=50_000,
    not_shown="Bytes that Python's allocator handed out, not the process's resident size, which has gaps.",
)
def memory(size: int, seed: int) -> Measured:
    """What a pod costs in memory: finished, live, and as an object of the store."""
    live = [*new_job(size), *live_pods(0, size)]
    finished = [*live, *finished_pods(0, size)]
    live_parts, finished_parts = in_parts(live), in_parts(finished)
    kept_live, live_bytes = traced(lambda: fold_stored(live_parts))
    kept_finished, finished_bytes = traced(lambda: fold_stored(finished_parts))
    store, store_bytes = traced(lambda: fill_store(size))
    values = {
        "memory": finished_bytes / size,
        "memory/live": live_bytes / size,
        "memory/store": store_bytes / size,
    }
    counts = [len(kept_live.states[JOB].pods), len(kept_finished.states[JOB].pods), len(store.table(Pod))]
    return Measured(values, digest_of(counts))


# ---- restart ------------------------------------------------------------------------------------------------------


class RestartSize(NamedTuple):
    """Live pods in the snapshot, and events in the tail behind it."""

    pods: int
    tail: int


@benchmark(
    "restart",
    figures=[at_most("restart", 1.0, "s"), figure("restart/snapshot", "B of snapshot a pod, before compression")],
    small=RestartSize(500, 100),
    full=RestartSize(50_000, 10_000),
    not_shown="The list of the cluster that follows, and a cold disk cache.",
)
def restart(size: RestartSize, seed: int) -> Measured:
    """Open a ledger and rebuild the state: newest snapshot with 50,000 live pods, and 10,000 events behind it."""
    return asyncio.run(_restart(size))


async def _restart(size: RestartSize) -> Measured:
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        path, clock = Path(folder) / "ledger.db", RealClock()
        async with SqliteLog.open(path) as log:
            journal = await open_journal(log, "main", "benchmark", clock, "seed")
            journal.add(new_job(size.pods)[1:])
            for first in range(0, size.pods, BATCH):
                journal.add([*live_pods(first, min(first + BATCH, size.pods))])
                journal.flush()
            await put_snapshot(log, "main", journal)
            for number in range(size.tail):
                journal.add(
                    [ev.PodReady(JOB, f"9b0c1f2a-{number % size.pods:012x}", bool(number // size.pods % 2), SECOND)]
                )
            await journal.durable()
            snapshot = (await log.snapshots("main"))[0]
        gc.collect()
        with stopwatch() as elapsed:
            async with SqliteLog.open(path) as log:
                projection = await load_projection(log, "main")
    said = digest_of(len(projection.states[JOB].pods), projection.position)
    return Measured({"restart": elapsed.wall_s, "restart/snapshot": len(snapshot.body) / size.pods}, said)


# ---- idle ---------------------------------------------------------------------------------------------------------


class IdleSize(NamedTuple):
    """Pods that run for ever, and how long nothing happens."""

    pods: int
    seconds: float


def runs_for_ever(_pod: Pod, _draws: Draws) -> PodRun:
    """A behaviour: the pod outlives the benchmark."""
    return PodRun(duration_s=1e9)


@benchmark(
    "idle",
    figures=[
        at_most("idle", 0, "writes to log and store"),
        at_most("idle/cpu", 1.0, "ms CPU a second"),
    ],
    small=IdleSize(20, 0.2),
    full=IdleSize(5_000, 20.0),
    not_shown="A cluster across a network, whose watches and leases cost something even at rest.",
)
def idle(size: IdleSize, seed: int) -> Measured:
    """A controller with 5,000 pods that run and nothing that changes, in real time."""
    return asyncio.run(_idle(size, seed))


async def _idle(size: IdleSize, seed: int) -> Measured:
    clock = RealClock()
    with TemporaryDirectory(prefix="podledger-bench-") as folder:
        async with (
            LocalCluster.simulated(seed=seed, clock=clock, behaviour=runs_for_ever) as cluster,
            SqliteLog.open(Path(folder) / "ledger.db") as log,
            Controller(cluster, log, clock=clock, seed="seed") as controller,
        ):
            job = await cluster.submit(make_job(NAME, size.pods, size.pods))
            await _until_ready(cluster, controller, job)
            before = await _settled(cluster, log)
            with stopwatch() as elapsed:
                await anyio.sleep(size.seconds)
            after = await _ends(cluster, log)
            state = controller.state(job.key)
            said = say_status(state.published) if state is not None else ""
    writes = float(sum(after) - sum(before))
    return Measured({"idle": writes, "idle/cpu": elapsed.cpu_s / elapsed.wall_s * 1000}, digest_of(said))


async def _until_ready(cluster: LocalCluster, controller: Controller, job: Job) -> None:
    """Wait until the Job's status says that all its pods are ready. Raises what ends the controller meanwhile."""
    async with anyio.create_task_group() as tasks, cluster.watch() as changes:
        tasks.start_soon(controller.wait, job.key)
        async for batch in changes:
            seen = [change.object for change in batch if isinstance(change, Seen)]
            if any(isinstance(each, Job) and each.status.ready == job.spec.parallelism for each in seen):
                tasks.cancel_scope.cancel()
                return


async def _settled(cluster: LocalCluster, log: SqliteLog) -> tuple[int, int]:
    """Wait until nothing is left to do: the ends of store and log stay where they are."""
    ends = (0, 0)
    while (now := await _ends(cluster, log)) != ends:
        ends = now
        await anyio.sleep(SETTLE_S)
    return ends


async def _ends(cluster: LocalCluster, log: SqliteLog) -> tuple[int, int]:
    """The store's revision and the log's position."""
    position = 0
    async for batch in log.read("main"):
        position = batch.last
    return cluster.store.revision, position
