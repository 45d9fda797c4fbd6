"""Whose pods are whose: adoption of ownerless pods, letting go of pods that no longer match.

Done before anything is counted, in every sync; a failure ends the sync.
"""

from podledger.job import event as ev
from podledger.job.command import AdoptPod, LetGoPod
from podledger.job.plan import Plan

__all__ = ["claim_pods"]


def claim_pods(plan: Plan) -> None:
    """Adopt what matches and belongs to nobody, let go what is ours and does not match; neither while being deleted.

    A pod that was taken from us, or cannot be ours any more, but still bears the finalizer, only loses the finalizer.
    While the Job is being deleted what does not match is passed over, but for a pod that is being deleted as well: it
    loses the finalizer. Upstream leaves it, and a deletion of the Job that waits for its pods then waits for ever.
    """
    state = plan.state
    foreign = [state.pods[uid] for uid in state.tally.foreign]
    for pod in sorted(foreign, key=lambda pod: pod.order):
        uid = pod.uid
        if pod.owned and not state.deleting:
            plan.events.append(ev.LetGoIntended(state.uid, uid))
            plan.commands.append(LetGoPod(state.uid, state.namespace, pod.name, uid))
        elif pod.matches and not state.deleting and not pod.terminating:
            plan.events.append(ev.AdoptIntended(state.uid, uid))
            plan.commands.append(AdoptPod(state.uid, state.key, pod.name, uid))
        elif pod.finalizer and not pod.releasing and (pod.terminating or not pod.owned):
            plan.release(pod, "no longer the Job's")
