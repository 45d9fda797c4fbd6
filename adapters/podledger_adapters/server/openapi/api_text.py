"""What the API reference says of types and fields, and which fields are required: data (`api_text.json`), made by
tests/repository/write_field_tree.py.
"""

import json
from functools import lru_cache
from importlib.resources import files

from msgspec import Struct, convert

__all__ = ["TypeText", "field_text", "type_texts"]


class TypeText(Struct, frozen=True):
    """Of one type: its required fields, and what is said of its fields."""

    required: list[str]
    fields: dict[str, str]


@lru_cache(maxsize=1)
def type_texts() -> dict[str, TypeText]:
    """All types by name; read when first asked for."""
    text = files("podledger_adapters.server.openapi").joinpath("api_text.json").read_text(encoding="utf-8")
    return convert(json.loads(text)["types"], dict[str, TypeText])


def field_text(type_: str, field: str) -> str:
    """What is said of a field, "" for nothing."""
    return type_texts()[type_].fields.get(field, "")
