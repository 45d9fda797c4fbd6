"""Making the calls that decisions ask for: slow start for creates, everything else at once.

Creates of one Job go in batches of 1, 2, 4, ... and stop after a batch with an error, so that a quota or a broken
webhook costs few calls, as upstream. Batches of different Jobs go together.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from podledger.job.command import Command, CreatePod
from podledger.job.outcome import Created, Outcome, Skipped, Unknown
from podledger.ports import Cluster

__all__ = ["lost_as_unknown", "perform_all"]

logger = logging.getLogger(__name__)

AnyCommand = TypeVar("AnyCommand")
AnyOutcome = TypeVar("AnyOutcome")


async def perform_all(cluster: Cluster, commands: Sequence[Command]) -> list[Outcome]:
    """Perform commands; one outcome each, in their order. An adapter that raises is taken as a lost answer."""
    queues: dict[str, list[int]] = {}
    first: list[int] = []
    for at, command in enumerate(commands):
        if isinstance(command, CreatePod):
            queues.setdefault(command.job, []).append(at)
        else:
            first.append(at)
    if not queues:
        return list(await lost_as_unknown(cluster.perform, commands))
    outcomes: list[Outcome] = [Skipped()] * len(commands)
    size = 1
    while queues or first:
        wave = first + [at for queue in queues.values() for at in queue[:size]]
        first = []
        calls = [commands[at] for at in wave]
        for at, outcome in zip(wave, await lost_as_unknown(cluster.perform, calls), strict=True):
            outcomes[at] = outcome
        queues = {
            job: queue[size:]
            for job, queue in queues.items()
            if len(queue) > size and all(isinstance(outcomes[at], Created) for at in queue[:size])
        }
        size *= 2
    return outcomes


async def lost_as_unknown(
    perform: Callable[[Sequence[AnyCommand]], Awaitable[Sequence[AnyOutcome]]], commands: Sequence[AnyCommand]
) -> Sequence[AnyOutcome | Unknown]:
    """Make calls; an adapter that raises is taken as a lost answer to each."""
    try:
        return await perform(commands)
    except Exception as error:
        logger.warning("%d calls to the cluster, their answers lost: %r", len(commands), error)
        return [Unknown(f"{type(error).__name__}: {error}")] * len(commands)
