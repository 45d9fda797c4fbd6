"""Accept, Content-Type and Warning headers, as kubectl and other clients send and read them."""

import json

import pytest

from podledger_adapters.server import negotiation
from podledger_adapters.server.negotiation import Representation, encode, media_type, negotiate, warning_headers
from podledger_adapters.store.api_error import ApiError

KUBECTL_TABLE = (
    "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"
)
KUBECTL_DISCOVERY = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json"
)


@pytest.mark.parametrize(
    ("accept", "form", "media"),
    [
        (None, "object", negotiation.JSON),
        ("", "object", negotiation.JSON),
        ("*/*", "object", negotiation.JSON),
        ("application/json, */*", "object", negotiation.JSON),
        ("application/vnd.kubernetes.protobuf,application/json", "object", negotiation.JSON),
        (KUBECTL_TABLE, "Table", negotiation.JSON),
        ("application/json;as=Table;v=v9;g=meta.k8s.io, application/yaml", "object", negotiation.YAML),
        ("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1", "PartialObjectMetadata", negotiation.JSON),
        ("application/json;q=0.1, application/yaml", "object", negotiation.YAML),
        ("application/json; charset=utf-8", "object", negotiation.JSON),
        (KUBECTL_DISCOVERY, "object", negotiation.JSON),
    ],
)
def test_the_first_representation_that_can_be_served_is_taken(accept: str | None, form: str, media: str) -> None:
    chosen = negotiate(accept)
    assert (chosen.form, chosen.media_type, chosen.content_type) == (form, media, media)


def test_aggregated_discovery_is_told_in_the_content_type() -> None:
    chosen = negotiate(KUBECTL_DISCOVERY, discovery=True)
    assert chosen.content_type == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


def test_unknown_parameters_of_newer_clients_do_no_harm() -> None:
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList;profile=nopeer"
    assert negotiate(accept, discovery=True).version == "v2"


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=1", "application/json;q=0", ";;,=;"])
def test_nothing_to_serve_is_not_acceptable(accept: str) -> None:
    with pytest.raises(ApiError) as caught:
        negotiate(accept)
    assert caught.value.message == (
        "406: Not Acceptable\n\nAvailable representations: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


def test_an_unknown_form_alone_is_told_which_types_there_are() -> None:
    with pytest.raises(ApiError, match=r"^only the following media types are accepted: application/json"):
        negotiate("application/json;as=Picture;v=v1;g=meta.k8s.io")


def test_a_stream_is_json_only() -> None:
    assert negotiate("application/yaml, application/json;stream=watch", watch=True).media_type == negotiation.JSON
    with pytest.raises(ApiError, match="Not Acceptable"):
        negotiate("application/yaml", watch=True)


def test_a_body_without_a_type_is_json_and_parameters_are_ignored() -> None:
    assert media_type(None) == media_type("") == media_type("Application/JSON; charset=utf-8") == negotiation.JSON
    assert media_type("application/merge-patch+json;charset=utf-8", patch=True) == negotiation.MERGE_PATCH


def test_other_types_are_refused_in_two_ways() -> None:
    with pytest.raises(ApiError, match="the body of the request was in an unknown format") as caught:
        media_type("text/plain")
    assert caught.value.code == 415
    for asked in ("application/json", None):
        with pytest.raises(ApiError, match=r"^415: Unsupported Media Type$"):
            media_type(asked, patch=True)


def test_answers_end_in_a_line_break_and_are_indented_for_people() -> None:
    document = {"kind": "Job", "metadata": {"name": "a"}}
    assert encode(document, Representation()) == b'{"kind":"Job","metadata":{"name":"a"}}\n'
    assert encode(document, Representation(), pretty=True).startswith(b'{\n  "kind": "Job"')
    yaml = encode({"b": "ü: 1", "a": [1]}, Representation(negotiation.YAML))
    assert yaml == "a:\n- 1\nb: 'ü: 1'\n".encode()


def test_pretty_is_for_browsers_and_those_who_ask() -> None:
    assert negotiation.wants_pretty(None, "curl/8.0")
    assert not negotiation.wants_pretty("0", "curl/8.0")
    assert not negotiation.wants_pretty(None, "kubectl/v1.32")
    assert negotiation.wants_pretty("true", "kubectl/v1.32")


def test_warnings_are_quoted_once_each_and_bounded() -> None:
    assert warning_headers(['unknown field "spec.foo"', "a\\b", "a\\b", ""]) == [
        '299 - "unknown field \\"spec.foo\\""',
        '299 - "a\\\\b"',
    ]
    assert warning_headers(["line\r\nSet-Cookie: x"]) == ['299 - "lineSet-Cookie: x"']
    many = warning_headers([f"{number} " + "x" * 1000 for number in range(100)])
    assert 0 < sum(len(json.dumps(header)) for header in many) < 5000
