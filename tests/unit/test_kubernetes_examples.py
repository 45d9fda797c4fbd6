"""The manifests in examples/kubernetes grant what the controller asks for and no more, and start it as it is called."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from podledger.api.decode import decode_job
from podledger.job.names import PODLEDGER_CONTROLLER
from podledger_adapters.cli.__main__ import COMMANDS
from podledger_adapters.cli.controller import app
from podledger_adapters.kubernetes.permissions import CONTROLLER, CRONJOBS, LEASE, RECORDER
from podledger_adapters.kubernetes.probe import Permission

EXAMPLES = Path(__file__).parents[2] / "examples" / "kubernetes"
IDENTITY = Permission("get", "", "namespaces")
"""What is not asked for one by one: the cluster's identity."""


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


def granted(name: str, kind: str, namespace: str = "") -> Iterator[Permission]:
    """What the roles of a manifest grant, and theirs is the namespace."""
    for document in documents(name):
        wanted = document["kind"] == kind and document["metadata"].get("namespace", "") == namespace
        for rule in document["rules"] if wanted else ():
            for resource in rule["resources"]:
                plural, _, subresource = resource.partition("/")
                for verb in rule["verbs"]:
                    yield Permission(verb, rule["apiGroups"][0], plural, subresource)


@pytest.mark.parametrize(
    ("name", "permissions"),
    [("rbac.yaml", CONTROLLER), ("rbac-cronjobs.yaml", CRONJOBS), ("rbac-record.yaml", RECORDER)],
)
def test_a_cluster_role_grants_exactly_what_is_asked_for(name: str, permissions: tuple[Permission, ...]) -> None:
    assert sorted(granted(name, "ClusterRole")) == sorted(permissions)


def test_the_roles_grant_exactly_the_lease_and_the_clusters_identity() -> None:
    assert set(granted("rbac.yaml", "Role", "podledger")) == set(LEASE)
    for name in ("rbac.yaml", "rbac-record.yaml"):
        assert list(granted(name, "Role", "kube-system")) == [IDENTITY]


def test_the_deployment_starts_the_controller_with_flags_it_has() -> None:
    (deployment,) = documents("deployment.yaml")
    pod = deployment["spec"]["template"]["spec"]
    command, *flags = pod["containers"][0]["args"]
    assert command == "controller"
    assert command in COMMANDS
    _, bound, _ = app.parse_args(flags)
    assert bound.arguments == {
        "db": "/ledger/jobs.db",
        "lease_namespace": "podledger",
        "metrics_listen": "0.0.0.0:8080",
    }
    assert pod["serviceAccountName"] == "podledger-controller"


def test_the_job_is_marked_for_podledger() -> None:
    (document,) = documents("job.yaml")
    assert decode_job(document).spec.managed_by == PODLEDGER_CONTROLLER
