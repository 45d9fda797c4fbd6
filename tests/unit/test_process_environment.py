"""What containers see: $(VAR), the downward API, the base environment, and all of it resolved for the shim."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger.api import ObjectMeta, Pod, PodSpec
from podledger.errors import InputError
from podledger_adapters.nodes.process.environment import NodeFacts, container_env, expand
from podledger_adapters.nodes.process.host import base_environment, node_name
from podledger_adapters.nodes.process.model import read_pod_spec
from podledger_adapters.nodes.process.spec import NodeSettings, shim_spec

FACTS = NodeFacts(name="here", ip="127.0.0.1", cpus=4, memory=8 << 30)
SETTINGS = NodeSettings(facts=FACTS, environment={"PATH": "/bin"}, working_dir="/work", survive=True)


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("$(A)", "1"),
        ("$(A)$(B)", "1two"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$$$$", "$$"),
        ("kill $$", "kill $"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("$()", "$()"),
        ("$(A$(B))", "$(A$(B))"),
        ("end$", "end$"),
    ],
)
def test_references_expand_as_kubernetes_does(text: str, expanded: str) -> None:
    assert expand(text, {"A": "1", "B": "two"}) == expanded


@given(st.text(alphabet="ab$()", max_size=20))
def test_doubling_every_dollar_keeps_a_text_as_it_is(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"a": "1", "b": "2", "": "3"}) == text


def pod(env: list[dict[str, object]], **container: object) -> Pod:
    containers = [{"name": "main", "command": ["true"], "env": env, **container}]
    meta = ObjectMeta(name="p", namespace="ns", uid="u", labels={"a.b/c": "label"}, annotations={"n": "note"})
    return Pod(metadata=meta, spec=PodSpec(base={"containers": containers, "restartPolicy": "Never"}))


def env_of(given_pod: Pod) -> dict[str, str]:
    spec = read_pod_spec(given_pod.spec.base)
    return container_env(given_pod, spec, spec.containers[0], FACTS)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "ns"),
        ("metadata.uid", "u"),
        ("metadata.labels['a.b/c']", "label"),
        ("metadata.labels['none']", ""),
        ("metadata.annotations['n']", "note"),
        ("spec.nodeName", "here"),
        ("spec.serviceAccountName", "default"),
        ("status.hostIP", "127.0.0.1"),
        ("status.podIPs", "127.0.0.1"),
    ],
)
def test_fields_of_the_pod(path: str, value: str) -> None:
    assert env_of(pod([{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": path}}}])) == {"X": value}


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", None, "2"),
        ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1m", "250"),
        ("limits.memory", "1Mi", "8192"),
        ("requests.memory", "1Ki", "0"),
        ("limits.cpu", "0", "2"),
    ],
)
def test_resources_are_rounded_up_to_whole_divisors(resource: str, divisor: str | None, value: str) -> None:
    source = {"resource": resource} if divisor is None else {"resource": resource, "divisor": divisor}
    resources = {"limits": {"cpu": "1500m"}, "requests": {"cpu": "0.25"}}
    given_pod = pod([{"name": "X", "valueFrom": {"resourceFieldRef": source}}], resources=resources)
    assert env_of(given_pod) == {"X": value}


def test_a_request_that_is_not_given_is_the_limit() -> None:
    source = {"resourceFieldRef": {"resource": "requests.memory", "divisor": "1Mi"}}
    given_pod = pod([{"name": "X", "valueFrom": source}], resources={"limits": {"memory": "3Mi"}})
    assert env_of(given_pod) == {"X": "3"}


def test_what_is_optional_and_missing_is_no_variable() -> None:
    source = {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}
    assert env_of(pod([{"name": "X", "valueFrom": source}, {"name": "Y", "value": "$(X)"}])) == {"Y": "$(X)"}


def test_the_shim_is_told_everything_resolved() -> None:
    given_pod = pod(
        [{"name": "WHO", "value": "$(PATH)$(HOSTNAME)"}, {"name": "HOSTNAME", "value": "mine"}],
        args=["$(HOSTNAME)", "$(PATH)", "$$x"],
        resources={"limits": {"memory": "1.5Gi", "cpu": "250m"}},
        securityContext={"runAsUser": 1000, "allowPrivilegeEscalation": False},
    )
    told = shim_spec(given_pod, SETTINGS, "/pods/u/volumes")
    (only,) = told["containers"]
    assert only["argv"] == ["true", "mine", "$(PATH)", "$x"]
    assert only["env"] == {"PATH": "/bin", "HOSTNAME": "mine", "WHO": "$(PATH)$(HOSTNAME)"}
    assert (only["cwd"], only["memory"], only["cpu"]) == ("/work", 3 << 29, 0.25)
    assert (only["user"], only["group"], only["no_new_privileges"]) == (1000, None, True)
    assert (told["grace_s"], told["deadline_s"], told["survive"]) == (30.0, None, True)


def test_the_base_environment_is_chosen_and_no_more() -> None:
    environ = {"PATH": "/bin", "LANG": "C", "AWS_SECRET": "x", "EXTRA": "e"}
    chosen = base_environment(environ, ["EXTRA", "GIVEN=a=b", "ABSENT", "EMPTY="])
    assert chosen == {"PATH": "/bin", "LANG": "C", "EXTRA": "e", "GIVEN": "a=b", "EMPTY": ""}


@pytest.mark.parametrize("wrong", ["=x", "1A", "A B", ""])
def test_a_wrong_name_of_a_variable_is_refused(wrong: str) -> None:
    with pytest.raises(InputError, match="write NAME or NAME=VALUE"):
        base_environment({}, [wrong])


def test_the_nodes_name_is_one_kubernetes_allows() -> None:
    name = node_name()
    assert name == name.lower()
    assert name.strip("-.") == name != ""
