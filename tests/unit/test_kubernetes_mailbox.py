"""Changes on their way from watches to their consumer: in order, never too many, and with an end."""

from collections.abc import Sequence

import anyio
import pytest
from tests.kubernetes_server import api_server
from tests.unit.controller_world import turns

from podledger.errors import ClusterError
from podledger.ports import Bookmark, Change
from podledger_adapters.kubernetes.cluster import KubernetesCluster
from podledger_adapters.kubernetes.list_watch import KindWatcher
from podledger_adapters.kubernetes.mailbox import Mailbox

pytestmark = pytest.mark.asyncio


def changes(*versions: int) -> Sequence[Change]:
    return [Bookmark("Pod", str(version)) for version in versions]


async def test_what_waits_for_room_is_taken_before_what_comes_later() -> None:
    mailbox = Mailbox(capacity=2)
    async with anyio.create_task_group() as tasks:
        await mailbox.put(changes(1, 2))
        tasks.start_soon(mailbox.put, changes(3))
        await turns()
        assert list(await mailbox.take()) == changes(1, 2)
        await mailbox.put(changes(4))  # though whoever waits was not woken yet
        assert list(await mailbox.take()) == changes(3, 4)


async def test_whoever_waits_when_nothing_comes_any_more_is_woken() -> None:
    mailbox = Mailbox()
    await mailbox.put(changes(1))
    mailbox.end()
    assert list(await mailbox.take()) == changes(1)
    assert list(await mailbox.take()) == []


async def test_a_watch_that_fails_is_an_error_and_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_self: KindWatcher) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(KindWatcher, "run", fail)
    async with api_server() as (_, access), KubernetesCluster(access) as cluster, cluster.watch() as batches:
        with anyio.fail_after(30), pytest.raises(ClusterError, match="the watch stopped: RuntimeError: a fault"):
            await anext(batches)
