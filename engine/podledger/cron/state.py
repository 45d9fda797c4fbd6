"""What is known of one CronJob: the fold's result, the only thing decisions read. How events change it is `fold.py`."""

from enum import IntEnum

import msgspec
from msgspec import Struct

from podledger.api.cronjob import CronJobSpec, CronJobStatus
from podledger.api.job import JobKey
from podledger.api.kubernetes_event import ObjectReference
from podledger.cron.event import ScheduleFired

__all__ = ["CronState", "CronStep", "RunRecord", "decode_cron_state", "encode_cron_state"]


class CronStep(IntEnum):
    """The steps of a sync, in the order of Kubernetes' writes."""

    TIDY = 1
    SETTLE = 2
    REPLACE = 3
    START = 4
    PUBLISH = 5


class RunRecord(Struct, array_like=True):
    """What is known of one run. Times are Unix seconds, 0 for none; `condition` is Complete, Failed or "".

    `deleted` is a delete of ours that was accepted.
    """

    uid: str
    name: str
    controlled: bool
    resource_version: int
    start_s: int = 0
    condition: str = ""
    completed_s: int = 0
    deleted: bool = False


class CronState(Struct, kw_only=True):
    """All that the log knows of one CronJob.

    `published` is the status as the cluster holds it; `active`, `last_schedule_s` and `last_success_s` are what the
    next one will say. `created` are the runs made since the last status was published, `created_s` the latest slot of
    them. `firing` is a run whose creation has no outcome yet. Slots up to `told_s` are accounted for as run, missed or
    skipped; `refused` is what was last said against the schedule.

    Of the syncs: `news` tells that something happened that asks for one, `rearm` that the schedule changed, `blocked`
    that a call failed without which nothing may be started in this sync.
    """

    uid: str
    namespace: str
    name: str
    resource_version: str = ""
    generation: int = 0
    creation_s: int = 0
    spec: CronJobSpec = CronJobSpec()
    deleting: bool = False

    published: CronJobStatus = CronJobStatus()
    intended: CronJobStatus | None = None
    active: dict[str, ObjectReference] = {}
    last_schedule_s: int = 0
    last_success_s: int = 0
    runs: dict[str, RunRecord] = {}
    created: dict[str, ObjectReference] = {}
    created_s: int = 0

    firing: ScheduleFired | None = None
    told_s: int = 0
    refused: str = ""
    step: int = 0
    news: bool = True
    rearm: bool = False
    blocked: bool = False

    @property
    def key(self) -> JobKey:
        """Namespace and name."""
        return JobKey(self.namespace, self.name)

    @property
    def earliest(self) -> float:
        """From when on slots are looked for, startingDeadlineSeconds left out of account."""
        return float(self.last_schedule_s or self.creation_s)

    def job_name(self, slot_s: int) -> str:
        """The name of a slot's Job: by the minute."""
        return f"{self.name}-{slot_s // 60}"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(CronState)


def encode_cron_state(state: CronState) -> bytes:
    """The state as msgpack."""
    return _encoder.encode(state)


def decode_cron_state(body: bytes) -> CronState:
    """The state again. Raises msgspec.DecodeError."""
    return _decoder.decode(body)
