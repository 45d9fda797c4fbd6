"""Watching: shared batches, resuming from history, and falling behind."""

import anyio
import anyio.lowlevel
import pytest
from tests.store_objects import NAMESPACE, create, key_of, new_pod, new_store, pending, write

from podledger.api.pod import Pod
from podledger_adapters.store import ApiError, ObjectStore
from podledger_adapters.store import watch as watching


def create_many(store: ObjectStore, first: int, count: int) -> None:
    with store.batch() as batch:
        for number in range(first, first + count):
            batch.create(new_pod(f"p{number}"))


def test_watchers_get_the_same_list_of_the_same_objects() -> None:
    store = new_store()
    one, other = store.watch(), store.watch()
    create_many(store, 0, 3)
    changes = one.next_nowait()
    assert changes is other.next_nowait()
    assert changes[0].object is store.find(Pod, (NAMESPACE, "p0"))


def test_batches_that_wait_are_handed_over_together_in_order() -> None:
    store = new_store()
    watch = store.watch()
    create_many(store, 0, 2)
    create_many(store, 2, 2)
    assert [change.object.metadata.name for change in watch.next_nowait()] == ["p0", "p1", "p2", "p3"]
    assert watch.next_nowait() == ()


def test_a_watch_resumes_after_any_revision_also_in_the_middle_of_a_batch() -> None:
    store = new_store()
    start = store.revision
    create_many(store, 0, 3)
    create_many(store, 3, 2)
    for seen in range(6):
        names = [change.object.metadata.name for change in pending(store.watch(start + seen))]
        assert names == [f"p{number}" for number in range(seen, 5)]


def test_a_removal_bears_its_own_revision_and_the_object_as_it_was() -> None:
    store = new_store()
    pod = create(store, new_pod())
    watch = store.watch()
    write(store, lambda batch: batch.delete(Pod, key_of(pod)))
    (change,) = watch.next_nowait()
    assert change.removed
    assert change.previous is pod
    assert change.object.metadata.uid == pod.metadata.uid
    assert change.revision == int(pod.metadata.resource_version) + 1


def test_what_is_older_than_the_history_is_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HISTORY_CHANGES", 4)
    store = new_store()
    start = store.revision
    for number in range(4):
        create_many(store, number * 2, 2)
    oldest = start + 4
    assert len(pending(store.watch(oldest))) == 4
    with pytest.raises(ApiError) as caught:
        store.watch(oldest - 1)
    error = caught.value
    assert (error.code, error.reason, str(error)) == (
        410,
        "Expired",
        f"too old resource version: {oldest - 1} ({oldest})",
    )


def test_a_batch_larger_than_the_history_can_still_be_resumed_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "HISTORY_CHANGES", 4)
    store = new_store()
    start = store.revision
    create_many(store, 0, 10)
    assert len(pending(store.watch(start))) == 10


def test_a_watcher_that_falls_too_far_behind_is_expired_and_holds_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "WATCH_CHANGES", 4)
    store = new_store()
    slow, quick = store.watch(), store.watch()
    create_many(store, 0, 3)
    assert len(quick.next_nowait()) == 3
    create_many(store, 3, 3)
    assert len(quick.next_nowait()) == 3
    with pytest.raises(ApiError, match="too old resource version"):
        slow.next_nowait()


def test_a_closed_watch_gets_nothing_more() -> None:
    store = new_store()
    watch = store.watch()
    watch.close()
    create_many(store, 0, 1)
    assert watch.size == 0


@pytest.mark.asyncio
async def test_a_waiting_watcher_is_woken_by_a_write_and_by_a_failure() -> None:
    store = new_store()
    watch = store.watch()
    seen: list[str] = []

    async def look() -> None:
        async for changes in watch:
            seen.extend(change.object.metadata.name for change in changes)

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012  # the group is what ends
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look)
            await anyio.lowlevel.checkpoint()
            create_many(store, 0, 1)
            store.fail(RuntimeError("broken"))
    assert seen == ["p0"], "what was written before the failure is still handed over"
    assert [str(error) for error in caught.value.exceptions] == ["broken"]
