"""OpenAPI v3 documents of all that is served: kubectl validates, explains and computes patches from them.

One document for each group and version, listed with a hash of its content, as Kubernetes does:
https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
"""

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from podledger.api.json_value import is_array, is_object
from podledger_adapters.server.discovery import KUBERNETES_VERSION
from podledger_adapters.server.openapi.paths import resource_paths
from podledger_adapters.server.openapi.schemas import list_schema, schema_name, schemas
from podledger_adapters.server.resource import RESOURCES, ApiResource

__all__ = ["OpenApi"]

Json = dict[str, Any]


class OpenApi:
    """The documents for some resources, each made and encoded when it is first asked for."""

    def __init__(self, resources: Sequence[ApiResource] = RESOURCES) -> None:
        self._resources = resources
        self._encoded: dict[str, bytes] = {}
        self.names: Sequence[str] = sorted({resource.path.removeprefix("/") for resource in resources})
        """What the documents are called: `api/v1`, `apis/batch/v1`."""

    def index(self) -> Json:
        """The answer of /openapi/v3: where each document is."""
        paths: Json = {}
        for name in self.names:
            digest = hashlib.sha256(self.encoded(name)).hexdigest().upper()
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
        return {"paths": paths}

    def encoded(self, name: str) -> bytes:
        """A document as JSON text. Raises KeyError for a name that is none of `names`."""
        if name not in self._encoded:
            self._encoded[name] = msgspec.json.encode(self.document(name))
        return self._encoded[name]

    def document(self, name: str) -> Json:
        """A document. Raises KeyError for a name that is none of `names`."""
        members = [resource for resource in self._resources if resource.path == f"/{name}"]
        if not members:
            raise KeyError(name)
        paths = dict(path for resource in members for path in resource_paths(resource))
        lists = {f"{one.kind}List": list_schema(one) for one in members if "list" in one.verbs}
        mentioned = set(_mentioned(paths)) | set(_mentioned(lists))
        components = schemas(sorted(mentioned - set(lists)), members)
        components |= {schema_name(kind): schema for kind, schema in lists.items()}
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": f"v{KUBERNETES_VERSION}"},
            "paths": paths,
            "components": {
                "schemas": dict(sorted(components.items())),
                "securitySchemes": {
                    "BearerToken": {"type": "apiKey", "in": "header", "name": "authorization"},
                },
            },
            "security": [{"BearerToken": []}],
        }


def _mentioned(document: object) -> Iterator[str]:
    """The types that a document refers to."""
    if is_object(document):
        for key, value in document.items():
            if key == "$ref" and isinstance(value, str):
                yield value.rpartition(".")[2]
            yield from _mentioned(value)
    elif is_array(document):
        for item in document:
            yield from _mentioned(item)
