"""Making calls: creates in slow start per Job, everything else at once, one outcome each in the commands' order."""

from collections.abc import Callable, Sequence

import pytest
from tests.unit.controller_world import Wrapped

from podledger.api.meta import ObjectMeta
from podledger.api.pod import Pod
from podledger.errors import ClusterError
from podledger.job.command import Command, CreatePod, ReleasePod
from podledger.job.outcome import Created, Done, Failed, Outcome, Skipped, Unknown
from podledger.performing import perform_all
from podledger_adapters.local import LocalCluster


class Calls(Wrapped):
    """Remembers the batches and answers them by a rule."""

    def __init__(self, answer: Callable[[Command], Outcome]) -> None:
        super().__init__(LocalCluster.manual())
        self.answer = answer
        self.batches: list[list[str]] = []

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """See `Cluster.perform`."""
        self.batches.append([name_of(command) for command in commands])
        return [self.answer(command) for command in commands]


def name_of(command: Command) -> str:
    """What the tests call a command."""
    return command.intent if isinstance(command, CreatePod) else getattr(command, "uid", "")


def create(job: str, number: int) -> CreatePod:
    """A create of a Job's n-th pod."""
    return CreatePod(job, f"{job}{number}", Pod(metadata=ObjectMeta(name=f"{job}{number}")))


def release(job: str, uid: str) -> ReleasePod:
    """The release of a pod."""
    return ReleasePod(job, "default", uid, uid)


def all_well(command: Command) -> Outcome:
    """Every call succeeds."""
    return Created(command.pod) if isinstance(command, CreatePod) else Done("7")


@pytest.mark.asyncio
async def test_creates_go_in_batches_of_1_2_4_and_the_other_calls_with_the_first() -> None:
    cluster = Calls(all_well)
    commands: list[Command] = [*(create("a", number) for number in range(9)), release("a", "r1"), release("a", "r2")]
    outcomes = await perform_all(cluster, commands)
    assert cluster.batches == [
        ["r1", "r2", "a0"], ["a1", "a2"], ["a3", "a4", "a5", "a6"], ["a7", "a8"],
    ]  # fmt: skip
    assert outcomes == [all_well(command) for command in commands]


@pytest.mark.asyncio
async def test_jobs_share_batches_and_one_that_fails_stops_alone_after_its_batch() -> None:
    def answer(command: Command) -> Outcome:
        return Failed(403, "Forbidden", "exceeded quota") if name_of(command) == "a1" else all_well(command)

    cluster = Calls(answer)
    commands = [create(job, number) for job in "ab" for number in range(5)]
    outcomes = await perform_all(cluster, commands)
    assert cluster.batches == [["a0", "b0"], ["a1", "a2", "b1", "b2"], ["b3", "b4"]]
    kinds = [type(outcome) for outcome in outcomes]
    assert kinds == [Created, Failed, Created, Skipped, Skipped, *[Created] * 5]


@pytest.mark.asyncio
async def test_without_creates_there_is_one_batch() -> None:
    cluster = Calls(all_well)
    commands = [release("a", f"r{number}") for number in range(100)]
    assert await perform_all(cluster, commands) == [Done("7")] * 100
    assert len(cluster.batches) == 1


@pytest.mark.asyncio
async def test_an_adapter_that_raises_has_lost_the_answers_and_later_creates_are_not_tried() -> None:
    def answer(command: Command) -> Outcome:
        if name_of(command) in ("a1", "a2"):
            raise ClusterError("connection reset")
        return all_well(command)

    outcomes = await perform_all(Calls(answer), [create("a", number) for number in range(5)])
    assert outcomes[1:3] == [Unknown("ClusterError: connection reset")] * 2
    assert outcomes[3:] == [Skipped(), Skipped()]


@pytest.mark.asyncio
async def test_an_adapter_that_forgets_an_outcome_is_told_so() -> None:
    class Forgetful(Calls):
        async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
            return (await super().perform(commands))[1:]

    with pytest.raises(ValueError, match="zip"):
        await perform_all(Forgetful(all_well), [create("a", 0)])
