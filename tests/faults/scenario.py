"""What a run over HTTP works on: Jobs of every mode and policy, and what their pods do, drawn from the seed."""

import random

from msgspec import Struct
from msgspec.structs import replace

from podledger.api.job import (
    Job,
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from podledger.api.pod import Pod
from podledger_adapters.nodes.behaviour import Draws, PodRun
from tests.kubernetes_server import NAMESPACE
from tests.unit.controller_world import make_job

__all__ = ["FAIL_JOB", "IGNORED", "Scenario", "draw_scenario"]

MODES = ("fixed", "queue", "indexed", "per-index", "doomed", "policy", "success", "suspended")
ENDLESS = 1000
"""A back-off limit that no run reaches: its Jobs go on until they are complete."""
IGNORED, FAIL_JOB = 42, 43
"""Exit codes that the pod failure policy of these Jobs knows."""
POLICY = PodFailurePolicy(
    rules=(
        PodFailurePolicyRule(
            action="FailJob", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(operator="In", values=(FAIL_JOB,))
        ),
        PodFailurePolicyRule(
            action="Ignore", on_exit_codes=PodFailurePolicyOnExitCodesRequirement(operator="In", values=(IGNORED,))
        ),
        PodFailurePolicyRule(
            action="Ignore",
            on_pod_conditions=(PodFailurePolicyOnPodConditionsPattern(type="DisruptionTarget", status="True"),),
        ),
    )
)


class Scenario(Struct, frozen=True):
    """The Jobs of a run. Their pods take up to `longest_s`, and fail or lose their node with these probabilities."""

    jobs: tuple[Job, ...]
    longest_s: float
    failing: float
    disrupted: float

    def behaviour(self, pod: Pod, draws: Draws) -> PodRun:
        """What a pod does (`podledger_adapters.nodes.behaviour`)."""
        code = 0
        if draws.random() < self.failing:
            # One in twenty failures is fatal to a Job with the policy.
            chance = draws.random()
            code = FAIL_JOB if chance < 0.05 else IGNORED if chance < 0.4 else 1
        disrupted = draws.random() < self.disrupted
        return PodRun(duration_s=draws.uniform(0.0, self.longest_s), exit_code=code, disrupted=disrupted)

    def __str__(self) -> str:
        jobs = ", ".join(f"{job.metadata.name} {job.spec.completions}/{job.spec.parallelism}" for job in self.jobs)
        return f"{jobs}; up to {self.longest_s:g} s, failing {self.failing:g}, disrupted {self.disrupted:g}"


def draw_scenario(seed: int) -> Scenario:
    """Two to four Jobs."""
    draw = random.Random(f"scenario over HTTP {seed}")
    jobs = tuple(_draw_job(draw, number) for number in range(draw.randint(2, 4)))
    return Scenario(jobs, draw.choice((0.0, 4.0, 20.0)), draw.choice((0.0, 0.1, 0.3)), draw.choice((0.0, 0.05)))


def _draw_job(draw: random.Random, number: int) -> Job:
    mode = draw.choice(MODES)
    completions = draw.randint(1, 24)
    fields: dict[str, object] = {
        "completions": None if mode == "queue" else completions,
        "parallelism": draw.randint(1, 12),
        "backoff_limit": draw.randint(0, 2) if mode == "doomed" else ENDLESS,
    }
    if mode in ("indexed", "per-index", "success"):
        fields["completion_mode"] = "Indexed"
    if mode == "per-index":
        fields |= {"backoff_limit": None, "backoff_limit_per_index": draw.randint(0, 2)}
    if mode == "success":
        fields["success_policy"] = SuccessPolicy(
            rules=(SuccessPolicyRule(succeeded_count=draw.randint(1, completions)),)
        )
    if mode == "policy":
        fields["pod_failure_policy"] = POLICY
    if mode == "suspended":
        fields["suspend"] = True
    job = make_job(f"{mode}-{number}", **fields)
    return replace(job, metadata=replace(job.metadata, namespace=NAMESPACE))
