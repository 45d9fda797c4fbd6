"""Failure, success and replacement policies on an API server, with controllers that stop at the worst moment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.kubernetes_server import api_server
from tests.system.kubernetes_user import Json, User, controlling, dying, phase_status

from podledger.job.command import Command, PublishStatus, ReleasePod
from podledger.job.names import FINALIZER

HELD = "example.com/held"
TEMPLATE = {"metadata": {"finalizers": [HELD]}, "spec": {"nodeName": "node-1"}}
"""Pods that stay, terminating, when they are deleted: a node runs them, and a finalizer is somebody else's."""
WINDOWS_CODE = -1073741510


# ---- podFailurePolicy -----------------------------------------------------------------------------------------------


def exit_rule(action: str, *codes: int) -> Json:
    """A rule for exit codes."""
    return {"action": action, "onExitCodes": {"operator": "In", "values": list(codes)}}


def disrupted(**more: Any) -> Json:
    """A pod that an eviction ended."""
    return phase_status("Failed", 137, conditions=[{"type": "DisruptionTarget", "status": "True"}], **more)


RULES = [
    {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]},
    exit_rule("Count", 10),
    exit_rule("FailJob", WINDOWS_CODE, 5, 6, 7),
]


@pytest.mark.asyncio
@pytest.mark.parametrize("restart", [False, True], ids=["", "controller restarted"])
@pytest.mark.parametrize(
    ("status", "active", "failed", "reason"),
    [
        (phase_status("Failed", 5), 0, 1, "PodFailurePolicy"),
        (phase_status("Failed", WINDOWS_CODE), 0, 1, "PodFailurePolicy"),
        (disrupted(), 1, 0, "CompletionsReached"),
        (phase_status("Failed", 10), 1, 1, "CompletionsReached"),
        (phase_status("Failed", 1), 1, 1, "CompletionsReached"),
        (phase_status("Failed", 0), 1, 1, "CompletionsReached"),
    ],
    ids=["FailJob", "FailJob of Windows", "Ignore", "Count", "no rule", "no code"],
)
async def test_a_failure_is_handled_by_the_first_rule_that_matches(
    status: Json, active: int, failed: int, reason: str, *, restart: bool
) -> None:
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(podFailurePolicy={"rules": RULES})
            await user.check_counts(active=1)
            if not restart:
                await user.report(status)
                await user.check_counts(active=active, failed=failed)
        if restart:
            await user.report(status)
        async with controlling(access):
            await user.check_counts(active=active, failed=failed)
            if active:
                await user.end("Succeeded")
            await user.check_condition("Complete" if active else "Failed", reason)
            await user.check_free()


@pytest.mark.asyncio
async def test_the_verdict_outlives_the_pod_that_gave_it() -> None:
    """The controller dies once it took the finalizer off; the pod is removed before there is another controller."""
    released = False

    def second_write(command: Command) -> bool:
        nonlocal released
        released = released or isinstance(command, ReleasePod)
        return released and isinstance(command, PublishStatus)

    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(completions=3, parallelism=3, podFailurePolicy={"rules": RULES})
            await user.check_counts(active=3)
        async with dying(access, second_write):
            (failed,) = await user.end("Failed", code=5)
        await user.delete_pod(failed, 0)
        name = failed["metadata"]["name"]
        assert name not in [pod["metadata"]["name"] for pod in await user.pods()]
        async with controlling(access):
            status = await user.check_condition("Failed", "PodFailurePolicy")
            assert f"for pod suite/{name} failed with exit code 5" in status["conditions"][-1]["message"]
            await user.check_counts(failed=3)
            await user.check_free()


# ---- successPolicy --------------------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("rule", "completions", "succeeds", "reason"),
    [
        ({"succeededIndexes": "0"}, 1, [0], "SuccessPolicy"),
        (None, 1, [0], "CompletionsReached"),
        ({"succeededIndexes": "1"}, 2, [1], "SuccessPolicy"),
        ({"succeededCount": 1}, 2, [1], "SuccessPolicy"),
        ({"succeededCount": 3}, 5, [0, 1, 2], "SuccessPolicy"),
        ({"succeededIndexes": "1-3", "succeededCount": 2}, 5, [0, 2, 3], "SuccessPolicy"),
    ],
)
async def test_the_rest_is_ended_once_a_rule_is_met(
    rule: Json | None, completions: int, succeeds: Sequence[int], reason: str
) -> None:
    policy: Json = {"successPolicy": {"rules": [rule]}} if rule else {}
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=completions, parallelism=completions, completionMode="Indexed", **policy)
        await user.check_counts(active=completions)
        for count, index in enumerate(succeeds, 1):
            await user.end("Succeeded", index=index)
            last = count == len(succeeds)
            await user.check_counts(active=0 if last else completions - count, succeeded=count)
        status = await user.check_condition("Complete", reason)
        assert [each["type"] for each in status["conditions"]] == ["SuccessCriteriaMet", "Complete"]
        assert status["completionTime"] >= status["startTime"]
        await user.check_free()


# ---- ends that wait for pods ----------------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize("restart", [False, True], ids=["", "controller restarted"])
async def test_a_job_has_failed_only_when_its_last_pod_has_ended(*, restart: bool) -> None:
    async with api_server() as (_, access), User(access) as user:
        async with controlling(access):
            await user.create_job(completions=2, parallelism=2, backoffLimit=0, template=TEMPLATE)
            await user.check_counts(active=2)
            await user.end("Failed")
            status = await user.check_counts(failed=2, terminating=1)
            assert [each["type"] for each in status["conditions"]] == ["FailureTarget"]
            if not restart:
                await user.end("Succeeded")
                await user.check_condition("Failed", "BackoffLimitExceeded")
        async with controlling(access):
            if restart:
                await user.end("Succeeded")
            status = await user.check_condition("Failed", "BackoffLimitExceeded")
            assert [each["type"] for each in status["conditions"]] == ["FailureTarget", "Failed"]
            await user.check_counts(failed=2)
            assert all(pod["metadata"]["finalizers"] == [HELD] for pod in await user.pods())


@pytest.mark.asyncio
async def test_a_job_that_is_scaled_to_what_it_has_is_complete_only_when_the_rest_has_ended() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=2, parallelism=2, completionMode="Indexed", template=TEMPLATE)
        await user.check_counts(active=2)
        await user.end("Succeeded", index=0)
        await user.patch_job(completions=1, parallelism=1)
        status = await user.check_counts(succeeded=1, terminating=1)
        assert [each["type"] for each in status["conditions"]] == ["SuccessCriteriaMet"]
        await user.end("Succeeded")
        await user.check_condition("Complete", "CompletionsReached")
        status = await user.check_counts(succeeded=1)
        assert status["completedIndexes"] == "0"


# ---- podReplacementPolicy -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Replacing:
    """A Job whose two pods are deleted and end later: counts while they terminate, and afterwards."""

    spec: dict[str, Any]
    terminating: dict[str, int]
    after: dict[str, int]


AT_ONCE = {"active": 2, "failed": 2}
LATER = {"active": 2, "failed": 2}
POLICY = {"podFailurePolicy": {"rules": [exit_rule("FailJob", 5)]}}
REPLACING = [
    Replacing({"completionMode": mode, **policy}, {**counts, "terminating": 2}, LATER)
    for mode in ("Indexed", "NonIndexed")
    for policy, counts in (
        ({"podReplacementPolicy": "TerminatingOrFailed"}, AT_ONCE),
        ({"podReplacementPolicy": "Failed"}, {}),
        (POLICY, {}),
    )
]


@pytest.mark.asyncio
@pytest.mark.parametrize("case", REPLACING, ids=lambda case: " ".join(map(str, case.spec.values()))[:34])
async def test_deleted_pods_are_replaced_when_the_policy_says_so(case: Replacing) -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=2, parallelism=2, template=TEMPLATE, **case.spec)
        await user.check_counts(active=2)
        deleted = await user.pods()
        for pod in deleted:
            await user.delete_pod(pod)
        await user.check_counts(**case.terminating)
        held = [pod for pod in await user.pods() if "deletionTimestamp" in pod["metadata"]]
        assert all((FINALIZER in pod["metadata"]["finalizers"]) != ("active" in case.terminating) for pod in held)
        for pod in held:
            await user.put_status(pod, phase_status("Failed"))
        await user.check_counts(**case.after)


@pytest.mark.asyncio
async def test_the_policy_may_be_changed_while_a_pod_terminates_and_one_that_never_ends_blocks_nobody_then() -> None:
    async with api_server() as (_, access), User(access) as user, controlling(access):
        await user.create_job(completions=2, parallelism=2, template=TEMPLATE, podReplacementPolicy="Failed")
        await user.check_counts(active=2)
        await user.delete_pod((await user.pods())[0])
        await user.check_counts(active=1, terminating=1)
        await user.patch_job(podReplacementPolicy="TerminatingOrFailed")
        await user.check_counts(active=2, terminating=1, failed=1)
        await user.end("Succeeded", 3)
        await user.check_condition("Complete")
        await user.check_counts(failed=1, succeeded=2)
