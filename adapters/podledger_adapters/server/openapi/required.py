"""Which fields of a type OpenAPI documents call required: data (`required.json`), made by
tests/repository/write_field_tree.py.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.resources import files

from msgspec import convert

__all__ = ["required_fields"]


@lru_cache(maxsize=1)
def _types() -> Mapping[str, Sequence[str]]:
    text = files("podledger_adapters.server.openapi").joinpath("required.json").read_text(encoding="utf-8")
    return convert(json.loads(text)["types"], dict[str, list[str]])


def required_fields(type_: str) -> Sequence[str]:
    """The names of a type's required fields, in order; most types have none. Read when first asked for."""
    return _types().get(type_, ())
