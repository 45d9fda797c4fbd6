"""Who may ask: whoever bears the token may do everything, all others next to nothing.

A wrong token is 401, none at all is Kubernetes' user system:anonymous and 403, as with a real API server's defaults.
"""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from podledger_adapters.server.answer import send_error
from podledger_adapters.server.path import ApiPath, parse_path
from podledger_adapters.server.status import forbidden, forbidden_path, unauthorized
from podledger_adapters.store.api_error import ApiError

__all__ = ["Authentication"]

ANONYMOUS = "system:anonymous"
PUBLIC = ("/healthz", "/livez", "/readyz", "/version")
"""What anybody may read: that the server is there, and which one."""


class Authentication:
    """Lets requests with the token through to `app`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or pass on one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await send_error(scope, receive, send, refusal)

    def _refusal(self, scope: Scope) -> ApiError | None:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        for value in given[:1]:
            kind, _, token = value.partition(b" ")
            if kind.lower() == b"bearer":
                # In constant time, so that nobody learns the token letter by letter.
                return None if hmac.compare_digest(token.strip(), self._token) else unauthorized()
        path: str = scope["path"]
        if path.rstrip("/") in PUBLIC:
            return None
        return anonymous_refusal(scope["method"], path, scope["query_string"])


def anonymous_refusal(method: str, path: str, query: bytes) -> ApiError:
    """The 403 of a request without credentials."""
    parsed = parse_path(path)
    if not isinstance(parsed, ApiPath) or parsed.resource is None:
        return forbidden_path(ANONYMOUS, method.lower(), path)
    verb = parsed.verb(method, watch=b"watch=true" in query or b"watch=1" in query) or method.lower()
    return forbidden(ANONYMOUS, verb, parsed.resource, namespace=parsed.namespace, name=parsed.name)
