"""What a place in a document is made of, as merging sees it: an object, a map, a list of told-apart items, a whole.

Derived from the field tree and the merge rules; cached, as every patch walks the same places.
"""

from functools import lru_cache
from typing import Final, Literal

from msgspec import Struct

from podledger.api.fields import TYPES
from podledger_adapters.server.patch.merge_rules import ATOMIC_MAPS, ATOMIC_TYPES, LISTS

__all__ = ["LEAF", "Shape", "field_shape", "item_shape", "root_shape"]


class Shape(Struct, frozen=True):
    """`struct`: an object of declared fields, of the type `type`; `map`: free keys, values of `type`; `list`: items
    of `type` told apart by `keys`; `set`: plain values, each once; `leaf`: taken or left as a whole."""

    kind: Literal["struct", "map", "list", "set", "leaf"]
    type: str = ""
    keys: tuple[str, ...] = ()


LEAF: Final = Shape("leaf")


def root_shape(kind: str) -> Shape:
    """The shape of an object of this kind (a key of the field tree)."""
    return Shape("struct", kind)


@lru_cache(maxsize=4096)
def field_shape(parent: Shape, name: str) -> Shape | None:
    """The shape of a struct's field or a map's value; None for a field that the struct does not have."""
    if parent.kind == "map":
        return _shape(parent.type, "", "")
    declared = TYPES[parent.type].get(name)
    return None if declared is None else _shape(declared, parent.type, name)


@lru_cache(maxsize=1024)
def item_shape(parent: Shape) -> Shape:
    """The shape of the items of a list whose items are told apart."""
    return _shape(parent.type, "", "")


def _shape(declared: str, owner: str, field: str) -> Shape:
    declared = declared.removeprefix("*")
    if declared.startswith("[]"):
        rule = LISTS.get((owner, field))
        if rule is None or not (rule.keys or rule.is_set):
            return LEAF
        return Shape("set") if rule.is_set else Shape("list", declared[2:], rule.keys)
    if declared.startswith("map[]"):
        return LEAF if (owner, field) in ATOMIC_MAPS else Shape("map", declared[5:])
    if declared in TYPES and declared not in ATOMIC_TYPES:
        return Shape("struct", declared)
    return LEAF
