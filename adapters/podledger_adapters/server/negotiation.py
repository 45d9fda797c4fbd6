"""Content negotiation: which representation an Accept header gets, which form a Content-Type names, Warning headers.

Pure text work; what is in a body is `body.py`, what a Table holds is `tables/`.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import msgspec
import yaml
from msgspec import Struct

from podledger_adapters.server.status import (
    not_acceptable,
    not_acceptable_as,
    unsupported_media_type,
    unsupported_patch_type,
)

__all__ = [
    "APPLY_PATCH",
    "JSON",
    "JSON_PATCH",
    "MERGE_PATCH",
    "PATCH_TYPES",
    "PROTOBUF",
    "STRATEGIC_MERGE_PATCH",
    "YAML",
    "Representation",
    "encode",
    "media_type",
    "negotiate",
    "wants_pretty",
    "warning_headers",
]

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PATCH_TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_MERGE_PATCH, APPLY_PATCH)

Form = Literal["object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList", "APIGroupDiscoveryList"]
META_FORMS: Final[Sequence[Form]] = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")

MAX_CLAUSES: Final = 64
"""Clauses of an Accept header that are looked at."""
MAX_WARNINGS: Final = 4096
"""Characters of all warnings of one answer."""
MAX_WARNING: Final = 256
"""Characters a warning is cut to once all of them are too long."""
BROWSERS: Final = ("curl", "wget", "mozilla/5.0")
"""User agents behind which a person reads: they get indented JSON unless they say otherwise."""


class Representation(Struct, frozen=True):
    """How an answer is written: `form` is the kind of document, `version` that of the form (v1, v2beta1)."""

    media_type: str = JSON
    form: Form = "object"
    version: str = ""

    @property
    def content_type(self) -> str:
        """The Content-Type of the answer. Only aggregated discovery is told in it what it is."""
        if self.form == "APIGroupDiscoveryList":
            return f"{self.media_type};g=apidiscovery.k8s.io;v={self.version};as={self.form}"
        return self.media_type


class Clause(Struct, frozen=True):
    """One clause of an Accept header."""

    media_type: str
    parameters: dict[str, str]
    quality: float


def negotiate(
    accept: str | None, *, collection: bool = False, watch: bool = False, discovery: bool = False
) -> Representation:
    """The first representation of an Accept header that can be served.

    `watch` is a stream of changes, which is written as JSON only; `discovery` are /api and /apis, which alone have an
    aggregated form. Raises ApiError (406).
    """
    unknown_form = False
    clauses = list(_clauses(accept or "*/*"))
    for clause in clauses:
        media = _served_media_type(clause.media_type, watch)
        if media is None:
            continue
        if "as" not in clause.parameters:
            return Representation(media)
        found = _form(media, clause.parameters, discovery)
        if found is not None:
            return found
        unknown_form = True
    raise not_acceptable_as() if unknown_form else not_acceptable(collection=collection)


def _clauses(accept: str) -> Iterator[Clause]:
    """The clauses, the best liked first and those liked alike in their order."""
    clauses: list[Clause] = []
    for part in accept.split(",")[:MAX_CLAUSES]:
        media, *rest = (each.strip() for each in part.split(";"))
        pairs = (each.partition("=") for each in rest)
        parameters = {name.strip().lower(): value.strip().strip('"') for name, _, value in pairs}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if media and quality > 0:
            clauses.append(Clause(media.lower(), parameters, quality))
    yield from sorted(clauses, key=lambda clause: -clause.quality)


def _served_media_type(asked: str, watch: bool) -> str | None:
    if asked in ("*/*", "application/*", JSON):
        return JSON
    return YAML if asked == YAML and not watch else None


def _form(media: str, parameters: dict[str, str], discovery: bool) -> Representation | None:
    form, group, version = parameters["as"], parameters.get("g", ""), parameters.get("v", "")
    if form == "APIGroupDiscoveryList":
        served = discovery and group == "apidiscovery.k8s.io" and version in ("v2", "v2beta1") and media == JSON
        return Representation(media, "APIGroupDiscoveryList", version) if served else None
    for known in META_FORMS:
        if form == known and group == "meta.k8s.io" and version in ("v1", "v1beta1"):
            return Representation(media, known, version)
    return None


def media_type(content_type: str | None, *, patch: bool = False) -> str:
    """What a request's body is written in; a missing header means JSON, parameters are ignored.

    Raises ApiError (415); for a PATCH also where the header is missing.
    """
    asked = (content_type or "").partition(";")[0].strip().lower()
    if patch:
        if asked not in PATCH_TYPES:
            raise unsupported_patch_type()
        return asked
    if not asked:
        return JSON
    if asked not in (JSON, YAML, PROTOBUF):
        raise unsupported_media_type()
    return asked


def wants_pretty(query: str | None, user_agent: str) -> bool:
    """Whether JSON is to be indented: `query` is the value of the parameter `pretty`, None where it is not given."""
    if query is not None:
        return query.lower() not in ("", "0", "false")
    return user_agent.lower().startswith(BROWSERS)


def encode(document: object, representation: Representation, *, pretty: bool = False) -> bytes:
    """A document as it is sent, with a line break at its end."""
    if representation.media_type == YAML:
        plain: Any = msgspec.to_builtins(document)
        text: str = yaml.dump(plain, Dumper=yaml.CSafeDumper, default_flow_style=False, allow_unicode=True)
        return text.encode()
    data = msgspec.json.encode(document)
    return (msgspec.json.format(data, indent=2) if pretty else data) + b"\n"


def warning_headers(texts: Sequence[str]) -> list[str]:
    """The values of the Warning headers for these texts: each text once, all of them within Kubernetes' bound."""
    unique = [text for text in dict.fromkeys(map(_readable, texts)) if text]
    if sum(map(len, unique)) > MAX_WARNINGS:
        unique = list(dict.fromkeys(text[:MAX_WARNING] for text in unique))
    headers: list[str] = []
    total = 0
    for text in unique:
        total += len(text)
        if total > MAX_WARNINGS:
            break
        escaped = text.replace("\\", "\\\\").replace('"', '\\"')
        headers.append(f'299 - "{escaped}"')
    return headers


def _readable(text: str) -> str:
    """Without what may not stand in a header."""
    return "".join(char for char in text if char.isprintable())
