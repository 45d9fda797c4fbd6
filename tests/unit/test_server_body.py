"""Bodies of requests: what is no object is refused in the API server's words, what is one comes out whole."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podledger_adapters.server.body import MAX_BYTES, decode_body
from podledger_adapters.server.field_validation import checked, checked_patch, field_validation
from podledger_adapters.server.json_text import MAX_DEPTH, MalformedJson, read_json
from podledger_adapters.server.negotiation import JSON, YAML
from podledger_adapters.server.status import status_of
from podledger_adapters.store.api_error import ApiError

RECORDED = Path(os.environ.get("PODLEDGER_REFERENCE", Path(__file__).parents[2].parent / "shared")) / "recorded"
UNREGISTERED = 'is registered for version "{}" in scheme "pkg/api/legacyscheme/scheme.go:30"'


def refusal(data: bytes, media: str = JSON, kind: str = "Job", api_version: str = "batch/v1") -> str:
    with pytest.raises(ApiError) as caught:
        decode_body(kind, api_version, media, data)
    assert (caught.value.code, caught.value.reason) == (400, "BadRequest")
    return caught.value.message


def test_what_the_path_says_need_not_be_said_again() -> None:
    assert decode_body("Job", "batch/v1", JSON, b"{}").document == {"kind": "Job", "apiVersion": "batch/v1"}
    text = b"kind: Job\nmetadata:\n  name: a\n"
    assert decode_body("Job", "batch/v1", YAML, text).document["metadata"] == {"name": "a"}


def test_text_that_is_no_json_is_shown_as_a_real_server_shows_it() -> None:
    assert refusal(b"{not json") == (
        "the object provided is unrecognized (must be of type Job): couldn't get version/kind; json parse error: "
        "invalid character 'n' looking for beginning of object key string ({not json)"
    )
    assert refusal(b"").endswith("unexpected end of JSON input (<empty>)")
    assert refusal(b"a" * 40).endswith("beginning of value (" + "61" * 30 + " ...)")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected end of JSON input"),
        ('{"a": "b', "unexpected end of JSON input"),
        ('{"a"', "unexpected end of JSON input"),
        ("[1, 2", "unexpected end of JSON input"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ('{"a": 1 "b"}', "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1, x]", "invalid character 'x' looking for beginning of value"),
        ('{"a": trux}', "invalid character 'x' in literal true (expecting 'e')"),
        ("nul", "unexpected end of JSON input"),
        ("{} {}", "invalid character '{' after top-level value"),
        ('"a\nb"', r"invalid character '\n' in string literal"),
        (r'"\x"', "invalid character 'x' in string escape code"),
        (r'"\u12g4"', r"invalid character 'g' in \u hexadecimal character escape"),
        ("-x", "invalid character 'x' in numeric literal"),
        ("NaN", "invalid character 'N' looking for beginning of value"),
        ("[" * (MAX_DEPTH + 1), "exceeded max depth"),
    ],
)
def test_faults_of_json_are_told_in_the_words_of_go(text: str, message: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        read_json(text.encode())
    assert str(caught.value) == message


def kind_or_code(media: str, data: bytes) -> object:
    """The kind of what was read, or the code of the refusal."""
    try:
        return decode_body("Job", "batch/v1", media, data).document["kind"]
    except ApiError as error:
        return error.code


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | st.text('{}[]",:\\utrue0-.e ').map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for media in (JSON, YAML):
        assert kind_or_code(media, data) in ("Job", 400)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
        lambda v: st.lists(v) | st.dictionaries(st.text(), v),
    )
)
def test_json_is_read_as_it_is_written(value: object) -> None:
    assert read_json(json.dumps(value).encode()) == value


def test_numbers_and_text_that_cannot_be_sent_again_are_made_so_as_go_does() -> None:
    assert read_json(b"[9223372036854775807, 9223372036854775808]") == [2**63 - 1, float(2**63)]
    assert read_json(b"1" * 50) == float("1" * 50)
    assert read_json(rb'{"\ud800": ["\udc00x", "\ud83d\ude00"]}') == {"\ufffd": ["\ufffdx", "\U0001f600"]}
    for huge in (b"1e999", b"-" + b"9" * 500):
        with pytest.raises(MalformedJson, match="cannot unmarshal number"):
            read_json(huge)
    assert "too large" in refusal(b"a: 99999999999999999999999", YAML)


def test_an_alias_bomb_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 6)]
    assert "aliases followed" in refusal("\n".join(lines).encode(), YAML)


def test_too_large_a_body_is_refused() -> None:
    with pytest.raises(ApiError) as caught:
        decode_body("Job", "batch/v1", JSON, b" " * (MAX_BYTES + 1))
    assert (caught.value.code, caught.value.message) == (413, "Request entity too large: limit is 3145728")


@pytest.mark.parametrize(
    ("kind", "version", "message"),
    [
        ("CronJob", "batch/v1beta1", 'CronJob in version "v1beta1" cannot be handled as a Job: no kind "CronJob" '),
        ("Job", "batch/v1beta1", 'Job in version "v1beta1" cannot be handled as a Job: no kind "Job" '),
        ("Job", "batch/v2", 'Job in version "v2" cannot be handled as a Job: no kind "Job" '),
    ],
)
def test_versions_nobody_serves_are_not_registered(kind: str, version: str, message: str) -> None:
    text = json.dumps({"kind": kind, "apiVersion": version}).encode()
    assert refusal(text) == message + UNREGISTERED.format(version)


def test_a_removed_version_of_the_kind_and_another_kind_are_told_apart() -> None:
    assert refusal(b'{"kind":"CronJob","apiVersion":"batch/v1beta1"}', kind="CronJob") == (
        "the API version in the data (batch/v1beta1) does not match the expected API version (batch/v1)"
    )
    assert refusal(b'{"kind":"Pod","apiVersion":"v1"}') == (
        'Pod in version "v1" cannot be handled as a Job: converting (v1.Pod) to (batch.Job): unknown conversion'
    )


def test_options_of_a_deletion_may_have_any_version() -> None:
    data = b'{"kind":"DeleteOptions","apiVersion":"batch/v1","propagationPolicy":"Orphan"}'
    assert decode_body("DeleteOptions", "v1", JSON, data).document["propagationPolicy"] == "Orphan"


@pytest.mark.parametrize("data", [b"[1]", b'"x"', b"7", b'{"kind": 7}'])
def test_what_is_no_object_is_unrecognized(data: bytes) -> None:
    assert refusal(data).startswith("the object provided is unrecognized (must be of type Job): couldn't get version/")


SLOPPY = b"""{"spec": {"bogus": 1, "suspend": true, "suspend": false,
    "template": {"spec": {"containers": [{"name": "a", "imge": "b"}]}}}}"""
PROBLEMS = (
    'duplicate field "spec.suspend"',
    'unknown field "spec.bogus"',
    'unknown field "spec.template.spec.containers[0].imge"',
)


def test_unknown_fields_are_refused_warned_of_or_dropped() -> None:
    body = decode_body("Job", "batch/v1", JSON, SLOPPY)
    with pytest.raises(ApiError) as caught:
        checked("Job", "v1", body.document, "Strict", body.duplicates)
    head = 'Job in version "v1" cannot be handled as a Job: strict decoding error: '
    assert caught.value.message == head + ", ".join(PROBLEMS)
    document, warnings = checked("Job", "v1", body.document, "Warn", body.duplicates)
    assert tuple(warnings) == PROBLEMS
    assert document["spec"] == {"suspend": False, "template": {"spec": {"containers": [{"name": "a"}]}}}
    assert checked("Job", "v1", body.document, "Ignore", body.duplicates) == (document, ())


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recordings in {RECORDED}; set PODLEDGER_REFERENCE")
def test_the_strict_error_is_the_recorded_one() -> None:
    document = {"spec": {"bogus": 1, "template": {"spec": {"containers": [{"imge": "b"}]}}}}
    with pytest.raises(ApiError) as caught:
        checked("Job", "v1", document, "Strict")
    assert status_of(caught.value) == json.loads((RECORDED / "error-unknown-field-strict.json").read_text())


def test_a_wrong_type_is_refused_whatever_the_mode() -> None:
    with pytest.raises(ApiError) as caught:
        checked("Job", "v1", {"spec": {"parallelism": "2"}}, "Ignore")
    assert caught.value.message == (
        'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal string into Go struct field '
        "JobSpec.spec.parallelism of type int32"
    )


def test_of_a_patch_the_patch_is_blamed() -> None:
    with pytest.raises(ApiError) as caught:
        checked_patch("Job", {"spec": {"foo": 1}}, "Strict", '{"spec":{"foo":1}}')
    assert (caught.value.code, caught.value.message) == (
        422,
        ' "" is invalid: patch: Invalid value: "{\\"spec\\":{\\"foo\\":1}}": strict decoding error: '
        'unknown field "spec.foo"',
    )


def test_the_mode_is_one_of_three() -> None:
    assert [field_validation(value, "CreateOptions") for value in (None, "", "Strict")] == ["Warn", "Warn", "Strict"]
    with pytest.raises(ApiError) as caught:
        field_validation("strict", "CreateOptions")
    assert caught.value.message == (
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "strict": '
        'supported values: "", "Ignore", "Strict", "Warn"'
    )
