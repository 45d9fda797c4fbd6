"""Selectors of requests: what they match, what is no selector, and which fields can be asked for."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger_adapters.server.selectors import Predicate, field_selector, label_selector
from podledger_adapters.store.api_error import ApiError


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}}


@pytest.mark.parametrize(
    ("selector", "fits", "fails"),
    [
        ("a=b", {"a": "b"}, {"a": "c"}),
        ("a==b", {"a": "b"}, {}),
        ("a!=b", {}, {"a": "b"}),
        ("a in (x, y)", {"a": "y"}, {"a": "z"}),
        ("a notin (x,y)", {}, {"a": "x"}),
        ("a", {"a": ""}, {"b": "a"}),
        ("!a", {"b": ""}, {"a": ""}),
        ("a=", {"a": ""}, {"a": "b"}),
        ("a in (,b)", {"a": ""}, {"a": "c"}),
        ("a in (in,notin)", {"a": "notin"}, {"a": "(in"}),
        (" a = b , c ", {"a": "b", "c": "d"}, {"a": "b"}),
        ("a>5,a<9", {"a": "7"}, {"a": "9"}),
        ("a>5", {"a": "6"}, {"a": "x"}),
        ("in=in", {"in": "in"}, {"in": "out"}),
    ],
)
def test_label_selectors(selector: str, fits: dict[str, str], fails: dict[str, str]) -> None:
    matches = label_selector(selector)
    assert matches(labelled(**fits))
    assert not matches(labelled(**fails))


def test_an_empty_selector_selects_everything() -> None:
    assert label_selector("")({})
    assert field_selector("Job", "")({})


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("a in", "unable to parse requirement: found '', expected: '('"),
        ("a in ()", "unable to parse requirement: values: Invalid value: []: for 'in', 'notin' operators, values set"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a=b c", "found 'c', expected: ',' or 'end of string'"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("=b", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=(", "unable to parse requirement: found '(', expected: identifier"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("-a=b", 'unable to parse requirement: key: Invalid value: "-a": name part must consist of'),
        ("a=-b", 'unable to parse requirement: values[0][a]: Invalid value: "-b": a valid label must be'),
        ("a>b", "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators"),
    ],
)
def test_what_is_no_label_selector_is_refused_in_kubernetes_words(selector: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        label_selector(selector)
    assert caught.value.code == 400
    assert caught.value.message.startswith(message)


def result(select: Callable[[str], Predicate], text: str) -> bool | str:
    """Whether a selector fits an empty object, or that it was refused."""
    try:
        return select(text)({})
    except ApiError as error:
        return "refused" if error.code == 400 else str(error.code)


@given(st.text("ab!=(),<> \\in", max_size=20))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    assert result(label_selector, text) in (True, False, "refused")
    assert result(partial(field_selector, "Pod"), text) in (True, False, "refused")


POD = {
    "metadata": {"name": "a", "namespace": "n"},
    "spec": {"nodeName": "node", "restartPolicy": "Never"},
    "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]},
}
EVENT = {
    "metadata": {"name": "e"},
    "involvedObject": {"kind": "Job", "apiVersion": "batch/v1", "name": "pi", "uid": "u"},
    "reportingComponent": "job-controller",
    "type": "Normal",
}


@pytest.mark.parametrize(
    ("kind", "selector", "document", "fits"),
    [
        ("Job", "metadata.name=a", POD, True),
        ("Job", "metadata.name!=a", POD, False),
        ("Job", "status.successful=0", {}, True),
        ("Job", "status.successful==3", {"status": {"succeeded": 3}}, True),
        ("CronJob", "metadata.namespace=n,metadata.name=a", POD, True),
        ("Pod", "spec.nodeName=node,status.phase!=Failed", POD, True),
        ("Pod", "spec.nodeName=", {}, True),
        ("Pod", "spec.hostNetwork=false", POD, True),
        ("Pod", "spec.hostNetwork=true", {"spec": {"hostNetwork": True}}, True),
        ("Pod", "status.podIP=10.0.0.1", POD, True),
        ("Pod", "status.podIP=10.0.0.9", {"status": {"podIP": "10.0.0.9"}}, True),
        ("Event", "involvedObject.kind=Job,involvedObject.apiVersion=batch/v1,involvedObject.name=pi", EVENT, True),
        ("Event", "source=job-controller", EVENT, True),
        ("Event", "source=other", {**EVENT, "source": {"component": "other"}}, True),
        ("Event", r"reason=a\,b\=c\\", {"reason": "a,b=c\\"}, True),
        ("Namespace", "status.phase=Active", {"status": {"phase": "Active"}}, True),
    ],
)
def test_field_selectors(kind: str, selector: str, document: dict[str, Any], fits: bool) -> None:
    assert field_selector(kind, selector)(document) is fits


@pytest.mark.parametrize(
    ("kind", "selector", "message"),
    [
        ("Job", "spec.x=1", 'field label "spec.x" not supported for Job'),
        ("CronJob", "x=1", '"x" is not a known field selector: only "metadata.name", "metadata.namespace"'),
        ("Pod", "spec.x=1", "field label not supported: spec.x"),
        ("Event", "a=1", "field label not supported: a"),
        ("Pod", "status.phase", "invalid selector: 'status.phase'; can't understand 'status.phase'"),
        ("Pod", r"status.phase=\x", r"invalid field selector: invalid escape sequence: \x"),
        ("Pod", "status.phase=a=b", "invalid field selector: unescaped character in value: 61"),
    ],
)
def test_other_fields_are_refused(kind: str, selector: str, message: str) -> None:
    with pytest.raises(ApiError) as caught:
        field_selector(kind, selector)
    assert (caught.value.code, caught.value.message) == (400, message)
