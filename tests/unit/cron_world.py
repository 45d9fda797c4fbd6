"""One CronJob and its Jobs, as a test wants them: real decisions on a cluster of dictionaries, at times it chooses."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from podledger.api.cronjob import CronJob, CronJobSpec, CronJobStatus, JobTemplateSpec
from podledger.api.job import Job, JobCondition, JobSpec, JobStatus, PodTemplateSpec
from podledger.api.kubernetes_event import ObjectReference
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.cron.command import CreateJob, CronCommand, DeleteJob, LookUpJob, PublishCronStatus, RecordCronEvent
from podledger.cron.decision import decide_cron, proceed_cron
from podledger.cron.event import CronEvent
from podledger.cron.fold import abandon_cron_sync, fold_cron
from podledger.cron.observation import observe_cronjob, observe_run, observe_run_gone
from podledger.cron.outcome import CronOutcome, JobCreated, cron_notices_of, observe_cron_outcome
from podledger.cron.state import CronState
from podledger.job.outcome import Done, Failed

__all__ = ["CronWorld", "Synced", "name_of", "seconds"]

UID = "cron-uid"
TEMPLATE = PodTemplateSpec(spec={"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]})
MOST_STEPS = 20


def seconds(text: str) -> float:
    """`01-02 10:00:00.1` of 2025, or with a year in front, as Unix seconds; times are UTC."""
    text = text if text.count("-") == 2 else f"2025-{text}"
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def name_of(slot: str) -> str:
    """The name of a slot's Job."""
    return f"hello-{int(seconds(slot)) // 60}"


class Synced(Struct):
    """What a sync came to: Jobs created and deleted by name, Kubernetes Events, and when the next one is due."""

    created: list[str] = []
    deleted: list[str] = []
    told: list[str] = []
    wake_at: float | None = None
    now: float = 0.0

    @property
    def reasons(self) -> list[str]:
        """The reasons of the Kubernetes Events."""
        return [text.split()[1] for text in self.told]

    @property
    def wait_s(self) -> float | None:
        """How long until the next sync, to the tenth of a second."""
        return None if self.wake_at is None else round(self.wake_at - self.now, 1)


class CronWorld:
    """`created` and `last` are creationTimestamp and lastScheduleTime, in the notation of `seconds`."""

    def __init__(self, schedule: str, *, created: str, last: str | None = None, **spec: Any) -> None:
        fields: dict[str, Any] = {
            "concurrency_policy": "Allow",
            "successful_jobs_history_limit": 3,
            "failed_jobs_history_limit": 1,
            "job_template": JobTemplateSpec(spec=JobSpec(template=TEMPLATE)),
            **spec,
        }
        meta = ObjectMeta(name="hello", namespace="default", uid=UID, resource_version="1", generation=1)
        status = CronJobStatus(last_schedule_time=None if last is None else _at(seconds(last)))
        self.cronjob = CronJob(
            metadata=replace(meta, creation_timestamp=_at(seconds(created))),
            spec=CronJobSpec(schedule=schedule, **fields),
            status=status,
        )
        self.jobs: dict[str, Job] = {}
        self.log: list[CronEvent] = []
        self.state: CronState | None = None
        self.answer: Callable[[CronCommand], CronOutcome | None] = lambda command: None
        """May answer in the cluster's place."""
        self._version = 1
        self._uids = 0

    # ---- what happens --------------------------------------------------------------------------------------------

    def sync(self, now: str) -> Synced:
        """See what is there, then one sync to its end."""
        at = seconds(now)
        self.observe()
        state = self._known()
        result = Synced(now=at)
        decision = decide_cron(state, at)
        for _ in range(MOST_STEPS):
            if not decision.events:
                result.wake_at = decision.wake_at
                return result
            self._fold(decision.events)
            for command in decision.commands:
                self._perform(command, result)
            decision = proceed_cron(state, at)
        raise AssertionError(f"no end after {MOST_STEPS} steps: {decision}")

    def observe(self) -> None:
        """Take in CronJob and Jobs as they are."""
        self._fold(observe_cronjob(self.state, self.cronjob))
        state = self._known()
        runs = [job for job in self.jobs.values() if _owner(job) == self.cronjob.metadata.name]
        for job in runs:
            self._fold(observe_run(state, job))
        uids = {job.metadata.uid for job in runs}
        for uid in [uid for uid in state.runs if uid not in uids]:
            self._fold(observe_run_gone(state, uid))

    def restart(self, *, log_lost: bool = False) -> None:
        """The controller starts anew, from its log or from the cluster alone."""
        if log_lost:
            self.state = None
        else:
            abandon_cron_sync(self._known())

    def change(self, **spec: Any) -> None:
        """The user changes the spec."""
        self.cronjob = replace(self.cronjob, spec=replace(self.cronjob.spec, **spec))
        self._touch()

    def delete(self, now: str) -> None:
        """The CronJob is being deleted, and held by a finalizer."""
        meta = replace(self.cronjob.metadata, deletion_timestamp=_at(seconds(now)), finalizers=("x",))
        self.cronjob = replace(self.cronjob, metadata=meta)
        self._touch()

    def add(self, name: str, *, controller: str = UID, owner: str = "hello") -> Job:
        """Somebody else makes a Job."""
        reference = OwnerReference(api_version="batch/v1", kind="CronJob", name=owner, uid=controller, controller=True)
        job = Job(metadata=ObjectMeta(name=name, namespace="default", owner_references=(reference,)))
        return self._store(job)

    def make_active(self, job: Job) -> None:
        """status.active names the Job."""
        meta = job.metadata
        reference = ObjectReference(kind="Job", name=meta.name, uid=meta.uid, api_version="batch/v1")
        status = replace(self.cronjob.status, active=(*self.cronjob.status.active, reference))
        self.cronjob = replace(self.cronjob, status=status)
        self._touch()

    def finish(self, name: str, at: str, condition: str = "Complete", *, started: str | None = None) -> None:
        """A Job ends."""
        job, time = self.jobs[name], _at(seconds(at))
        ended = JobCondition(type=condition, status="True", last_transition_time=time)
        status = JobStatus(
            conditions=(ended,),
            start_time=time if started is None else _at(seconds(started)),
            completion_time=time if condition == "Complete" else None,
        )
        self.jobs[name] = replace(job, status=status)

    # ---- what is asked -------------------------------------------------------------------------------------------

    @property
    def active(self) -> list[str]:
        """The names in status.active, as stored."""
        return [reference.name for reference in self.cronjob.status.active]

    @property
    def last(self) -> float | None:
        """status.lastScheduleTime, as stored."""
        time = self.cronjob.status.last_schedule_time
        return None if time is None else time.timestamp()

    def logged(self, kind: type[CronEvent]) -> list[Any]:
        """The log's events of a kind."""
        return [event for event in self.log if isinstance(event, kind)]

    # ---- the cluster ---------------------------------------------------------------------------------------------

    def _known(self) -> CronState:
        if self.state is None:
            meta = self.cronjob.metadata
            self.state = CronState(uid=meta.uid, namespace=meta.namespace, name=meta.name)
        return self.state

    def _fold(self, events: Sequence[CronEvent]) -> None:
        state = self._known()
        for event in events:
            fold_cron(state, event)
        self.log.extend(events)

    def _touch(self) -> str:
        self._version += 1
        meta = self.cronjob.metadata
        self.cronjob = replace(self.cronjob, metadata=replace(meta, resource_version=str(self._version)))
        return str(self._version)

    def _store(self, job: Job) -> Job:
        self._uids += 1
        self._version += 1
        meta = replace(job.metadata, uid=f"job-{self._uids}", resource_version=str(self._version))
        stored = self.jobs[job.metadata.name] = replace(job, metadata=meta)
        return stored

    def _perform(self, command: CronCommand, result: Synced) -> None:
        if isinstance(command, RecordCronEvent):
            result.told.append(f"{command.type} {command.reason} {command.message}")
            return
        outcome = self.answer(command) or self._apply(command, result)
        state = self._known()
        self._fold(observe_cron_outcome(state, command, outcome))
        for notice in cron_notices_of(state, command, outcome):
            self._perform(notice, result)

    def _apply(self, command: CronCommand, result: Synced) -> CronOutcome:
        match command:
            case CreateJob():
                name = command.job.metadata.name
                holder = self.jobs.get(name)
                if holder is None:
                    result.created.append(name)
                    return JobCreated(self._store(command.job))
                controller = holder.metadata.controller()
                if controller is not None and controller.uid == command.cronjob:
                    return JobCreated(holder, found=True)
                return Failed(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
            case DeleteJob():
                del self.jobs[command.key.name]
                result.deleted.append(command.key.name)
                return Done()
            case LookUpJob():
                found = self.jobs.get(command.key.name)
                return Done("1") if found is not None else Failed(404, "NotFound", "not found")
            case PublishCronStatus():
                if command.resource_version != self.cronjob.metadata.resource_version:
                    return Failed(409, "Conflict", "the object has been modified")
                self.cronjob = replace(self.cronjob, status=command.status)
                return Done(self._touch())
            case _:
                raise AssertionError(command)


def _owner(job: Job) -> str:
    controller = job.metadata.controller()
    return "" if controller is None else controller.name


def _at(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
