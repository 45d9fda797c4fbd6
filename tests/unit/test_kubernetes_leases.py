"""Leader election in virtual time, against a lease kept as an API server keeps one."""

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from podledger.api.lease import Lease
from podledger.clock import VirtualClock
from podledger_adapters.kubernetes.client import Answer, CallLost
from podledger_adapters.kubernetes.leases import LeaderElection, LeaseLost
from podledger_adapters.kubernetes.request import ApiRequest

START_S = 1_800_000_000.0


class LeaseServer:
    """One lease, with optimistic concurrency. `down` answers nothing."""

    def __init__(self) -> None:
        self.lease: Lease | None = None
        self.revision, self.writes, self.down = 0, 0, False

    async def send(self, request: ApiRequest) -> Answer:
        if self.down:
            raise CallLost("cannot be reached", sent=False)
        if request.method == "GET":
            return Answer(404, b"{}") if self.lease is None else self._answer()
        written = msgspec.json.decode(request.body, type=Lease)
        if request.method == "POST" and self.lease is not None:
            return Answer(409, b"{}")
        if request.method == "PUT":
            if self.lease is None:
                return Answer(404, b"{}")
            if written.metadata.resource_version != self.lease.metadata.resource_version:
                return Answer(409, b"{}")
        self.revision += 1
        self.writes += 1
        self.lease = replace(written, metadata=replace(written.metadata, resource_version=str(self.revision)))
        return self._answer()

    def _answer(self) -> Answer:
        return Answer(200, msgspec.json.encode(self.lease))

    @property
    def holder(self) -> str | None:
        assert self.lease is not None
        return self.lease.spec.holder_identity


def candidate(server: LeaseServer, clock: VirtualClock, name: str) -> LeaderElection:
    return LeaderElection(server, clock, namespace="kube-system", name="lease", identity=name)


@pytest.mark.asyncio
async def test_the_first_one_makes_the_lease_and_leads() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first = candidate(server, clock, "a")
    assert not first.leads
    await first.acquire()
    assert first.leads
    assert server.lease is not None
    spec = server.lease.spec
    assert (spec.holder_identity, spec.lease_duration_seconds, spec.lease_transitions) == ("a", 15, 0)
    assert spec.renew_time == "2027-01-15T08:00:00.000000Z"


@pytest.mark.asyncio
async def test_a_lease_that_is_renewed_stays_and_one_that_is_not_goes_to_the_next() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first, second = candidate(server, clock, "a"), candidate(server, clock, "b")
    await first.acquire()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(second.acquire)
        with anyio.move_on_after(None) as holding:
            async with anyio.create_task_group() as holders:
                holders.start_soon(first.hold)
                await clock.sleep_until(START_S + 60)
                assert first.leads
                assert server.holder == "a"
                holding.cancel()
    # The first one stopped without a word: a lease's length after its last renewal the second one has it.
    assert second.leads
    assert not first.leads
    assert server.holder == "b"
    assert server.lease is not None
    assert server.lease.spec.lease_transitions == 1
    assert 13 <= clock.now() - (START_S + 60) <= 19


@pytest.mark.asyncio
async def test_who_goes_on_after_a_long_stop_knows_at_once_and_then_hears_that_another_leads() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first, second = candidate(server, clock, "a"), candidate(server, clock, "b")
    await first.acquire()
    await second.acquire()  # takes it over in the end: the first one does nothing
    assert clock.now() - START_S >= 15
    assert not first.leads
    with pytest.raises(LeaseLost, match="held by b"):
        await first.hold()
    assert server.holder == "b"


@pytest.mark.asyncio
async def test_a_server_that_cannot_be_reached_ends_the_lead_before_the_lease_ends() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first = candidate(server, clock, "a")
    await first.acquire()
    server.down = True
    with pytest.raises(LeaseLost, match="could not be renewed for 10 s"):
        await first.hold()
    assert 10 <= clock.now() - START_S < 15
    assert not first.leads


@pytest.mark.asyncio
async def test_a_lease_that_was_given_back_is_taken_at_once() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first, second = candidate(server, clock, "a"), candidate(server, clock, "b")
    await first.acquire()
    await first.release()
    assert not first.leads
    await second.acquire()
    assert second.leads
    assert clock.now() == START_S


@pytest.mark.asyncio
async def test_a_lease_that_somebody_touched_and_left_ours_is_no_loss() -> None:
    server, clock = LeaseServer(), VirtualClock(START_S)
    first = candidate(server, clock, "a")
    await first.acquire()
    assert server.lease is not None
    server.lease = replace(server.lease, metadata=replace(server.lease.metadata, resource_version="77"))
    with anyio.move_on_after(None) as holding:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(first.hold)
            await clock.sleep_until(START_S + 30)
            assert first.leads
            holding.cancel()
    assert server.holder == "a"
