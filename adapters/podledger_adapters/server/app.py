"""The API server as an ASGI application: which handler answers which request, and what errors become.

Who may ask is `auth.py`; listening is `serving.py`. Handlers are in the modules imported here.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from podledger.errors import PodledgerError
from podledger_adapters.local import LocalCluster
from podledger_adapters.server.about import about
from podledger_adapters.server.answer import error_answer, path_not_found
from podledger_adapters.server.auth import Authentication
from podledger_adapters.server.call import Call, ServerState
from podledger_adapters.server.deleting import delete_object, delete_selected
from podledger_adapters.server.patching import patch_object
from podledger_adapters.server.path import ApiPath, parse_path
from podledger_adapters.server.pod_actions import bind_pod, evict_pod
from podledger_adapters.server.pod_log import read_pod_log
from podledger_adapters.server.reading import get_object, list_objects
from podledger_adapters.server.resource import RESOURCES
from podledger_adapters.server.status import internal_error, method_not_allowed, resource_not_found
from podledger_adapters.server.watching import watch_objects
from podledger_adapters.server.writing import create_object, review_access, update_object

__all__ = ["ApiServer", "make_app"]

LOGGER = logging.getLogger(__name__)

Handler = Callable[[Call], Awaitable[Response]]

COLLECTION: Final[Mapping[str, Handler]] = {
    "create": create_object,
    "deletecollection": delete_selected,
    "list": list_objects,
    "watch": watch_objects,
}
OBJECT: Final[Mapping[str, Handler]] = {
    "delete": delete_object,
    "get": get_object,
    "patch": patch_object,
    "update": update_object,
}
SUBRESOURCES: Final[Mapping[tuple[str, str], Handler]] = {
    ("binding", "create"): bind_pod,
    ("eviction", "create"): evict_pod,
    ("finalize", "update"): update_object,
    ("log", "get"): read_pod_log,
    ("status", "get"): get_object,
    ("status", "patch"): patch_object,
    ("status", "update"): update_object,
}
HEALTH: Final = ("/healthz", "/livez", "/readyz")


class ApiServer:
    """Answers requests, whoever they are from."""

    def __init__(self, state: ServerState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request of the ASGI protocol."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except PodledgerError as error:
            response = error_answer(error)
        except Exception as error:
            LOGGER.exception("%s %s failed", request.method, scope["path"])
            response = error_answer(internal_error(f"{type(error).__name__}: {error}"))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        path: str = request.scope["path"]
        if path in HEALTH:
            return PlainTextResponse("ok")
        parsed = parse_path(path)
        if parsed is None or parsed.resource is None:
            found = about(request)
            if found is not None:
                return found
            if parsed is None or not any(each.group == parsed.group for each in RESOURCES):
                return path_not_found()
            raise resource_not_found()
        call = Call(request, parsed, parsed.resource, self._state)
        return await handler_of(call)(call)


def handler_of(call: Call) -> Handler:
    """Who answers a request. Raises ApiError (405)."""
    path: ApiPath = call.path
    verb = path.verb(call.request.method, watch=call.flag("watch"))
    if verb is None:
        raise method_not_allowed()
    if (sub := path.served_subresource) is not None:
        handler = SUBRESOURCES.get((path.subresource, verb))
        served = verb in sub.verbs
    else:
        handler = (OBJECT if path.name else COLLECTION).get(verb)
        served = verb in call.resource.verbs
        if call.resource.kind == "SelfSubjectAccessReview":
            handler = review_access if verb == "create" and not path.name else None
    if handler is None or not served:
        raise method_not_allowed()
    if verb in ("create", "deletecollection") and call.resource.namespaced and not path.namespace:
        raise method_not_allowed()
    return handler


def make_app(cluster: LocalCluster, token: str) -> tuple[ASGIApp, ServerState]:
    """The application for a cluster that runs, and what its requests share: set `stopping` before it ends."""
    state = ServerState(cluster)
    return Authentication(ApiServer(state), token), state
