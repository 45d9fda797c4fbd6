"""Suspend and resume: the Suspended condition and the start time that goes with it (KEP-2232)."""

from podledger.job import event as ev
from podledger.job.plan import Plan
from podledger.job.times import to_seconds

__all__ = ["decide_suspension"]


def decide_suspension(plan: Plan) -> None:
    """Turn the Suspended condition where spec.suspend asks for it; a Job never suspended gets none."""
    state = plan.state
    suspended = state.is_true("Suspended")
    if state.spec.suspend:
        if not suspended:
            _turn(plan, "True", "JobSuspended", "Job suspended")
            plan.events.append(ev.StartTimeSet(state.uid, 0))
            plan.tell("Normal", "Suspended", "Job suspended")
    elif suspended:
        _turn(plan, "False", "JobResumed", "Job resumed")
        # A suspension that was decided but never published has not happened: the start time that stands may not change.
        stands = not state.published.is_true("Suspended") and state.published.start_time is not None
        start_s = to_seconds(state.published.start_time) if stands else plan.now_s
        plan.events.append(ev.StartTimeSet(state.uid, start_s))
        plan.tell("Normal", "Resumed", "Job resumed")


def _turn(plan: Plan, status: str, reason: str, message: str) -> None:
    rule = "suspended" if status == "True" else "resumed"
    plan.events.append(ev.ConditionDecided(plan.state.uid, "Suspended", status, reason, message, plan.now_s, rule))
