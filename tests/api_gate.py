"""A gate before an API server: who asks, by tokens, and what they may do, by the RBAC objects of a cluster.

It refuses as Kubernetes' own authentication and RBAC authoriser do: 401, or 403 with their words; reviews of one's own
access are for everybody (ClusterRole system:basic-user) and answered from the same rules.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from podledger_adapters.server.answer import send_error
from podledger_adapters.server.path import ApiPath, parse_path
from podledger_adapters.server.status import forbidden_path, unauthorized
from podledger_adapters.store.api_error import ApiError

__all__ = ["Action", "ApiGate", "Grant", "grants_of"]

REVIEWS = "selfsubjectaccessreviews"
PUBLIC = ("/version", "/healthz", "/livez", "/readyz", "/api", "/apis")


class Action(NamedTuple):
    """What is asked. `resource` has its subresource behind a slash; `namespace` is "" for the whole cluster."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""


class Grant(NamedTuple):
    """A rule that a user has, in one namespace or ("") everywhere. `names`: of which objects, none for all."""

    verbs: frozenset[str]
    groups: frozenset[str]
    resources: frozenset[str]
    names: frozenset[str]
    namespace: str

    def covers(self, action: Action) -> bool:
        """Whether it grants an action."""
        return (
            self.namespace in ("", action.namespace)
            and action.verb in self.verbs
            and action.group in self.groups
            and action.resource in self.resources
            and (not self.names or action.name in self.names)
        )


def grants_of(documents: Iterable[Mapping[str, Any]], user: str) -> Iterator[Grant]:
    """What the bindings among these objects give a user; a service account is system:serviceaccount:NAMESPACE:NAME."""
    known = list(documents)
    roles = {(each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]): each for each in known}
    for binding in known:
        if not binding["kind"].endswith("Binding") or user not in map(_subject, binding["subjects"]):
            continue
        namespace = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        where = "" if reference["kind"] == "ClusterRole" else namespace
        for rule in roles[reference["kind"], where, reference["name"]]["rules"]:
            yield Grant(
                frozenset(rule["verbs"]),
                frozenset(rule["apiGroups"]),
                frozenset(rule["resources"]),
                frozenset(rule.get("resourceNames", ())),
                namespace,
            )


def _subject(subject: Mapping[str, str]) -> str:
    if subject["kind"] == "ServiceAccount":
        return f"system:serviceaccount:{subject['namespace']}:{subject['name']}"
    return subject["name"]


class ApiGate:
    """ASGI. `users`: who each token is. `grants`: what each user may do; users that are not in it may do everything.

    `token` is the one that the server behind the gate takes.
    """

    def __init__(self, app: ASGIApp, token: str, users: dict[str, str]) -> None:
        self._app, self._bearer = app, f"Bearer {token}".encode()
        self.users = users
        self.grants: dict[str, list[Grant]] = {}
        self.refused: list[Action] = []
        self.impersonated: list[tuple[tuple[str, str], ...]] = []
        self.authorizations: list[str] = []
        self.prefix = ""
        """The path below which the server lives."""
        self.version: bytes | None = None
        """What /version says in place of the server's own."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        given = dict(headers).get("authorization", "")
        self.authorizations.append(given)
        self.impersonated.append(tuple(each for each in headers if each[0].startswith("impersonate-")))
        user = self.users.get(given.removeprefix("Bearer "))
        if user is None:
            await send_error(scope, receive, send, unauthorized())
            return
        path: str = scope["path"].removeprefix(self.prefix)
        scope = {**scope, "path": path}
        parsed = parse_path(path)
        if self.version is not None and path == "/version":
            await _answer(send, 200, self.version)
        elif parsed is not None and parsed.resource is not None and parsed.resource.plural == REVIEWS:
            await self._review(user, receive, send)
        elif (refusal := self._refusal(user, scope, parsed)) is not None:
            await send_error(scope, receive, send, refusal)
        else:
            others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            await self._app({**scope, "headers": [*others, (b"authorization", self._bearer)]}, receive, send)

    def _may(self, user: str, action: Action) -> bool:
        grants = self.grants.get(user)
        return grants is None or any(grant.covers(action) for grant in grants)

    def _refusal(self, user: str, scope: Scope, parsed: ApiPath | None) -> ApiError | None:
        method, path = scope["method"], scope["path"]
        if parsed is None or parsed.resource is None:
            if path.rstrip("/") in PUBLIC or user not in self.grants:
                return None
            return forbidden_path(user, method.lower(), path)
        watch = parse_qs(scope["query_string"].decode()).get("watch") in (["true"], ["1"])
        resource = parsed.resource.plural + (f"/{parsed.subresource}" if parsed.subresource else "")
        # A namespace is taken to be in itself.
        namespace = parsed.name if parsed.resource.plural == "namespaces" else parsed.namespace
        action = Action(parsed.verb(method, watch=watch) or "", parsed.group, resource, namespace, parsed.name)
        if self._may(user, action):
            return None
        self.refused.append(action)
        return _forbidden(user, action)

    async def _review(self, user: str, receive: Receive, send: Send) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        document = msgspec.json.decode(body)
        asked: dict[str, str] = document["spec"]["resourceAttributes"]
        resource = asked["resource"] + (f"/{asked['subresource']}" if asked.get("subresource") else "")
        action = Action(
            asked["verb"], asked.get("group", ""), resource, asked.get("namespace", ""), asked.get("name", "")
        )
        answer = {**document, "status": {"allowed": self._may(user, action)}}
        await _answer(send, 201, msgspec.json.encode(answer))


def _forbidden(user: str, action: Action) -> ApiError:
    label = action.resource.partition("/")[0] + (f".{action.group}" if action.group else "")
    what = f'{label} "{action.name}"' if action.name else label
    where = f'in the namespace "{action.namespace}"' if action.namespace else "at the cluster scope"
    said = f'cannot {action.verb} resource "{action.resource}" in API group "{action.group}" {where}'
    details = {"name": action.name, "group": action.group, "kind": action.resource.partition("/")[0]}
    message = f'{what} is forbidden: User "{user}" {said}'
    return ApiError(403, "Forbidden", message, details={key: value for key, value in details.items() if value})


async def _answer(send: Send, status: int, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
