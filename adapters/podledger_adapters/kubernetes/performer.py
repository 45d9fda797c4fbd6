"""Performing commands: a fixed number of workers, each with one call under way, and what each call amounts to.

No task is made a call. What an answer means is `answer.py`; here are the calls that take more than one request.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, TypeVar

import anyio
import msgspec
from anyio.abc import TaskStatus
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from podledger.errors import ClusterError
from podledger.job.command import (
    AdoptPod,
    Command,
    CreatePod,
    DeletePod,
    LetGoPod,
    PublishStatus,
    RecordEvent,
    ReleasePod,
)
from podledger.job.names import INTENT_ANNOTATION
from podledger.ports import Created, Done, Failed, Outcome, Unknown
from podledger_adapters.kubernetes import request
from podledger_adapters.kubernetes.answer import UNREACHABLE, is_not_found, lost, outcome_of
from podledger_adapters.kubernetes.client import ApiClient, CallLost
from podledger_adapters.kubernetes.decode import decode_job, decode_pod

__all__ = ["NOT_LEADING", "Performer", "attempt"]

logger = logging.getLogger(__name__)

NOT_LEADING: Final = "NotLeader"
"""The reason of a call that was not made since another controller may lead by now."""


C = TypeVar("C")
R = TypeVar("R")


async def attempt(command: C, call: Callable[[C], Awaitable[R]], may_write: Callable[[], bool]) -> R | Failed | Unknown:
    """Make one call if we may, and turn whatever it raises into an outcome: nothing a single call meets is raised."""
    if not may_write():
        return Failed(0, NOT_LEADING, "the lease is not ours any more, or may not be")
    try:
        return await call(command)
    except CallLost as error:
        return lost(error)
    except ClusterError as error:  # no credential, no usable certificate: nothing was sent
        return Failed(0, UNREACHABLE, str(error))
    except Exception as error:
        logger.exception("a %s failed", type(command).__name__)
        return Unknown(f"{type(error).__name__}: {error}")


class _Batch:
    """The commands of one `perform` and their outcomes."""

    __slots__ = ("done", "left", "outcomes")

    def __init__(self, size: int) -> None:
        self.outcomes: list[Outcome] = [Done()] * size
        self.left = size
        self.done = anyio.Event()

    def set(self, at: int, outcome: Outcome) -> None:
        self.outcomes[at] = outcome
        self.left -= 1
        if not self.left:
            self.done.set()


class _Call(NamedTuple):
    command: Command
    batch: _Batch
    at: int


class Performer:
    """`workers` calls are under way at most. `may_write` is asked before each: a leader that lost its lease stops."""

    def __init__(
        self,
        client: ApiClient,
        record: Callable[[RecordEvent], None],
        *,
        workers: int,
        may_write: Callable[[], bool],
    ) -> None:
        self._client, self._record, self._workers, self._may_write = client, record, workers, may_write
        self._calls: MemoryObjectSendStream[_Call] | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled; calls that were not made by then are answered with that."""
        calls, waiting = anyio.create_memory_object_stream[_Call](float("inf"))
        with calls, waiting:
            self._calls = calls
            try:
                async with anyio.create_task_group() as tasks:
                    for _ in range(self._workers):
                        tasks.start_soon(self._work, waiting)
                    task_status.started()
            finally:
                self._calls = None
                _answer_the_rest(waiting)

    async def perform(self, commands: Sequence[Command]) -> Sequence[Outcome]:
        """One outcome each, in order."""
        if not commands:
            return []
        if self._calls is None:
            raise ClusterError("the cluster's client has stopped")
        batch = _Batch(len(commands))
        for at, command in enumerate(commands):
            if isinstance(command, RecordEvent):
                self._record(command)
                batch.set(at, Done())
            else:
                self._calls.send_nowait(_Call(command, batch, at))
        await batch.done.wait()
        return batch.outcomes

    async def _work(self, calls: MemoryObjectReceiveStream[_Call]) -> None:
        async for command, batch, at in calls:
            outcome: Outcome = Unknown("the call was given up")
            try:
                outcome = await attempt(command, self._call, self._may_write)
            finally:
                batch.set(at, outcome)

    async def _call(self, command: Command) -> Outcome:
        match command:
            case CreatePod():
                return await self._create(command)
            case DeletePod():
                return await self._delete(command)
            case AdoptPod():
                return await self._adopt(command)
            case ReleasePod():
                asked = request.release_pod(command)
            case LetGoPod():
                asked = request.let_go_pod(command)
            case PublishStatus():
                asked = request.publish_status(command)
            case RecordEvent():
                self._record(command)
                return Done()
        return outcome_of(command, await self._client.send(asked))

    async def _create(self, command: CreatePod) -> Outcome:
        outcome = outcome_of(command, await self._client.send(request.create_pod(command)))
        if not isinstance(outcome, Failed) or outcome.reason != "AlreadyExists":
            return outcome
        # An earlier call with this intent may have made it, and its answer was lost.
        metadata = command.pod.metadata
        answer = await self._client.send(request.get_pod(metadata.namespace, metadata.name))
        if is_not_found(answer):
            return outcome
        if answer.code != 200:
            return Unknown(f"{outcome.message}, and whose it is cannot be told: {answer.code}")
        try:
            holder = decode_pod(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Unknown(f"{outcome.message}, and it cannot be read: {error}")
        return Created(holder) if holder.metadata.annotations.get(INTENT_ANNOTATION) == command.intent else outcome

    async def _delete(self, command: DeletePod) -> Outcome:
        if not command.release:
            return outcome_of(command, await self._client.send(request.delete_pod(command)))
        # The release comes before the delete, which else would leave the pod waiting for its finalizer.
        released = outcome_of(command, await self._client.send(request.release_pod(command)))
        if released == Done() or not isinstance(released, Done):
            return released
        try:
            outcome = outcome_of(command, await self._client.send(request.delete_pod(command)))
        except ClusterError as error:
            outcome = Unknown(str(error))
        if isinstance(outcome, Failed):  # its finalizer is off, which is not what «refused» means
            return Unknown(f"the finalizer is off, but the delete was refused: {outcome.code} {outcome.message}")
        return outcome

    async def _adopt(self, command: AdoptPod) -> Outcome:
        answer = await self._client.send(request.get_job(command.key))
        if answer.code != 200:
            return outcome_of(command, answer)
        try:
            job = decode_job(answer.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Failed(0, "Undecodable", f"Job {command.key} cannot be read: {error}")
        if job.metadata.uid != command.job:
            why = f"original Job {command.key} not found: got uid {job.metadata.uid}, wanted {command.job}"
            return Failed(409, "Conflict", why)
        if job.metadata.deletion_timestamp is not None:
            return Failed(409, "Conflict", f"{command.key} has just been deleted at {job.metadata.deletion_timestamp}")
        return outcome_of(command, await self._client.send(request.adopt_pod(command)))


def _answer_the_rest(waiting: MemoryObjectReceiveStream[_Call]) -> None:
    """Nobody works any more."""
    while True:
        try:
            _, batch, at = waiting.receive_nowait()
        except anyio.WouldBlock:
            return
        batch.set(at, Failed(0, UNREACHABLE, "the cluster's client has stopped"))
