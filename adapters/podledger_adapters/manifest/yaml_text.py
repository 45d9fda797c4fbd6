"""YAML and JSON text to plain values, as kubectl reads manifests, with the place of every field kept.

PyYAML's C loader does the work, with the differences that manifests need: a key given twice is an error, `12:30` and
`2024-01-01` stay strings (Kubernetes knows no such types), tags of other languages are refused, and depth and size
are bounded before anything recursive is built. What the values mean is left to others.
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import yaml

from podledger_adapters.manifest.fault import Fault, ManifestError, Place

__all__ = ["MAX_BYTES", "YamlDocument", "read_documents"]

MAX_BYTES = 32 * 1024 * 1024
"""The largest manifest file. An API server takes 3 MB a request; a file may hold many documents."""
MAX_DEPTH = 100
"""The deepest nesting. A Job needs about 15; the C loader recurses, and would overrun its stack at some thousands."""
MAX_NODES = 2_000_000
"""The most values a file may have, aliases followed: text that grows without bound when expanded stops here."""

PATH_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")
"""One step of a field path: a name, or an index or key in brackets."""


_IMPLICIT = (
    ("null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("merge", r"^<<$", ["<"]),
    ("bool", r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$", "yYnNtTfFoO"),
    ("int", r"^[-+]?(?:0b[01]+|0[0-7]+|0|[1-9][0-9_]*|0x[0-9a-fA-F]+)$", "-+0123456789"),
    ("float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?$", "-+.0123456789"),
)
"""Which plain texts are no strings: type, pattern, first characters. As kubectl's reader, less what JSON has not."""


class _Loader(yaml.CSafeLoader):
    """The C loader with the types of JSON only."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (PyYAML's own declaration)
        first: [
            (f"tag:yaml.org,2002:{kind}", re.compile(pattern)) for kind, pattern, firsts in _IMPLICIT if first in firsts
        ]
        for first in sorted({first for _, _, firsts in _IMPLICIT for first in firsts})
    }


_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str", "map", "seq"))


class YamlDocument:
    """One document of a file: its `value` as plain JSON types, and where each field stands."""

    def __init__(self, source: str, number: int, value: object, root: yaml.Node | None) -> None:
        self.source, self.number, self.value = source, number, value
        self._root = root

    def place(self, field: str = "") -> Place:
        """Where a field stands; for a field that is missing, the nearest one around it that is there."""
        node = self._root
        mark = node.start_mark if node is not None else None
        for name, bracket in PATH_STEP.findall(field):
            found = _child(node, name or bracket)
            if found is None:
                break
            at, node = found
            mark = at.start_mark
        return _place(self.source, self.number, mark)


def read_documents(source: str, data: bytes) -> Sequence[YamlDocument]:
    """The documents of a file, empty ones left out; numbers count as written.

    Raises ManifestError with the first thing that is no YAML, or a key given twice, or beyond the bounds.
    """
    if len(data) > MAX_BYTES:
        raise _error(Place(source), f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB; split it")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _error(Place(source, line=line), "not UTF-8 text; save the file as UTF-8") from error
    no_json: json.JSONDecodeError | None = None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return _read_json(source, text)
        except json.JSONDecodeError as error:
            no_json = error  # it may still be YAML's flow style
        except (ValueError, RecursionError):
            pass  # what is wrong is told by the checks below, with its place
    try:
        _check_bounds(source, text)
        return list(_read_yaml(source, text))
    except ManifestError:
        if no_json is not None and source.endswith(".json"):
            place = Place(source, line=no_json.lineno, column=no_json.colno)
            raise _error(place, f"not valid JSON: {no_json.msg}") from no_json
        raise


def _read_json(source: str, text: str) -> Sequence[YamlDocument]:
    """JSON documents one behind another. Raises JSONDecodeError, or ValueError for what JSON allows and we do not."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)
    values: list[Any] = []
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        value, at = decoder.raw_decode(text, at)
        values.append(value)
    roots: list[yaml.Node | None] = []
    try:  # only for the places of fields: JSON that YAML reads otherwise does without
        _check_bounds(source, text)
        roots = list(yaml.compose_all(text, _Loader))
    except (yaml.YAMLError, ManifestError):
        roots = []
    if len(roots) != len(values):
        roots = [None] * len(values)
    return [YamlDocument(source, i, v, r) for i, (v, r) in enumerate(zip(values, roots, strict=True), 1)]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is given twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def _check_bounds(source: str, text: str) -> None:
    """Refuse what is no YAML, nested too deep or grows too large, by the parser's events: nothing here recurses."""
    document = nodes = 0
    sizes: dict[str, int] = {}  # of what an anchor names
    opened: list[tuple[str | None, int]] = []
    try:
        for event in yaml.parse(text, _Loader):
            fault = ""
            if isinstance(event, yaml.DocumentStartEvent):
                document += 1
                sizes.clear()
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                nodes += 1
                opened.append((event.anchor, nodes))
                fault = f"nested deeper than {MAX_DEPTH} levels; no Job needs that" if len(opened) > MAX_DEPTH else ""
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                anchor, before = opened.pop()
                if anchor is not None:
                    sizes[anchor] = nodes - before + 1
            elif isinstance(event, yaml.AliasEvent):
                nodes += sizes.get(event.anchor or "", 1)
                if any(anchor == event.anchor for anchor, _ in opened):
                    fault = f"the alias *{event.anchor} stands inside its own value; write the value out"
            elif isinstance(event, yaml.ScalarEvent):
                nodes += 1
            if nodes > MAX_NODES:
                fault = f"more than {MAX_NODES:,} values, aliases followed; no Job needs that"
            if fault:
                raise _error(_place(source, document, event.start_mark), fault)
    except yaml.YAMLError as error:
        raise _yaml_error(source, document, error) from error


def _read_yaml(source: str, text: str) -> Iterator[YamlDocument]:
    loader = _Loader(text)
    number = 0
    try:
        while loader.check_node():
            number += 1
            root = loader.get_node()
            if root is None:
                continue
            _check_keys(source, number, root)
            value: Any = loader.construct_document(root)  # pyright: ignore[reportUnknownMemberType] (the stub's gap)
            if value is not None:
                yield YamlDocument(source, number, value, root)
    except yaml.YAMLError as error:
        raise _yaml_error(source, number, error) from error
    except ValueError as error:  # a number that Python does not read, such as one of many thousand digits
        raise _error(Place(source, number), "a number is too long; put the value in quotes") from error
    finally:
        loader.dispose()


def _check_keys(source: str, number: int, root: yaml.Node) -> None:
    """Each key once, each a plain text, each tag one of JSON's. Keys such as 1 and true become text, as in kubectl."""
    pending, seen = [root], {id(root)}
    while pending:
        node = pending.pop()
        if node.tag not in _PLAIN_TAGS:
            at = _place(source, number, node.start_mark)
            raise _error(at, f"the tag {node.tag} is not supported; write a plain value")
        children: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            children = node.value
        elif isinstance(node, yaml.MappingNode):
            children = _check_mapping(source, number, node)
        for child in children:
            if id(child) not in seen:  # an alias is the very node its anchor names
                seen.add(id(child))
                pending.append(child)


def _check_mapping(source: str, number: int, node: yaml.MappingNode) -> list[yaml.Node]:
    names: set[str] = set()
    for key, _ in node.value:
        at = _place(source, number, key.start_mark)
        if not isinstance(key, yaml.ScalarNode):
            raise _error(at, "a key must be a plain text; put it in quotes, or remove the braces or brackets")
        if key.tag == "tag:yaml.org,2002:merge":
            continue
        if key.value in names:
            raise _error(at, f"the key {json.dumps(key.value)} is given twice in one mapping; keep one of them")
        names.add(key.value)
        key.tag = "tag:yaml.org,2002:str"
    return [value for _, value in node.value]


def _child(node: yaml.Node | None, step: str) -> tuple[yaml.Node, yaml.Node] | None:
    """What a step of a path leads to: the node that names it (a key, or the item itself) and its value."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key, value
    elif isinstance(node, yaml.SequenceNode) and step.isdecimal() and int(step) < len(node.value):
        item = node.value[int(step)]
        return item, item
    return None


def _yaml_error(source: str, document: int, error: yaml.YAMLError) -> ManifestError:
    """PyYAML's error as one fault: where, what, and what it was doing."""
    mark = None
    text = str(error)
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        text = error.problem or error.context or text
        if error.problem and error.context:
            text = f"{text} {error.context}"
        if "cannot start any token" in text:
            text += " (a tab, or one of @ ` % before a value: indent with spaces, put the value in quotes)"
        elif "not allowed in this context" in text or "did not find expected" in text:
            text += " (check the indentation, colons and brackets here and on the line before)"
    elif isinstance(error, yaml.reader.ReaderError):
        text = f"unacceptable character at position {error.position}"
    return _error(_place(source, document, mark), f"not valid YAML: {text}")


class _Mark(Protocol):
    """A place as PyYAML's two parsers tell it, each with a class of its own."""

    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def _place(source: str, document: int, mark: _Mark | None) -> Place:
    """PyYAML counts from 0, people from 1."""
    return Place(source, document) if mark is None else Place(source, document, mark.line + 1, mark.column + 1)


def _error(place: Place, message: str) -> ManifestError:
    return ManifestError([Fault(place, message)])
