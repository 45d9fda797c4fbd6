"""podFailurePolicy and successPolicy: which rule matches what (KEP-3329, KEP-3998)."""

import pytest
from msgspec.structs import replace
from tests.unit.job_performer import Performer
from tests.unit.job_world import fail_policy, job, make_pod, pods_of

from podledger.api.job import (
    PodFailurePolicy,
    PodFailurePolicyOnExitCodesRequirement,
    PodFailurePolicyOnPodConditionsPattern,
    PodFailurePolicyRule,
    SuccessPolicy,
    SuccessPolicyRule,
)
from podledger.api.pod import PodCondition, PodStatus
from podledger.job.failure import judge_failure


def codes(action: str, operator: str, *values: int, container: str | None = None) -> PodFailurePolicyRule:
    """A rule on exit codes."""
    wanted = PodFailurePolicyOnExitCodesRequirement(container_name=container, operator=operator, values=values)
    return PodFailurePolicyRule(action=action, on_exit_codes=wanted)


def conditions(action: str, *types: tuple[str, str]) -> PodFailurePolicyRule:
    """A rule on pod conditions."""
    patterns = tuple(PodFailurePolicyOnPodConditionsPattern(type=type_, status=status) for type_, status in types)
    return PodFailurePolicyRule(action=action, on_pod_conditions=patterns)


BOTH = replace(codes("Ignore", "In", 1), on_pod_conditions=conditions("Ignore", ("A", "True")).on_pod_conditions)
MAIN = (("main", 1), ("side", 42))


@pytest.mark.parametrize(
    ("rules", "exits", "had", "action", "rule"),
    [
        ([], MAIN, (), "Count", -1),
        ([codes("FailJob", "In", 42)], MAIN, (), "FailJob", 0),
        ([codes("FailJob", "In", 42, container="main")], MAIN, (), "Count", -1),
        ([codes("FailJob", "NotIn", 1)], MAIN, (), "FailJob", 0),
        ([codes("FailJob", "NotIn", 1, 42)], MAIN, (), "Count", -1),
        ([codes("FailJob", "In", 0)], (("main", 0),), (), "Count", -1),
        ([codes("FailJob", "Near", 1)], MAIN, (), "Count", -1),
        ([codes("Explode", "In", 1), codes("Ignore", "In", 1)], MAIN, (), "Ignore", 1),
        ([codes("Count", "In", 1), codes("FailJob", "In", 1)], MAIN, (), "Count", 0),
        ([conditions("Ignore", ("A", "True"))], (), (("A", "True"),), "Ignore", 0),
        ([conditions("Ignore", ("A", ""))], (), (("A", "True"),), "Ignore", 0),
        ([conditions("Ignore", ("A", "True"))], (), (("A", "False"),), "Count", -1),
        ([BOTH], (("main", 2),), (("A", "True"),), "Count", -1),
        ([codes("FailJob", "In", -1)], (("main", -1),), (), "FailJob", 0),
    ],
)
def test_the_first_matching_rule_decides(
    rules: list[PodFailurePolicyRule],
    exits: tuple[tuple[str, int], ...],
    had: tuple[tuple[str, str], ...],
    action: str,
    rule: int,
) -> None:
    verdict = judge_failure(PodFailurePolicy(rules=tuple(rules)), "ns", "pod", exits, had)
    assert (verdict.action, verdict.rule) == (action, rule)


def test_messages_are_kubernetes_own() -> None:
    policy = PodFailurePolicy(rules=(codes("Count", "In", 9), codes("FailJob", "In", 42)))
    text = judge_failure(policy, "ns", "pod", MAIN, ()).message
    assert text == "Container side for pod ns/pod failed with exit code 42 matching FailJob rule at index 1"
    policy = PodFailurePolicy(rules=(conditions("FailJob", ("B", "True"), ("A", "True")),))
    text = judge_failure(policy, "ns", "pod", (), (("A", "True"), ("B", "True"))).message
    assert text == "Pod ns/pod has condition A matching FailJob rule at index 0"


def test_a_policy_may_name_a_condition_that_every_kubelet_sets() -> None:
    policy = PodFailurePolicy(rules=(conditions("FailJob", ("PodScheduled", "False")),))
    world = Performer(job(parallelism=1, completions=1, pod_failure_policy=policy))
    world.observe_job()
    unscheduled = PodCondition(type="PodScheduled", status="False")
    world.put_pod(make_pod("p", status=PodStatus(phase="Failed", conditions=(unscheduled,))))
    world.sync()
    assert world.job.status.is_true("FailureTarget")


def test_a_pod_still_running_when_the_job_fails_is_passed_through_the_policy_too() -> None:
    disrupted = conditions("Ignore", ("DisruptionTarget", "True"))
    policy = PodFailurePolicy(rules=(disrupted, *fail_policy("FailJob", 5).rules))
    world = Performer(job(parallelism=3, completions=3, pod_failure_policy=policy))
    world.observe_job()
    for pod in pods_of("F!5 R").values():
        world.put_pod(pod)
    target = PodCondition(type="DisruptionTarget", status="True")
    world.put_pod(make_pod("leaving", status=PodStatus(phase="Running", conditions=(target,))))
    world.sync()
    assert world.job.status.failed == 2


@pytest.mark.parametrize(
    ("rules", "succeeded", "matched"),
    [
        ([("0-2", None)], "S@0 S@1", None),
        ([("0-2", None)], "S@0 S@1 S@2", 0),
        ([("0-2", 2)], "S@0 S@2", 0),
        ([("0-2", 2)], "S@0 S@3", None),
        ([(None, 2)], "S@3", None),
        ([(None, 2)], "S@3 S@1", 0),
        ([("9", None)], "S@0", None),
        ([("x", None)], "S@0", None),
        ([("0", None), (None, 1)], "S@1", 1),
        ([(None, 1)], "F@1", None),
    ],
)
def test_the_first_success_rule_that_is_met_is_named(
    rules: list[tuple[str | None, int | None]], succeeded: str, matched: int | None
) -> None:
    policy = SuccessPolicy(
        rules=tuple(SuccessPolicyRule(succeeded_indexes=indexes, succeeded_count=count) for indexes, count in rules)
    )
    world = Performer(job(parallelism=4, completions=4, completion_mode="Indexed", success_policy=policy))
    world.observe_job()
    for pod in pods_of(succeeded).values():
        world.put_pod(pod)
    world.sync()
    met = world.job.status.condition("SuccessCriteriaMet")
    assert (None if met is None else met.message) == (None if matched is None else f"Matched rules at index {matched}")


def test_all_indexes_at_once_are_the_policys_success() -> None:
    policy = SuccessPolicy(rules=(SuccessPolicyRule(succeeded_count=1),))
    world = Performer(job(parallelism=2, completions=2, completion_mode="Indexed", success_policy=policy))
    world.observe_job()
    for pod in pods_of("S@0 S@1").values():
        world.put_pod(pod)
    world.sync()
    assert [c.reason for c in world.job.status.conditions] == ["SuccessPolicy", "SuccessPolicy"]
