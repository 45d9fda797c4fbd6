"""The field tree is sound: closed under its own type names, and whole where our own types know better."""

import re

import msgspec
import pytest
from msgspec import Struct

from podledger.api import ContainerStatus, Job, JobSpec, JobStatus, ObjectMeta, OwnerReference, PodCondition, PodStatus
from podledger.api.fields import TYPES

SCALARS = {"int32", "int64", "bool", "string", "Time", "MicroTime", "Quantity", "IntOrString", "any"}
ROOTS = ("Job", "CronJob", "Pod", "Namespace")
OTHER_ROOTS = (
    "Event", "Lease", "Binding", "Eviction", "DeleteOptions", "SelfSubjectAccessReview", "Status", "ListMeta",
)  # fmt: skip


def named_type(notation: str) -> str:
    """The type a field's notation names, without pointer, list or map."""
    return re.sub(r"^(\*|\[\]|map\[\])+", "", notation)


def test_every_type_named_is_there_and_every_type_there_is_reached() -> None:
    named = {named_type(notation) for fields in TYPES.values() for notation in fields.values()}
    assert named - SCALARS <= set(TYPES)
    assert set(TYPES) == (named - SCALARS) | {*ROOTS, *OTHER_ROOTS}


def test_field_names_are_json_names_in_order() -> None:
    for fields in TYPES.values():
        assert list(fields) == sorted(fields)
        assert all(re.fullmatch(r"[a-z][A-Za-z0-9]*", name) for name in fields)


@pytest.mark.parametrize("root", ROOTS)
def test_roots_have_what_every_object_has(root: str) -> None:
    fields = TYPES[root]
    assert fields == {
        "apiVersion": "string",
        "kind": "string",
        "metadata": "ObjectMeta",
        "spec": f"{root}Spec",
        "status": f"{root}Status",
    }


@pytest.mark.parametrize(
    "struct", [Job, JobSpec, JobStatus, ObjectMeta, OwnerReference, PodStatus, PodCondition, ContainerStatus]
)
def test_our_own_types_have_exactly_kubernetes_fields(struct: type[Struct]) -> None:
    ours = {field.encode_name for field in msgspec.structs.fields(struct)}
    assert ours == set(TYPES[struct.__name__]) - {"apiVersion", "kind"} | ({"apiVersion", "kind"} & ours)


def test_numbers_have_their_width() -> None:
    assert TYPES["JobSpec"]["parallelism"] == "*int32"
    assert TYPES["JobSpec"]["activeDeadlineSeconds"] == "*int64"
    assert TYPES["SecurityContext"]["runAsUser"] == "*int64"
    assert TYPES["ResourceRequirements"]["limits"] == "map[]Quantity"
