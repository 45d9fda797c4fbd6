"""The Job of a slot: a copy of the CronJob's template with name, owner and slot."""

from datetime import datetime, tzinfo

from podledger.api.job import Job
from podledger.api.meta import ObjectMeta, OwnerReference
from podledger.cron.state import CronState

__all__ = ["SCHEDULED_TIMESTAMP", "build_job"]

SCHEDULED_TIMESTAMP = "batch.kubernetes.io/cronjob-scheduled-timestamp"


def build_job(state: CronState, slot_s: int, zone: tzinfo) -> Job:
    """The Job to create for a slot; `zone` is spec.timeZone's, in which the annotation tells the slot."""
    template = state.spec.job_template
    told = datetime.fromtimestamp(slot_s, zone).isoformat()
    if told.endswith("+00:00"):
        told = told.removesuffix("+00:00") + "Z"
    owner = OwnerReference(
        api_version="batch/v1",
        kind="CronJob",
        name=state.name,
        uid=state.uid,
        controller=True,
        block_owner_deletion=True,
    )
    metadata = ObjectMeta(
        name=state.job_name(slot_s),
        namespace=state.namespace,
        labels=template.metadata.labels,
        annotations={**template.metadata.annotations, SCHEDULED_TIMESTAMP: told},
        owner_references=(owner,),
    )
    return Job(metadata=metadata, spec=template.spec)
