"""Documents compared, merged, cut and measured by the shapes of their types: the rules of structured merge.

The algorithm is that of Kubernetes' structured-merge-diff, told in its terms; who owns which path is `managed.py` and
`apply.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.patch.field_set import FieldSet, Path, item_step, value_step
from podledger_adapters.server.patch.merge_rules import KEY_DEFAULTS
from podledger_adapters.server.patch.shape import LEAF, Shape, field_shape, item_shape

__all__ = ["Comparison", "DuplicateItem", "compare", "field_set", "merge", "named_fields", "remove"]


class Missing:
    """The type of MISSING."""


MISSING: Final = Missing()
"""In place of a value that is not there; null is one that is."""


class DuplicateItem(ValueError):
    """Two items of a list have the same keys, or one lacks a key. `path` is the list's."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(why)
        self.path = path


class Comparison(Struct, frozen=True):
    """The paths that one document has and the other has not, or has with another value."""

    added: FieldSet
    modified: FieldSet
    removed: FieldSet

    def without(self, prefixes: Sequence[Path]) -> "Comparison":
        """The same without what lies at or under these paths."""

        def kept(paths: FieldSet) -> FieldSet:
            return frozenset(p for p in paths if not any(p[: len(prefix)] == prefix for prefix in prefixes))

        return Comparison(kept(self.added), kept(self.modified), kept(self.removed))


# ---- children ----------------------------------------------------------------------------------------------------


def _steps(shape: Shape, value: object, path: Path = (), *, strict: bool = False) -> dict[str, object] | None:
    """What lies directly under a value, by its step; None for what is no object or list of this shape.

    Of items with equal keys the last counts; with `strict` they raise DuplicateItem.
    """
    if shape.kind in ("struct", "map"):
        return {f"f:{name}": item for name, item in value.items()} if is_object(value) else None
    if not is_array(value):
        return None
    found: dict[str, object] = {}
    for number, item in enumerate(value):
        step = value_step(item) if shape.kind == "set" else _item_step(shape, item, number, path, strict)
        if strict and step in found:
            raise DuplicateItem(path, f"duplicate entries for key {step[2:]}")
        found[step] = item
    return found


def _item_step(shape: Shape, item: object, number: int, path: Path, strict: bool) -> str:
    keys: dict[str, object] = {}
    fields: Mapping[str, object] = item if is_object(item) else {}
    for key in shape.keys:
        value = fields.get(key, KEY_DEFAULTS.get(key))
        if value is not None:
            keys[key] = value
        elif strict:
            why = f'element {number}: associative list with keys has an element that omits key field "{key}"'
            raise DuplicateItem(path, why)
    return item_step(keys)


def _child(shape: Shape, step: str) -> Shape:
    if shape.kind in ("struct", "map"):
        return field_shape(shape, step[2:]) or LEAF
    return LEAF if shape.kind == "set" else item_shape(shape)


# ---- comparing ---------------------------------------------------------------------------------------------------


def compare(shape: Shape, old: object, new: object) -> Comparison:
    """What `new` adds to, changes of and lacks of `old`. An object that is new is a path of its own beside its
    content; one that was there, even empty or null, is not."""
    added: set[Path] = set()
    modified: set[Path] = set()
    removed: set[Path] = set()

    def leaf(path: Path, old: object, new: object) -> None:
        if old is MISSING:
            added.add(path)
        elif new is MISSING:
            removed.add(path)
        elif old != new or isinstance(old, bool) != isinstance(new, bool):
            modified.add(path)

    def walk(shape: Shape, path: Path, old: object, new: object) -> None:
        before, after = (_inside(shape, value) for value in (old, new))
        if before is None or after is None or not (before or after):
            leaf(path, old, new)
            return
        for step in dict.fromkeys((*before, *after)):
            walk(_child(shape, step), (*path, step), before.get(step, MISSING), after.get(step, MISSING))
        if path and old is MISSING:
            added.add(path)
        elif path and new is MISSING:
            removed.add(path)

    walk(shape, (), old, new)
    return Comparison(frozenset(added), frozenset(modified), frozenset(removed))


def _inside(shape: Shape, value: object) -> dict[str, object] | None:
    """As `_steps`, where what is missing or null has nothing inside; None for a leaf."""
    if shape.kind == "leaf":
        return None
    return {} if value is None or value is MISSING else _steps(shape, value)


def field_set(shape: Shape, value: object) -> FieldSet:
    """The paths that a document sets, as an applied configuration owns them. Raises DuplicateItem."""
    found: set[Path] = set()

    def walk(shape: Shape, path: Path, value: object) -> None:
        inside = None if shape.kind == "leaf" else _steps(shape, value, path, strict=True)
        if inside is None:
            found.add(path)
            return
        for step, item in inside.items():
            child = (*path, step)
            if item is None or item == {} or shape.kind != "struct":
                found.add(child)
            if item is not None:
                walk(_child(shape, step), child, item)

    walk(shape, (), value)
    found.discard(())
    return frozenset(found)


def named_fields(shape: Shape, paths: FieldSet) -> FieldSet:
    """The set with the declared fields that lie on the way to its members; keys of maps and items are none."""
    found = set(paths)
    for path in paths:
        here = shape
        for depth, step in enumerate(path[:-1]):
            if here.kind == "struct" and step[:2] == "f:":
                found.add(path[: depth + 1])
            here = _child(here, step)
    return frozenset(found)


# ---- merging and cutting -----------------------------------------------------------------------------------------


def merge(shape: Shape, live: Any, applied: Any) -> Any:
    """The live document with what a configuration applies to it. Neither is changed."""
    before, after = (_inside(shape, value) for value in (live, applied))
    if before is None or after is None or not (before or after):
        return live if applied is MISSING else applied
    if shape.kind in ("struct", "map"):
        return {
            step[2:]: merge(_child(shape, step), before.get(step, MISSING), after.get(step, MISSING))
            for step in dict.fromkeys((*before, *after))
        }
    return [
        merge(_child(shape, step), before.get(step, MISSING), after.get(step, MISSING))
        for step in _merged_order(list(before), list(after))
    ]


def _merged_order(live: Sequence[str], applied: Sequence[str]) -> Iterator[str]:
    """Items of both lists: the applied order holds among those applied, the others keep their neighbours."""
    left, right = list(live), list(applied)
    shared = [step for step in right if step in set(left)]
    wanted = set(right)
    while left or right:
        if left and right and left[0] == right[0]:
            shared.remove(left[0])
            yield left.pop(0)
            right.pop(0)
        elif left and left[0] not in wanted:
            yield left.pop(0)
        elif left and shared and left[0] != shared[0]:
            left.pop(0)  # It comes where the applied list has it.
        elif right:
            step = right.pop(0)
            if step in shared:
                shared.remove(step)
            yield step
        else:
            left.pop(0)


def remove(shape: Shape, value: Any, paths: FieldSet) -> Any:
    """The document without these paths and all that lies under them. What is left empty becomes null."""
    return _remove(shape, value, _tree(paths))


class Cut(Struct):
    """What is to be removed under a place: the steps that go as a whole, and those that lose something inside."""

    whole: set[str]
    inside: dict[str, "Cut"]


def _tree(paths: FieldSet) -> Cut:
    root = Cut(set(), {})
    for path in paths:
        node = root
        for step in path[:-1]:
            node = node.inside.setdefault(step, Cut(set(), {}))
        node.whole.add(path[-1])
    return root


def _remove(shape: Shape, value: Any, cut: Cut) -> Any:
    inside = None if shape.kind == "leaf" else _steps(shape, value)
    if inside is None:
        return value
    kept = {
        step: _remove(_child(shape, step), item, cut.inside[step]) if step in cut.inside else item
        for step, item in inside.items()
        if step not in cut.whole
    }
    if not kept:
        return None
    if shape.kind in ("struct", "map"):
        return {step[2:]: item for step, item in kept.items()}
    return list(kept.values())
