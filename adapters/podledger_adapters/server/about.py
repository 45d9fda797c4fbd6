"""What the server says of itself: version, discovery, OpenAPI. The documents are `discovery.py`'s and `openapi/`'s."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from podledger_adapters.server.answer import document_answer, encoded_answer
from podledger_adapters.server.discovery import (
    aggregated,
    api_versions,
    group,
    group_list,
    resource_list,
    root_paths,
    version_info,
)
from podledger_adapters.server.negotiation import negotiate, wants_pretty
from podledger_adapters.server.openapi import OpenApi
from podledger_adapters.server.status import method_not_allowed

__all__ = ["about"]

READING = ("GET", "HEAD")
OPENAPI = "openapi/v3"


@cache
def documents() -> OpenApi:
    """The OpenAPI documents, each made when it is first asked for."""
    return OpenApi()


def about(request: Request) -> Response | None:
    """The answer to a path that is about the server, None for any other. Raises ApiError (405, 406)."""
    path: str = request.scope["path"].strip("/")
    document = _document(request, path)
    if document is None:
        return None
    if request.method not in READING:
        raise method_not_allowed()
    if isinstance(document, bytes):
        return encoded_answer(document)
    discovers = path in ("api", "apis")
    representation = negotiate(request.headers.get("accept"), discovery=discovers)
    if representation.form == "APIGroupDiscoveryList":
        document = aggregated(core=path == "api", version=representation.version)
    pretty = wants_pretty(request.query_params.get("pretty"), request.headers.get("user-agent", ""))
    return document_answer(document, representation, pretty=pretty)


def _document(request: Request, path: str) -> Mapping[str, Any] | bytes | None:
    """What is at a path, in its older form or encoded."""
    match path.split("/"):
        case [""]:
            return root_paths()
        case ["version"]:
            return version_info(version("podledger"))
        case ["api"]:
            return api_versions(request.headers.get("host", ""))
        case ["apis"]:
            return group_list()
        case ["api", name]:
            return resource_list(name)
        case ["apis", name]:
            return group(name)
        case ["apis", name, number]:
            return resource_list(f"{name}/{number}")
        case ["openapi", "v3"]:
            return documents().index()
        case ["openapi", "v3", *_]:
            name = path.removeprefix(f"{OPENAPI}/")
            return documents().encoded(name) if name in documents().names else None
        case _:
            return None
