"""Manifest text: what is read, how what is not is told, and where fields stand."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from podledger_adapters.manifest.fault import ManifestError
from podledger_adapters.manifest.yaml_text import read_documents


def values(text: str) -> list[object]:
    return [document.value for document in read_documents("f.yaml", text.encode())]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("yes", True),
        ("off", False),
        ("y", "y"),
        ("0755", 493),
        ("0x1F", 31),
        ("-7", -7),
        ("1_000", 1000),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.2.3", "1.2.3"),
        (".inf", ".inf"),
        ("~", None),
        ("", None),
        ("null", None),
        ("'5'", "5"),
        ("=", "="),
    ],
)
def test_a_plain_text_has_the_type_kubectl_gives_it(text: str, value: object) -> None:
    assert values(f"a: {text}") == [{"a": value}]


def test_documents_are_numbered_as_written_and_empty_ones_left_out() -> None:
    documents = read_documents("f.yaml", b"---\n# nothing\n---\na: 1\n---\nb: 2\n...\n")
    assert [(document.number, document.value) for document in documents] == [(2, {"a": 1}), (3, {"b": 2})]


def test_json_documents_may_follow_one_another_and_say_what_yaml_cannot() -> None:
    assert values('{"a": 1}\n{"b": "\\ud83d\\ude00"}') == [{"a": 1}, {"b": "😀"}]
    assert values("{a: 1}") == [{"a": 1}]


def test_keys_that_look_like_numbers_are_text_and_merge_keys_merge() -> None:
    assert values("a: &x {1: k, true: l}\nb: {<<: *x, z: 1}") == [
        {"a": {"1": "k", "true": "l"}, "b": {"1": "k", "true": "l", "z": 1}}
    ]


BOMB = "a: &a [1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(9)
)


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("a: 1\nb: [1, 2\nc: 3", "document 1, line 3, column 2", "not valid YAML"),
        ("a: 1\n---\nb:\n  c: 1\n d: 2\n", "document 2, line 5, column 2", "check the indentation"),
        ("a:\n\t- x", "document 1, line 2, column 1", "tab"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "document 1, line 4, column 3", 'the key "c" is given twice'),
        ('{"a": 1,\n "a": 2}', "document 1, line 2, column 2", 'the key "a" is given twice'),
        ("x: &a [*a]", "document 1, line 1, column 8", "inside its own value"),
        ("x: *nope", "document 1, line 1, column 4", "undefined alias"),
        ("[" * 100_000, "document 1, line 1, column 101", "nested deeper than 100"),
        (BOMB, "document 1, line 7", "more than 2,000,000 values"),
        ("a: !!python/object:os.system x", "document 1, line 1, column 4", "tag"),
        ("? [a]\n: 1", "document 1, line 1, column 3", "a key must be a plain text"),
        ("a: " + "1" * 5000, "document 1", "a number is too long"),
        ("a: \x00", "", "unacceptable character"),
    ],
    ids=range(13),
)
def test_what_cannot_be_read_is_told_in_one_line_with_its_place(text: str, start: str, part: str) -> None:
    with pytest.raises(ManifestError) as caught:
        read_documents("f.yaml", text.encode())
    (fault,) = caught.value.faults
    assert str(fault).startswith(f"f.yaml: {start}")
    assert part in str(fault)
    assert "\n" not in str(fault)


def test_broken_json_in_a_json_file_is_told_as_such() -> None:
    with pytest.raises(ManifestError, match=r"^f\.json: line 1, column 9: not valid JSON"):
        read_documents("f.json", b'{"a": 1,}x')


def test_other_encodings_are_refused_with_the_line() -> None:
    with pytest.raises(ManifestError, match="line 2: not UTF-8"):
        read_documents("f.yaml", b"a: 1\nb: \xff\xfe")
    assert values("\ufeffa: 1") == [{"a": 1}]


def test_a_field_is_found_where_it_stands_and_a_missing_one_near() -> None:
    (document,) = read_documents("f.yaml", b"a:\n  b:\n  - c: 1\n    d: 2\n  - x.y/z: 2\n")
    found = {path: document.place(path)[2:] for path in ("a.b[0].d", "a.b[1]", "a.b[1][x.y/z]", "a.b[0].no", "q")}
    assert found == {"a.b[0].d": (4, 5), "a.b[1]": (5, 5), "a.b[1][x.y/z]": (5, 5), "a.b[0].no": (3, 5), "q": (1, 1)}


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1, max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from("abc"), json_values, min_size=1))
def test_json_is_read_as_json(value: dict[str, Any]) -> None:
    assert values(json.dumps(value)) == [value]


@given(st.dictionaries(st.sampled_from("abc"), json_values, min_size=1))
def test_what_pyyaml_writes_is_read_back(value: dict[str, Any]) -> None:
    # Quoted throughout: which plain texts are strings is where we differ from PyYAML on purpose.
    assert values(yaml.safe_dump(value, default_style='"')) == values(yaml.safe_dump(value, default_flow_style=False))


@given(st.text(max_size=60) | st.text("{}[]:-,&*!?|>'\"%@`# \n\tab1", max_size=60))
def test_any_text_is_read_or_refused_with_faults(text: str) -> None:
    faults: list[str] = []
    try:
        documents = read_documents("f.yaml", text.encode(errors="surrogatepass"))
        assert all(document.value is not None for document in documents)
    except ManifestError as error:
        faults.extend(map(str, error.faults))
        faults = faults or ["an error without a fault"]
    assert all(fault.startswith("f.yaml") for fault in faults)
