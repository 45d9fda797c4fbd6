"""Validation of Jobs on create: each rule with Kubernetes' own path and words, all violations at once, in its order."""

from datetime import UTC, datetime
from typing import Any

import pytest

from podledger.api import Job
from podledger.api.decode import decode_job
from podledger.api.defaults import prepare_for_create
from podledger.api.validation import validate_job
from podledger.errors import InvalidObject

UID = "ada176e5-68b8-453d-be80-74bc5da0e590"
NOW = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
SUBDOMAIN = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
NAME_PART = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
LABEL = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
IX: dict[str, Any] = {"completionMode": "Indexed", "completions": 5}
EXIT_CODES = {"operator": "In", "values": [1]}


def created(metadata: dict[str, Any] | None = None, **spec: Any) -> Job:
    """A Job as it reaches validation, with these fields in its metadata and spec."""
    template = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"}}
    document = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "pi", **(metadata or {})},
        "spec": {"template": template, **spec},
    }
    return prepare_for_create(decode_job(document), uid=UID, now=NOW)


def told(job: Job) -> list[str]:
    """What validation says, one text a violation."""
    return [str(error) for error in validate_job(job)]


def policy(**rule: Any) -> dict[str, Any]:
    """A spec with a failure policy of this one rule."""
    return {"podFailurePolicy": {"rules": [rule]}}


def success(**rule: Any) -> dict[str, Any]:
    """The spec of an Indexed Job with a success policy of this one rule."""
    return {**IX, "successPolicy": {"rules": [rule]}}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"parallelism": -1}, ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"]),
        (
            {"managedBy": "not a path"},
            ['spec.managedBy: Invalid value: "not a path": must be a domain-prefixed path (such as "acme.io/foo")'],
        ),
        ({"managedBy": "example.com/" + "x" * 60}, ["spec.managedBy: Too long: may not be more than 63 bytes"]),
        ({"managedBy": "Example.com/x"}, [f'spec.managedBy: Invalid value: "Example.com": {SUBDOMAIN}']),
        (
            {"completionMode": "Sorted"},
            ['spec.completionMode: Unsupported value: "Sorted": supported values: "NonIndexed", "Indexed"'],
        ),
        (
            {"completionMode": "Indexed", "parallelism": 2},
            ["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            {**IX, "parallelism": 100_001},
            [
                "spec.parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is "
                "Indexed"
            ],
        ),
        (
            {**IX, "backoffLimitPerIndex": 1, "maxFailedIndexes": 6},
            ["spec.maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"],
        ),
        (
            {**IX, "maxFailedIndexes": 1},
            ["spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"],
        ),
        (
            {**IX, "completions": 100_001, "backoffLimitPerIndex": 1, "parallelism": 10_001},
            [
                "spec.maxFailedIndexes: Required value: must be specified when completions is above 100000",
                "spec.parallelism: Invalid value: 10001: must be less than or equal to 10000 when completions are "
                "above 100000 and used with backoff limit per index",
            ],
        ),
        (
            {**IX, "completions": 200_000, "backoffLimitPerIndex": 1, "maxFailedIndexes": 100_001},
            [
                "spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 100000",
                "spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to 10000 when completions "
                "are above 100000 and used with backoff limit per index",
            ],
        ),
        (
            {"backoffLimitPerIndex": 1, "maxFailedIndexes": 1},
            [
                "spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode",
                "spec.maxFailedIndexes: Invalid value: 1: requires indexed completion mode",
            ],
        ),
        (
            {"successPolicy": {"rules": [{"succeededCount": 1}]}},
            [
                'spec.successPolicy: Invalid value: {"Rules":[{"SucceededIndexes":null,"SucceededCount":1}]}: '
                "requires indexed completion mode"
            ],
        ),
        (
            {"podReplacementPolicy": "Never"},
            [
                'spec.podReplacementPolicy: Unsupported value: "Never": supported values: "Failed", '
                '"TerminatingOrFailed"'
            ],
        ),
        (
            {"podReplacementPolicy": "TerminatingOrFailed", **policy(action="Count", onExitCodes=EXIT_CODES)},
            ['spec.podReplacementPolicy: Unsupported value: "TerminatingOrFailed": supported values: "Failed"'],
        ),
    ],
)
def test_a_spec_that_breaks_a_rule_is_told_as_kubernetes_tells_it(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(created(**spec)) == expected


RULE = "spec.podFailurePolicy.rules[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            policy(onExitCodes=EXIT_CODES),
            [f'{RULE}.action: Required value: valid values: ["Count" "FailIndex" "FailJob" "Ignore"]'],
        ),
        (
            policy(action="Panic", onExitCodes=EXIT_CODES),
            [f'{RULE}.action: Unsupported value: "Panic": supported values: "Count", "FailIndex", "FailJob", "Ignore"'],
        ),
        (
            policy(action="FailIndex", onExitCodes=EXIT_CODES),
            [f'{RULE}.action: Invalid value: "FailIndex": requires the backoffLimitPerIndex to be set'],
        ),
        (
            policy(action="Count"),
            [f"{RULE}: Invalid value: specifying one of OnExitCodes and OnPodConditions is required"],
        ),
        (
            policy(action="Count", onExitCodes=EXIT_CODES, onPodConditions=[{"type": "DisruptionTarget"}]),
            [f"{RULE}: Invalid value: specifying both OnExitCodes and OnPodConditions is not supported"],
        ),
        (
            policy(action="Count", onExitCodes={"values": [1]}),
            [f'{RULE}.onExitCodes.operator: Required value: valid values: ["In" "NotIn"]'],
        ),
        (
            policy(action="Count", onExitCodes={"operator": "In", "containerName": "other", "values": [3, 0, 3]}),
            [
                f'{RULE}.onExitCodes.containerName: Invalid value: "other": must be one of the container or '
                "initContainer names in the pod template",
                f"{RULE}.onExitCodes.values[1]: Invalid value: 0: must not be 0 for the In operator",
                f"{RULE}.onExitCodes.values[2]: Duplicate value: 3",
                f"{RULE}.onExitCodes.values: Invalid value: [3,0,3]: must be ordered",
            ],
        ),
        (
            policy(action="Count", onExitCodes={"operator": "NotIn", "values": []}),
            [f"{RULE}.onExitCodes.values: Invalid value: []: at least one value is required"],
        ),
        (
            policy(action="Count", onExitCodes={"operator": "In", "values": list(range(1, 257))}),
            [f"{RULE}.onExitCodes.values: Too many: 256: must have at most 255 items"],
        ),
        (
            policy(action="Count", onPodConditions=[{"type": "bad type", "status": "Maybe"}]),
            [
                f'{RULE}.onPodConditions[0].type: Invalid value: "bad type": {NAME_PART}',
                f'{RULE}.onPodConditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", '
                '"Unknown"',
            ],
        ),
        (
            {"podFailurePolicy": {"rules": [{"action": "Count", "onExitCodes": EXIT_CODES}] * 21}},
            ["spec.podFailurePolicy.rules: Too many: 21: must have at most 20 items"],
        ),
    ],
)
def test_a_failure_policy_that_breaks_a_rule(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(created(**spec)) == expected


SUCCESS = "spec.successPolicy.rules[0]"
PARSING = f"{SUCCESS}.succeededIndexes: Invalid value"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (
            {**IX, "successPolicy": {"rules": []}},
            [
                "spec.successPolicy.rules: Required value: at least one rules must be specified when the successPolicy "
                "is specified"
            ],
        ),
        (
            success(),
            [f"{SUCCESS}: Required value: at least one of succeededCount or succeededIndexes must be specified"],
        ),
        (
            success(succeededIndexes="0-1-2"),
            [
                f'{PARSING}: "0-1-2": error parsing succeededIndexes: the fragment "0-1-2" violates the requirement '
                "that an index interval can have at most two parts separated by '-'"
            ],
        ),
        (
            success(succeededIndexes="0,x"),
            [f'{PARSING}: "0,x": error parsing succeededIndexes: cannot convert string to integer for index: "x"'],
        ),
        (
            success(succeededIndexes="5"),
            [f'{PARSING}: "5": error parsing succeededIndexes: too large index: "5"'],
        ),
        (
            success(succeededIndexes="2,1"),
            [f'{PARSING}: "2,1": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1'],
        ),
        (
            success(succeededIndexes="3-3"),
            [f'{PARSING}: "3-3": error parsing succeededIndexes: non-increasing order, previous: 3, current: 3'],
        ),
        (
            success(succeededCount=6, succeededIndexes="0-1"),
            [
                f"{SUCCESS}.succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified "
                "completions)",
                f"{SUCCESS}.succeededCount: Invalid value: 6: must be less than or equal to 2 (the number of indexes "
                "in the specified succeededIndexes field)",
            ],
        ),
        (success(succeededIndexes="0,2-4", succeededCount=4), []),
    ],
)
def test_a_success_policy_that_breaks_a_rule(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(created(**spec)) == expected


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"name": "Bad_Name"}, [f'metadata.name: Invalid value: "Bad_Name": {SUBDOMAIN}']),
        ({"name": "", "generateName": "pi-"}, ["metadata.name: Required value: name or generateName is required"]),
        ({"name": "pi.example"}, []),
        ({"labels": {"a b": "c"}}, [f'metadata.labels: Invalid value: "a b": {NAME_PART}']),
        ({"labels": {"a": "b c"}}, [f'metadata.labels: Invalid value: "b c": {LABEL}']),
        ({"labels": {"/a": "b"}}, ['metadata.labels: Invalid value: "/a": prefix part must be non-empty']),
        ({"annotations": {"UPPER": "any text at all"}}, []),
        ({"annotations": {"big": "x" * 2**18}}, ["metadata.annotations: Too long: may not be more than 262144 bytes"]),
        (
            {"ownerReferences": [{"apiVersion": "", "kind": "", "name": "n", "uid": "u"}]},
            [
                'metadata.ownerReferences.apiVersion: Invalid value: "": version must not be empty',
                'metadata.ownerReferences.kind: Invalid value: "": must not be empty',
            ],
        ),
    ],
)
def test_metadata_that_breaks_a_rule(metadata: dict[str, Any], expected: list[str]) -> None:
    assert told(created(metadata)) == expected


def test_only_one_owner_may_be_the_controller() -> None:
    owner = {"apiVersion": "v1", "kind": "A", "uid": "u", "controller": True}
    (text,) = told(created({"ownerReferences": [{**owner, "name": "x"}, {**owner, "name": "y"}]}))
    assert text.endswith(
        'Only one reference can have Controller set to true. Found "true" in references for A/x and A/y'
    )


def test_a_name_must_fit_the_label_that_carries_it() -> None:
    name = "x" * 64
    assert (
        told(created({"name": name}))
        == [f'spec.template.labels: Invalid value: "{name}": must be no more than 63 bytes'] * 2
    )


def test_an_indexed_jobs_longest_host_name_must_be_one() -> None:
    name = "x" * 62
    assert told(created({"name": name}, **IX)) == [
        f'metadata.name: Invalid value: "{name}": will not able to create pod with invalid DNS label: {name}-4'
    ]
    assert told(created({"name": name})) == []


def test_generated_labels_may_not_be_contradicted() -> None:
    template = {
        "metadata": {"labels": {"job-name": "other"}},
        "spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": "Never"},
    }
    errors = validate_job(created(template=template))
    assert [error.field for error in errors] == ["spec.template.metadata.labels[job-name]"]
    assert errors[0].message.endswith(": must be 'pi'")


def test_a_selector_of_the_users_own_needs_manual_selector() -> None:
    errors = validate_job(created(selector={"matchLabels": {"app": "pi"}}))
    assert [(error.field, error.message.rpartition(": ")[2]) for error in errors] == [
        ("spec.selector", "`selector` not auto-generated"),
        ("spec.template.metadata.labels", "`selector` does not match template `labels`"),
    ]
    assert errors[0].message.startswith(
        'Invalid value: {"matchLabels":{"app":"pi","batch.kubernetes.io/controller-uid":"'
    )


def test_a_manual_selector_is_required_and_must_match() -> None:
    assert [error.field for error in validate_job(created(manualSelector=True))] == [
        "spec.selector",
        "spec.template.metadata.labels",
    ]
    selector = {"matchExpressions": [{"key": "app", "operator": "Resembles"}]}
    assert told(created(manualSelector=True, selector=selector)) == [
        'spec.selector.matchExpressions[0].operator: Invalid value: "Resembles": not a valid selector operator'
    ]


@pytest.mark.parametrize(
    ("restart_policy", "expected"),
    [
        ("Always", ['Required value: valid values: "OnFailure", "Never"']),
        (
            "Sometimes",
            [
                'Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
                'Unsupported value: "Sometimes": supported values: "OnFailure", "Never"',
            ],
        ),
        ("OnFailure", []),
    ],
)
def test_pods_of_a_job_must_come_to_an_end(restart_policy: str, expected: list[str]) -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "x"}], "restartPolicy": restart_policy}}
    errors = validate_job(created(template=template))
    assert [error.message for error in errors] == expected
    assert {error.field for error in errors} <= {"spec.template.spec.restartPolicy"}


def test_all_violations_are_told_at_once_in_kubernetes_order() -> None:
    job = created({"name": "Bad"}, parallelism=-1, backoffLimit=-2, template={"spec": {"restartPolicy": "Always"}})
    text = str(InvalidObject("Job.batch", job.metadata.name, validate_job(job)))
    assert text == (
        f'Job.batch "Bad" is invalid: [metadata.name: Invalid value: "Bad": {SUBDOMAIN}, '
        "spec.parallelism: Invalid value: -1: must be greater than or equal to 0, "
        "spec.backoffLimit: Invalid value: -2: must be greater than or equal to 0, "
        "spec.template.spec.containers: Required value, "
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"]'
    )
