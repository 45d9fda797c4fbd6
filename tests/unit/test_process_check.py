"""What the process node refuses at submission, with field and way out, and what it says it does not use."""

from typing import Any

import pytest

from podledger.errors import InputError
from podledger_adapters.nodes.process.check import Abilities, check_pod_spec, remarks, unmet_limits

ROOT, USER = Abilities(user=0), Abilities(user=1000, no_mounts="the kernel refuses")


def spec(container: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", "image": "i", "command": ["true"], **(container or {})}], **fields}


def test_a_plain_pod_has_nothing_against_it() -> None:
    everything = spec(
        {
            "args": ["a"],
            "env": [
                {"name": "A", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels['x']"}}}
            ],
            "resources": {"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}},
            "volumeMounts": [{"name": "v", "mountPath": "/v"}],
            "terminationMessagePath": "/dev/termination-log",
        },
        restartPolicy="Never",
        volumes=[{"name": "v", "emptyDir": {}}, {"name": "h", "hostPath": {"path": "/h", "type": ""}}],
        initContainers=[{"name": "i", "command": ["true"], "restartPolicy": "Always"}],
        terminationGracePeriodSeconds=30,
        securityContext={},
    )
    assert check_pod_spec(everything, abilities=ROOT) == []


@pytest.mark.parametrize(
    ("container", "field", "text"),
    [
        ({"command": []}, "command", "Required value: processes have no image"),
        ({"envFrom": [{"secretRef": {"name": "s"}}]}, "envFrom[0].secretRef", "there is no 's' here"),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}}]},
            "env[0].valueFrom.configMapKeyRef",
            "pass variables with --env NAME",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.priority"}}}]},
            "env[0].valueFrom.fieldRef.fieldPath",
            "spec.priority is not known",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.hugepages-2Mi"}}}]},
            "env[0].valueFrom.resourceFieldRef.resource",
            "not limited here",
        ),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "resources.limits[nvidia.com/gpu]", "none of it"),
        ({"livenessProbe": {"grpc": {"port": 1}}}, "livenessProbe.grpc", "no gRPC client; probe with exec"),
        ({"readinessProbe": {"httpGet": {"port": "web"}}}, "readinessProbe.httpGet.port", "names no port 'web'"),
        ({"lifecycle": {"preStop": {"tcpSocket": {"port": 1}}}}, "lifecycle.preStop.tcpSocket", "use exec"),
        ({"lifecycle": {"stopSignal": "SIGINT"}}, "lifecycle.stopSignal", "off by default in Kubernetes 1.36"),
        ({"tty": True}, "tty", "leave it out"),
        ({"volumeDevices": [{"name": "v", "devicePath": "/d"}]}, "volumeDevices", "devices of the machine"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/v", "mountPropagation": "Bidirectional"}]},
            "volumeMounts[0].mountPropagation",
            "None only",
        ),
        ({"securityContext": {"runAsNonRoot": True}}, "securityContext.runAsNonRoot", "set runAsUser"),
    ],
)
def test_what_cannot_be_done_is_named_with_the_way_out(container: dict[str, Any], field: str, text: str) -> None:
    (fault,) = check_pod_spec(spec(container), "spec.template.spec", ROOT)
    assert fault.field == f"spec.template.spec.containers[0].{field}"
    assert text in fault.message


def test_probes_hooks_and_restart_rules_are_taken() -> None:
    given = {
        "ports": [{"name": "web", "containerPort": 80}],
        "startupProbe": {"tcpSocket": {"port": "web"}},
        "livenessProbe": {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": 1},
        "readinessProbe": {"httpGet": {"port": "web", "httpHeaders": [{"name": "A", "value": "b"}]}},
        "lifecycle": {"postStart": {"sleep": {"seconds": 1}}, "preStop": {"httpGet": {"port": 80}}},
        "restartPolicy": "Never",
        "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [1]}}],
    }
    assert check_pod_spec(spec(given), abilities=ROOT) == []


def test_init_containers_are_looked_at_too() -> None:
    (fault,) = check_pod_spec(spec(initContainers=[{"name": "i", "image": "i"}]), abilities=ROOT)
    assert fault.field == "spec.initContainers[0].command"


@pytest.mark.parametrize("kind", ["secret", "configMap", "persistentVolumeClaim", "nfs", "projected"])
def test_other_volumes_than_two_kinds_are_refused(kind: str) -> None:
    (fault,) = check_pod_spec(spec(volumes=[{"name": "v", kind: {}}]), abilities=ROOT)
    assert fault.field == f"spec.volumes[0].{kind}"
    assert "hostPath and emptyDir only" in fault.message


def test_optional_references_are_let_through() -> None:
    optional = {
        "envFrom": [{"secretRef": {"name": "s", "optional": True}}],
        "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}],
    }
    assert check_pod_spec(spec(optional), abilities=ROOT) == []


def test_what_the_machine_cannot_do_is_refused_only_where_it_is_asked_for() -> None:
    mounting = spec({"volumeMounts": [{"name": "v", "mountPath": "/v"}]}, volumes=[{"name": "v", "emptyDir": {}}])
    (fault,) = check_pod_spec(mounting, abilities=USER)
    assert fault.field == "spec.containers[0].volumeMounts"
    assert fault.message.startswith("Forbidden: the kernel refuses; leave it out and use this machine's own paths")
    assert check_pod_spec(spec(), abilities=USER) == []


def test_only_root_may_run_containers_as_somebody_else() -> None:
    as_other = spec({"securityContext": {"runAsUser": 1}}, securityContext={"runAsGroup": 1})
    assert [each.field for each in check_pod_spec(as_other, abilities=USER)] == [
        "spec.containers[0].securityContext.runAsUser",
        "spec.containers[0].securityContext.runAsGroup",
    ]
    assert check_pod_spec(as_other, abilities=ROOT) == []
    assert check_pod_spec(spec(securityContext={"runAsUser": 1000, "runAsNonRoot": True}), abilities=USER) == []


def test_a_malformed_spec_is_an_input_error_that_names_the_place() -> None:
    with pytest.raises(InputError, match=r"containers\[0\]\.command"):
        check_pod_spec({"containers": [{"name": "main", "command": "true"}]})


def test_what_has_no_effect_is_said_once() -> None:
    given = spec(
        {"ports": [{"containerPort": 80}], "securityContext": {"capabilities": {"drop": ["ALL"]}}},
        nodeSelector={"a": "b"},
        dnsPolicy="ClusterFirst",
        securityContext={},
        hostPID=False,
    )
    assert remarks([given, given], controllers=["cpu"]) == [
        "pods run as processes of this machine; images are not used, nor nodeSelector, nor securityContext.capabilities"
    ]


@pytest.mark.parametrize(
    ("controllers", "unmet"),
    [(["memory", "cpu"], []), (["memory"], ["cpu"]), (["cpu"], ["memory"]), ([], ["memory", "cpu"])],
)
def test_limits_without_a_control_group_are_said(controllers: list[str], unmet: list[str]) -> None:
    limited = spec({"resources": {"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}}})
    _, *said = remarks([limited], controllers)
    assert [text.split(" can be made")[0] for text in said] == [f"no control group for {name}" for name in unmet]
    assert remarks([spec()], controllers) == ["pods run as processes of this machine; images are not used"]
    assert list(unmet_limits(controllers)) == unmet
