"""A store kept in a ledger: nothing is shown before it is durable, and what was is there again."""

from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.store_objects import NAMESPACE, START_S, create, key_of, new_job, new_pod, write
from tests.strategies import jobs, pods

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.clock import VirtualClock
from podledger.errors import DamagedLog, LogUnavailable
from podledger.log.objects import LoadedObjects, ObjectRow, ObjectWrite
from podledger.log.pending import Pending
from podledger.log.sqlite import SqliteLog
from podledger_adapters.store import ObjectStore, StoreChange
from podledger_adapters.store.api_error import StoreUnavailable
from podledger_adapters.store.object_codec import TEMPLATE_KIND, ObjectCodec


class HeldStorage:
    """A ledger whose writes become durable when the test says so."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], ObjectRow] = {}
        self.revision = 0
        self.id = ""
        self.under_way: list[tuple[Pending[None], Sequence[ObjectWrite], int]] = []
        self.held = False

    async def load(self) -> LoadedObjects:
        return LoadedObjects(self.revision, [self.rows[key] for key in sorted(self.rows)])

    def write_nowait(self, writes: Sequence[ObjectWrite], revision: int) -> Pending[None]:
        pending = Pending[None]()
        self.under_way.append((pending, writes, revision))
        if not self.held:
            self.let_go()
        return pending

    async def identity(self, fresh: str) -> str:
        self.id = self.id or fresh
        return self.id

    def let_go(self) -> None:
        """All that was handed in becomes durable."""
        for pending, writes, revision in self.under_way:
            for kind, namespace, name, body in writes:
                if body is None:
                    self.rows.pop((kind, namespace, name), None)
                else:
                    self.rows[kind, namespace, name] = ObjectRow(kind, namespace, name, body)
            self.revision = revision
            pending.resolve(None)
        self.under_way.clear()

    def refuse(self) -> None:
        """The disk takes no more."""
        for pending, _, _ in self.under_way:
            pending.fail(LogUnavailable("disk full"))
        self.under_way.clear()


async def turn() -> None:
    for _ in range(10):
        await anyio.lowlevel.checkpoint()


@pytest.mark.asyncio
async def test_a_write_is_acknowledged_and_shown_only_when_it_is_durable() -> None:
    storage = HeldStorage()
    store = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    storage.held = True
    watch = store.watch()
    acknowledged: list[str] = []

    async def make(name: str) -> None:
        with store.batch() as batch:
            batch.create(new_pod(name))
        await batch.durable()
        acknowledged.append(name)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(make, "one")
        tasks.start_soon(make, "two")
        await turn()
        assert len(storage.under_way) == 2, "a write does not wait for the one before it"
        assert (acknowledged, watch.size) == ([], 0)
        storage.let_go()
    assert acknowledged == ["one", "two"]
    assert [change.object.metadata.name for change in watch.next_nowait()] == ["one", "two"]


@pytest.mark.asyncio
async def test_virtual_time_stands_while_a_write_is_under_way() -> None:
    storage = HeldStorage()
    clock = VirtualClock(START_S)
    store = await ObjectStore.open(clock, storage, seed=1)
    storage.held = True
    create(store, new_pod())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(clock.sleep_until, START_S + 10)
        await anyio.to_thread.run_sync(lambda: None)
        await turn()
        assert clock.now() == START_S
        storage.let_go()
    assert clock.now() == START_S + 10


@pytest.mark.asyncio
async def test_a_watch_begun_while_writes_are_under_way_gets_only_what_came_later() -> None:
    storage = HeldStorage()
    store = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    storage.held = True
    create(store, new_pod("before"))
    watch = store.watch()
    create(store, new_pod("after"))
    storage.let_go()
    await store.durable()
    assert [change.object.metadata.name for change in watch.next_nowait()] == ["after"]


@pytest.mark.asyncio
async def test_a_refused_write_stops_the_store_and_says_why() -> None:
    storage = HeldStorage()
    store = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    storage.held = True
    watch = store.watch()
    create(store, new_pod())
    storage.refuse()
    with pytest.raises(StoreUnavailable, match="the ledger did not take its writes: disk full"):
        await store.durable()
    with pytest.raises(StoreUnavailable):
        create(store, new_pod("another"))
    with pytest.raises(StoreUnavailable):
        await watch.next()


@pytest.mark.asyncio
async def test_a_cancelled_wait_does_not_keep_the_write_from_being_shown() -> None:
    storage = HeldStorage()
    store = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    storage.held = True
    watch = store.watch()
    async with anyio.create_task_group() as tasks:
        with store.batch() as batch:
            batch.create(new_pod())
        tasks.start_soon(batch.durable)
        await turn()
        tasks.cancel_scope.cancel()
    storage.let_go()
    await store.durable()
    assert watch.size == 1


@pytest.mark.asyncio
async def test_a_reopened_store_goes_on_where_it_was(tmp_path: Path) -> None:
    clock = VirtualClock(START_S)
    async with SqliteLog.open(tmp_path / "ledger.db", clock=clock) as log:
        store = await ObjectStore.open(clock, log.objects(), seed=1)
        identity = store.identity
        job = create(store, new_job())
        kept = create(store, new_pod("kept", owner=job))
        gone = create(store, new_pod("gone", owner=job))
        write(store, lambda batch: batch.delete(Pod, key_of(gone)))
        await store.durable()
        revision = store.revision
    async with SqliteLog.open(tmp_path / "ledger.db", clock=clock) as log:
        again = await ObjectStore.open(clock, log.objects(), seed=1)
        assert (again.identity, again.revision) == (identity, revision)
        assert again.find(Job, key_of(job)) == job
        assert list(again.table(Pod)) == [kept]
        assert [pod.metadata.name for pod in again.table(Pod).dependents(job.metadata.uid)] == ["kept"]
        fresh = create(again, new_pod("fresh"))
        assert int(fresh.metadata.resource_version) == revision + 1
        assert fresh.metadata.uid not in {kept.metadata.uid, gone.metadata.uid, job.metadata.uid}
        await again.durable()


@pytest.mark.asyncio
async def test_a_template_is_kept_once_and_goes_with_its_last_pod() -> None:
    storage = HeldStorage()
    store = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    spec = new_pod().spec
    with store.batch() as batch:
        made = [batch.create_pod(replace(new_pod(f"p{number}"), spec=spec)) for number in range(4)]
    assert [key[0] for key in sorted(storage.rows)].count(TEMPLATE_KIND) == 1
    again = await ObjectStore.open(VirtualClock(START_S), storage, seed=1)
    loaded = list(again.table(Pod))
    assert len({id(pod.spec.base) for pod in loaded}) == 1
    for pod in made:
        assert TEMPLATE_KIND in {key[0] for key in storage.rows}
        write(again, lambda batch, pod=pod: batch.delete(Pod, key_of(pod)))  # type: ignore[misc]  # bound per turn
    assert {key[0] for key in storage.rows} == {"Namespace"}


@given(st.lists(st.one_of(jobs(), pods()), max_size=6))
def test_what_is_written_is_read_back(drawn: list[Job | Pod]) -> None:
    named: list[Job | Pod] = [
        replace(one, metadata=replace(one.metadata, namespace=NAMESPACE, name=f"n{number}", resource_version="1"))
        for number, one in enumerate(drawn)
    ]
    writes = ObjectCodec().writes([StoreChange(one, None) for one in named])
    rows = [ObjectRow(kind, namespace, name, body) for kind, namespace, name, body in writes if body is not None]
    read = {(type(one), key_of(one)): one for one in ObjectCodec().objects(rows)}
    assert read == {(type(one), key_of(one)): one for one in named}


def test_a_damaged_row_is_named() -> None:
    with pytest.raises(DamagedLog, match=r"^the ledger's table object, Job ns/job: cannot be read"):
        ObjectCodec().objects([ObjectRow("Job", "ns", "job", b"\xc1")])
    with pytest.raises(DamagedLog, match=r"^the ledger's table object, Widget ns/w: cannot be read"):
        ObjectCodec().objects([ObjectRow("Widget", "ns", "w", b"\x80")])
