"""Sets of paths, in the form of managedFields (FieldsV1), and paths as conflicts tell them.

A path is a tuple of steps, each written as FieldsV1 writes it: `f:spec`, `k:{"name":"pi"}`, `v:"a-finalizer"`.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from podledger.api.field_error import go_quote
from podledger.api.json_value import is_object

__all__ = ["NO_FIELDS", "FieldSet", "Path", "fields_v1", "from_fields_v1", "item_step", "path_text", "value_step"]

Path = tuple[str, ...]
FieldSet = frozenset[Path]

NO_FIELDS: Final[FieldSet] = frozenset()

SELF: Final = "."
ORDER: Final = {SELF: 0, "f": 1, "k": 2, "v": 3, "i": 4}


def item_step(keys: Mapping[str, object]) -> str:
    """The step to the item of a list that has these keys."""
    return "k:" + json.dumps(keys, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def value_step(value: object) -> str:
    """The step to a value of a set."""
    return "v:" + json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def fields_v1(paths: Iterable[Path]) -> dict[str, Any]:
    """The set as a FieldsV1 document, its steps in Kubernetes' order."""
    root: dict[str, Any] = {}
    for path in paths:
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node[SELF] = {}
    return _ordered(root)


def _ordered(node: Mapping[str, Any]) -> dict[str, Any]:
    """Sorted place by place, which costs less than sorting paths. `{".": {}}` alone is written `{}`."""
    if len(node) == 1 and SELF in node:
        return {}
    return {step: _ordered(node[step]) for step in sorted(node, key=_order)}


def _order(step: str) -> tuple[int, str]:
    return ORDER.get(step[:1], len(ORDER)), step


def from_fields_v1(fields: object) -> FieldSet:
    """The set in a FieldsV1 document; what is none gives an empty set."""
    found: set[Path] = set()
    _collect(fields, (), found)
    found.discard(())
    return frozenset(found)


def _collect(node: object, path: Path, found: set[Path]) -> None:
    if not is_object(node):
        return
    if not node:
        found.add(path)
    for step, child in node.items():
        if step == SELF:
            found.add(path)
        elif step[:2] in ("f:", "k:", "v:", "i:"):
            _collect(child, (*path, step), found)


def path_text(path: Path) -> str:
    """A path as people read it: `.spec.template.spec.containers[name="pi"].image`."""
    return "".join(_step_text(step) for step in path)


def _step_text(step: str) -> str:
    kind, text = step[:1], step[2:]
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys: dict[str, object] = json.loads(text)
        return "[" + ",".join(f"{key}={_value_text(value)}" for key, value in sorted(keys.items())) + "]"
    return f"[={_value_text(json.loads(text))}]" if kind == "v" else f"[{text}]"


def _value_text(value: object) -> str:
    return go_quote(value) if isinstance(value, str) else json.dumps(value)
