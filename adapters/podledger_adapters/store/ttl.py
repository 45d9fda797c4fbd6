"""Deletes finished Jobs when their ttlSecondsAfterFinished is over: Kubernetes' TTL-after-finished controller.

A Job's time runs from the transition of its Complete or Failed condition. When it is over the Job is judged once more
by what is stored then (the field may be changed at any time, the Job may be another one of its name), and deleted in
the foreground: it stays until its pods are gone.
"""

import logging
from collections.abc import Sequence

from podledger.api.job import Job
from podledger.queue import DueKeys
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.deletion import DeleteOptions
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["TtlAfterFinished"]

logger = logging.getLogger(__name__)


class TtlAfterFinished:
    """Knows when each finished Job is to go."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._due = DueKeys()

    @property
    def busy(self) -> bool:
        """Whether a Job's time is over."""
        at = self._due.next_at()
        return at is not None and at <= self._store.clock.now()

    @property
    def wake_at(self) -> float | None:
        """When the next Job's time is over."""
        return self._due.next_at()

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Note Jobs that are finished and have a time to live."""
        for change in changes:
            job = change.object
            if isinstance(job, Job) and not change.removed:
                self._note(job)

    def work(self, batch: Batch, limit: int) -> None:
        """Delete up to `limit` Jobs whose time is over, if that still holds."""
        now = self._store.clock.now()
        for text in self._due.take(now, limit):
            key = _key(text)
            job = self._store.find(Job, key)
            expires = None if job is None else expires_at(job)
            if job is None or expires is None:
                continue
            if expires > now:
                self._due.add(text, expires)
            else:
                batch.delete(Job, key, DeleteOptions(uid=job.metadata.uid, propagation="Foreground"))

    def _note(self, job: Job) -> None:
        expires = expires_at(job)
        if expires is None:
            return
        ttl_s = job.spec.ttl_seconds_after_finished or 0
        if expires - ttl_s > self._store.clock.now():
            logger.warning("Job %s finished in the future, by its own clock: its deletion waits for that", job.key)
        self._due.add(f"{job.metadata.namespace}/{job.metadata.name}", expires)


def expires_at(job: Job) -> float | None:
    """When a Job's time to live is over, in Unix seconds; None while it has no end."""
    ttl_s = job.spec.ttl_seconds_after_finished
    if ttl_s is None or job.metadata.deletion_timestamp is not None:
        return None
    for condition in job.status.conditions:
        if condition.type in ("Complete", "Failed") and condition.status == "True":
            finished = condition.last_transition_time
            return None if finished is None else finished.timestamp() + ttl_s
    return None


def _key(text: str) -> ObjectKey:
    namespace, _, name = text.partition("/")
    return namespace, name
