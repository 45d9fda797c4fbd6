"""What is left of a Job's state when its cluster was restored from a backup: what was counted, and how pods ended.

Why that is known is `reflector.py`; a finished Job that comes back unfinished is `fold_job.py`'s.
"""

from podledger.job import event as ev
from podledger.job.fold_ends import abandon_sync
from podledger.job.fold_seen import pod_gone
from podledger.job.shares import rebuild
from podledger.job.state import JobState, Phase

__all__ = ["fold_restored"]


def fold_restored(state: JobState) -> None:
    """The cluster was restored: counts and terminal phases stand, all else that was seen or done may be undone.

    What was to be deleted may live on, the Job too, and a pod without the finalizer may bear it again. The list that
    follows tells; pods it does not show are gone.
    """
    abandon_sync(state)
    state.resource_version = "0"
    state.deleting = False
    for pod in list(state.pods.values()):
        pod.resource_version = 0
        if pod.phase >= Phase.SUCCEEDED:
            continue
        if pod.finalizer or not pod.owned:
            pod.deleted = pod.terminating = pod.releasing = False
        else:
            pod_gone(state, ev.PodGone(state.uid, pod.uid))
    rebuild(state)
