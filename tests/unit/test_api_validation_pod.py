"""Validation of pods and pod templates: containers, volumes and the rest of the spec, in Kubernetes' words."""

from typing import Any

import pytest

from podledger.api import ObjectMeta, PodTemplateSpec
from podledger.api.decode import decode_pod
from podledger.api.defaults import with_pod_defaults
from podledger.api.validation import validate_pod, validate_pod_template

DNS_LABEL = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
Case = tuple[dict[str, Any], list[str]]
MAIN = {"name": "main", "image": "x"}


def told(spec: dict[str, Any]) -> list[str]:
    """What validation says of a pod with this spec, one text a violation."""
    document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [MAIN], **spec}}
    return [str(error) for error in validate_pod(with_pod_defaults(decode_pod(document)))]


def container(**fields: Any) -> dict[str, Any]:
    """A spec whose only container has these fields besides name and image."""
    return {"containers": [{**MAIN, **fields}]}


FIRST = "spec.containers[0]"


CONTAINER_CASES: list[Case] = [
    ({}, []),
    ({"containers": []}, ["spec.containers: Required value"]),
    (
        {"containers": [{}]},
        [f"{FIRST}.name: Required value", f"{FIRST}.image: Required value"],
    ),
    (container(name="Main"), [f'{FIRST}.name: Invalid value: "Main": {DNS_LABEL}']),
    ({"containers": [MAIN, MAIN]}, ['spec.containers[1].name: Duplicate value: "main"']),
    ({"initContainers": [MAIN]}, ['spec.initContainers[0].name: Duplicate value: "main"']),
    (container(image=" x"), [f'{FIRST}.image: Invalid value: " x": must not have leading or trailing whitespace']),
    (
        container(imagePullPolicy="Sometimes"),
        [
            f'{FIRST}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", '
            '"IfNotPresent", "Never"'
        ],
    ),
    (
        container(terminationMessagePolicy="Shout"),
        [
            f'{FIRST}.terminationMessagePolicy: Unsupported value: "Shout": supported values: '
            '"FallbackToLogsOnError", "File"'
        ],
    ),
    (container(env=[{"value": "1"}]), [f"{FIRST}.env[0].name: Required value"]),
    (
        container(env=[{"name": "A=B"}]),
        [
            f'{FIRST}.env[0].name: Invalid value: "A=B": a valid environment variable name must consist only of '
            "printable ASCII characters other than '='"
        ],
    ),
    (
        container(env=[{"name": "A", "value": "1", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        [f'{FIRST}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
    ),
    (
        container(
            env=[
                {
                    "name": "A",
                    "valueFrom": {
                        "fieldRef": {"fieldPath": "metadata.name"},
                        "secretKeyRef": {"name": "s", "key": "k"},
                    },
                }
            ]
        ),
        [f'{FIRST}.env[0].valueFrom: Invalid value: "": may not have more than one field specified at a time'],
    ),
    (
        container(ports=[{"containerPort": 70000, "protocol": "ICMP"}, {"name": "web"}]),
        [
            f"{FIRST}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
            f'{FIRST}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
            f"{FIRST}.ports[1].containerPort: Required value",
        ],
    ),
    (
        container(volumeMounts=[{"name": "data"}]),
        [f'{FIRST}.volumeMounts[0].name: Not found: "data"', f"{FIRST}.volumeMounts[0].mountPath: Required value"],
    ),
    (
        {
            "volumes": [{"name": "data"}],
            **container(volumeMounts=[{"name": "data", "mountPath": "/d", "subPath": "../x"}] * 2),
        },
        [
            f"{FIRST}.volumeMounts[0].subPath: Invalid value: \"../x\": must not contain '..'",
            f'{FIRST}.volumeMounts[1].mountPath: Invalid value: "/d": must be unique',
            f"{FIRST}.volumeMounts[1].subPath: Invalid value: \"../x\": must not contain '..'",
        ],
    ),
    (
        container(resources={"requests": {"cpu": "2", "memory": "-1"}, "limits": {"cpu": "1"}}),
        [
            f'{FIRST}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
            f'{FIRST}.resources.requests[memory]: Invalid value: "-1": must be greater than or equal to 0',
        ],
    ),
    (container(livenessProbe={}), [f"{FIRST}.livenessProbe: Required value: must specify a handler type"]),
    (
        {"initContainers": [{"name": "init", "image": "x", "lifecycle": {}}]},
        [
            "spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without "
            "restartPolicy=Always"
        ],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), CONTAINER_CASES)
def test_containers(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(spec) == expected


EXEC = {"exec": {"command": ["true"]}}
SOME = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]
HEADER = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    "validation is '[-A-Za-z0-9]+')"
)
RUNNING_CASES: list[Case] = [
    (
        container(
            livenessProbe={**EXEC, "terminationGracePeriodSeconds": 1, "failureThreshold": 1},
            readinessProbe={"httpGet": {"port": "web", "httpHeaders": [{"name": "A-b", "value": ""}]}},
            startupProbe={"grpc": {"port": 1}},
            lifecycle={"postStart": EXEC, "preStop": {"sleep": {"seconds": 30}}},
            restartPolicy="Never",
            restartPolicyRules=[*SOME, {"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn"}}],
        ),
        [],
    ),
    (
        container(livenessProbe={"exec": {}, "httpGet": {"port": 1}, "periodSeconds": -1}),
        [
            f"{FIRST}.livenessProbe.exec.command: Required value",
            f"{FIRST}.livenessProbe.httpGet: Forbidden: may not specify more than 1 handler type",
            f"{FIRST}.livenessProbe.periodSeconds: Invalid value: -1: must be greater than or equal to 0",
        ],
    ),
    (
        container(
            livenessProbe={**EXEC, "terminationGracePeriodSeconds": 0, "successThreshold": 2},
            readinessProbe={**EXEC, "terminationGracePeriodSeconds": 5, "successThreshold": 2},
        ),
        [
            f"{FIRST}.livenessProbe.terminationGracePeriodSeconds: Invalid value: 0: must be greater than 0",
            f"{FIRST}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
            f"{FIRST}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: "
            "must not be set for readinessProbes",
        ],
    ),
    (
        container(
            readinessProbe={"httpGet": {"port": 70000, "scheme": "ftp", "httpHeaders": [{"name": "a b", "value": ""}]}},
            startupProbe={"tcpSocket": {"port": "--"}},
        ),
        [
            f"{FIRST}.readinessProbe.httpGet.port: Invalid value: 70000: must be between 1 and 65535, inclusive",
            f'{FIRST}.readinessProbe.httpGet.scheme: Unsupported value: "ftp": supported values: "HTTP", "HTTPS"',
            f'{FIRST}.readinessProbe.httpGet.httpHeaders: Invalid value: "a b": {HEADER}',
            f'{FIRST}.startupProbe.tcpSocket.port: Invalid value: "--": must contain at least one letter (a-z)',
            f'{FIRST}.startupProbe.tcpSocket.port: Invalid value: "--": must not contain consecutive hyphens',
            f'{FIRST}.startupProbe.tcpSocket.port: Invalid value: "--": must not begin or end with a hyphen',
        ],
    ),
    (
        {
            **container(lifecycle={"postStart": {}, "preStop": {"sleep": {"seconds": 6}}}),
            "terminationGracePeriodSeconds": 5,
        },
        [
            f"{FIRST}.lifecycle.postStart: Required value: must specify a handler type",
            f"{FIRST}.lifecycle.preStop.sleep: Invalid value: 6: "
            "must be non-negative and less than terminationGracePeriodSeconds (5)",
        ],
    ),
    # What a negative grace means is no matter of a hook that does not sleep.
    ({**container(lifecycle={"preStop": EXEC}), "terminationGracePeriodSeconds": -1}, []),
    (
        container(restartPolicyRules=SOME),
        [f"{FIRST}.restartPolicy: Required value: must specify restartPolicy when restart rules are used"],
    ),
    (
        container(
            restartPolicy="Sometimes",
            restartPolicyRules=[
                {"action": "DoNotRestart"},
                {"action": "Restart", "exitCodes": {"operator": "Equals", "values": [1] * 256}},
            ],
        ),
        [
            f'{FIRST}.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
            f'{FIRST}.restartPolicyRules[0].action: Unsupported value: "DoNotRestart": '
            'supported values: "Restart", "RestartAllContainers"',
            f"{FIRST}.restartPolicyRules[0].exitCodes: Required value: must be specified",
            f'{FIRST}.restartPolicyRules[1].exitCodes.operator: Unsupported value: "Equals": '
            'supported values: "In", "NotIn"',
            f"{FIRST}.restartPolicyRules[1].exitCodes.values: Too many: 256: must have at most 255 items",
        ],
    ),
    (
        container(restartPolicy="Never", restartPolicyRules=SOME * 21),
        [f"{FIRST}.restartPolicyRules: Too many: 21: must have at most 20 items"],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), RUNNING_CASES)
def test_what_happens_to_a_running_container(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(spec) == expected


SPEC_CASES: list[Case] = [
    (
        {"volumes": [{"name": "a"}, {"name": "a"}, {"emptyDir": {}, "hostPath": {"path": "/"}, "name": "b"}]},
        [
            'spec.volumes[1].name: Duplicate value: "a"',
            "spec.volumes[2].hostPath: Forbidden: may not specify more than 1 volume type",
        ],
    ),
    ({"volumes": [{"emptyDir": {}}]}, ["spec.volumes[0].name: Required value"]),
    (
        {"volumes": [{"name": "s", "secret": {}}]},
        ["spec.volumes[0].secret.secretName: Required value"],
    ),
    (
        {"restartPolicy": "Sometimes"},
        [
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ],
    ),
    (
        {"dnsPolicy": "Mine"},
        [
            'spec.dnsPolicy: Unsupported value: "Mine": supported values: "ClusterFirst", '
            '"ClusterFirstWithHostNet", "Default", "None"'
        ],
    ),
    (
        {"activeDeadlineSeconds": 0},
        ["spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive"],
    ),
    ({"hostname": "Host"}, [f'spec.hostname: Invalid value: "Host": {DNS_LABEL}']),
    (
        {"tolerations": [{"effect": "NoSchedule", "tolerationSeconds": 3}]},
        [
            'spec.tolerations[0].operator: Invalid value: "": operator must be Exists when `key` is empty, which '
            'means "match all values and all keys"',
            "spec.tolerations[0].effect: Invalid value: \"NoSchedule\": effect must be 'NoExecute' when "
            "`tolerationSeconds` is set",
        ],
    ),
    ({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"zone": "a"}}, []),
    (
        {"schedulingGates": [{"name": "g"}, {"name": "g"}]},
        ['spec.schedulingGates[1]: Duplicate value: "g"'],
    ),
]


@pytest.mark.parametrize(("spec", "expected"), SPEC_CASES)
def test_the_rest_of_the_spec(spec: dict[str, Any], expected: list[str]) -> None:
    assert told(spec) == expected


def test_ephemeral_containers_have_no_place_in_a_template() -> None:
    spec: dict[str, Any] = {"containers": [{**MAIN, "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}]}
    spec |= {"restartPolicy": "Never", "dnsPolicy": "Default", "ephemeralContainers": [{"name": "debug"}]}
    template = PodTemplateSpec(metadata=ObjectMeta(labels={"bad key": ""}), spec=spec)
    assert [error.field for error in validate_pod_template(template, "spec.template")] == [
        "spec.template.labels",
        "spec.template.spec.ephemeralContainers",
    ]
