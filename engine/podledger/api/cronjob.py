"""batch/v1 CronJob: Jobs on a schedule. Defaults are in `podledger.api.defaults`."""

from datetime import datetime

from podledger.api.job import JobKey, JobSpec
from podledger.api.kubernetes_event import ObjectReference
from podledger.api.meta import ApiStruct, ObjectMeta, always

__all__ = ["CronJob", "CronJobSpec", "CronJobStatus", "JobTemplateSpec"]


class JobTemplateSpec(ApiStruct, frozen=True):
    """What a Job of the CronJob is made from."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: JobSpec = always(JobSpec())


class CronJobSpec(ApiStruct, frozen=True):
    """What was asked for. `schedule` is in cron's notation, `concurrency_policy` Allow, Forbid or Replace."""

    schedule: str = always("")
    time_zone: str | None = None
    starting_deadline_seconds: int | None = None
    concurrency_policy: str = ""
    suspend: bool | None = None
    job_template: JobTemplateSpec = always(JobTemplateSpec())
    successful_jobs_history_limit: int | None = None
    failed_jobs_history_limit: int | None = None


class CronJobStatus(ApiStruct, frozen=True):
    """Which Jobs run now, and when the last was due."""

    active: tuple[ObjectReference, ...] = ()
    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None


class CronJob(ApiStruct, frozen=True):
    """A batch/v1 CronJob. `apiVersion` and `kind` are added when it is written as a document."""

    metadata: ObjectMeta = always(ObjectMeta())
    spec: CronJobSpec = always(CronJobSpec())
    status: CronJobStatus = always(CronJobStatus())

    @property
    def key(self) -> JobKey:
        """Namespace and name."""
        return JobKey(self.metadata.namespace, self.metadata.name)
