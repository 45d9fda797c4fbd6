"""Takes the Job tracking finalizer off pods that no Job will ever account for, so that they can go.

Upstream this is a duty of the Job controller, run beside its syncs (KEP-2307). It needs no decision of a Job
and no memory, so for local clusters it lives with the store.
"""

from collections.abc import Sequence
from itertools import islice

from podledger.api.job import Job
from podledger.api.pod import Pod
from podledger.job.names import FINALIZER, JOB_CONTROLLER, PODLEDGER_CONTROLLER
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.kinds import RESOURCES
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.perform import without_finalizer
from podledger_adapters.store.table import ObjectKey
from podledger_adapters.store.watch import StoreChange

__all__ = ["TrackingCleanup"]

OURS = (None, JOB_CONTROLLER, PODLEDGER_CONTROLLER)


class TrackingCleanup:
    """Frees pods without a controller, and those whose Job is gone, recreated or finished."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._queue: dict[ObjectKey, None] = {}

    wake_at: float | None = None
    """Nothing is waited for but changes."""

    @property
    def busy(self) -> bool:
        """Whether anything is queued."""
        return bool(self._queue)

    def see(self, changes: Sequence[StoreChange]) -> None:
        """Queue the pods that these changes may have left without a Job that cares."""
        for change in changes:
            seen = change.object
            if isinstance(seen, Pod):
                metadata = seen.metadata
                if not change.removed and FINALIZER in metadata.finalizers:
                    first_seen = change.previous is None
                    deleted = metadata.deletion_timestamp is not None
                    if deleted or first_seen or metadata.controller() is None:
                        self._queue[metadata.namespace, metadata.name] = None
            elif isinstance(seen, Job) and (change.removed or seen.status.finished):
                for pod in self._store.table(Pod).dependents(seen.metadata.uid):
                    if FINALIZER in pod.metadata.finalizers:
                        self._queue[pod.metadata.namespace, pod.metadata.name] = None

    def work(self, batch: Batch, limit: int) -> None:
        """Free up to `limit` of them, if that still holds."""
        for key in tuple(islice(self._queue, limit)):
            del self._queue[key]
            pod = self._store.find(Pod, key)
            if pod is not None and FINALIZER in pod.metadata.finalizers and self._abandoned(pod):
                batch.modify(Pod, key, without_finalizer, uid=pod.metadata.uid)

    def _abandoned(self, pod: Pod) -> bool:
        controller = pod.metadata.controller()
        if controller is None:
            return True
        if controller.kind != "Job" or controller.api_version != RESOURCES[Job].api_version:
            return False
        job = self._store.find(Job, (pod.metadata.namespace, controller.name))
        if job is None:
            return True
        if job.spec.managed_by not in OURS:
            return False
        return job.metadata.uid != controller.uid or job.status.finished
