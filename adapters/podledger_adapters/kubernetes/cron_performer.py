"""Performing the commands of CronJobs: few, so one after another, and what each call amounts to."""

from collections.abc import Callable, Sequence

import msgspec

from podledger.cron.command import (
    CreateJob,
    CronCommand,
    DeleteJob,
    LookUpJob,
    PublishCronStatus,
    RecordCronEvent,
)
from podledger.ports import CronOutcome, Done, Failed, JobCreated, Unknown
from podledger_adapters.kubernetes import request
from podledger_adapters.kubernetes.answer import is_not_found, outcome_of
from podledger_adapters.kubernetes.client import Answer, ApiClient
from podledger_adapters.kubernetes.decode import decode_job
from podledger_adapters.kubernetes.performer import attempt

__all__ = ["CronPerformer"]


class CronPerformer:
    """`may_write` is asked before each call, as `Performer` does."""

    def __init__(
        self, client: ApiClient, record: Callable[[RecordCronEvent], None], *, may_write: Callable[[], bool]
    ) -> None:
        self._client, self._record, self._may_write = client, record, may_write

    async def perform(self, commands: Sequence[CronCommand]) -> Sequence[CronOutcome]:
        """One outcome each, in order."""
        return [await attempt(command, self._call, self._may_write) for command in commands]

    async def _call(self, command: CronCommand) -> CronOutcome:
        match command:
            case CreateJob():
                return await self._create(command)
            case LookUpJob():
                return await self._look_up(command)
            case DeleteJob():
                asked = request.delete_job(command)
            case PublishCronStatus():
                asked = request.publish_cron_status(command)
            case RecordCronEvent():
                self._record(command)
                return Done()
        return _plain(command, await self._client.send(asked))

    async def _create(self, command: CreateJob) -> CronOutcome:
        answer = await self._client.send(request.create_job(command))
        if 200 <= answer.code < 300:
            return _job_in(answer, found=False)
        outcome = _plain(command, answer)
        if not isinstance(outcome, Failed) or outcome.reason != "AlreadyExists":
            return outcome
        # An earlier call may have made it, and its answer was lost.
        there = await self._client.send(request.get_job(command.job.key))
        if there.code != 200:
            return outcome if is_not_found(there) else Unknown(f"{outcome.message}, and it cannot be got: {there.code}")
        holder = _job_in(there, found=True)
        if isinstance(holder, JobCreated):
            controller = holder.job.metadata.controller()
            if controller is None or controller.uid != command.cronjob:
                return outcome
        return holder

    async def _look_up(self, command: LookUpJob) -> CronOutcome:
        answer = await self._client.send(request.get_job(command.key))
        if answer.code != 200:
            return _plain(command, answer)
        found = _job_in(answer, found=True)
        if not isinstance(found, JobCreated):
            return found
        if found.job.metadata.uid != command.uid:
            return Failed(404, "NotFound", f"Job {command.key} is another one by now")
        return Done(found.job.metadata.resource_version)


def _plain(command: CronCommand, answer: Answer) -> CronOutcome:
    """The outcome of a call that makes no Job."""
    outcome = outcome_of(command, answer)
    assert isinstance(outcome, Done | Failed | Unknown), "only pods are answered otherwise"
    return outcome


def _job_in(answer: Answer, *, found: bool) -> CronOutcome:
    try:
        return JobCreated(decode_job(answer.body), found)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unknown(f"{answer.code}, but the answer cannot be read: {error}")
