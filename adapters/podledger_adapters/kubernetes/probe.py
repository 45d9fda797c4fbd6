"""What is asked of a server before anything else: is it Kubernetes, which version, which cluster, what may we do."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from podledger.api.namespace import Namespace
from podledger.errors import ClusterError
from podledger.ports import Clock
from podledger_adapters.kubernetes.client import Answer, ApiClient
from podledger_adapters.kubernetes.decode import decode_page
from podledger_adapters.kubernetes.request import (
    Resource,
    get_namespace,
    get_object,
    get_version,
    list_page,
    review_access,
    watch,
)

__all__ = ["Permission", "ServerVersion", "cluster_id", "missing_permissions", "missing_reads", "read_version"]

MANAGED_BY: Final = (1, 32)
"""From here on spec.managedBy is honoured without a feature gate (KEP-4368)."""
MOST_SHOWN: Final = 100
"""How much of an answer that is none of Kubernetes is shown, in characters."""
STREAMING_LISTS: Final = (1, 34)
"""From here on streaming lists are on by default (KEP-3157)."""

PAUSES_S: Final = (0.25, 0.5, 1.0, 2.0)
"""Between the times that namespace kube-system is asked for."""


class ServerVersion(NamedTuple):
    """A server's version: `text` as it says it."""

    major: int
    minor: int
    text: str

    @property
    def honours_managed_by(self) -> bool:
        """Whether its own Job controller leaves Jobs alone that name another one."""
        return (self.major, self.minor) >= MANAGED_BY

    @property
    def streams_lists(self) -> bool:
        """Whether a list may be asked for as the beginning of a watch."""
        return (self.major, self.minor) >= STREAMING_LISTS


class Permission(NamedTuple):
    """A right, as RBAC names it."""

    verb: str
    group: str
    resource: str
    subresource: str = ""

    @property
    def rule(self) -> str:
        """The line of a Role or ClusterRole that grants it."""
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        return f'{{apiGroups: ["{self.group}"], resources: ["{resource}"], verbs: ["{self.verb}"]}}'


class _Version(Struct):
    major: str
    minor: str
    git_version: str = msgspec.field(default="", name="gitVersion")


class _ReviewStatus(Struct, frozen=True):
    allowed: bool = False


class _Review(Struct, frozen=True):
    status: _ReviewStatus = _ReviewStatus()


async def read_version(client: ApiClient) -> ServerVersion:
    """The server's version. Raises ClusterError for what is no Kubernetes, or does not know us."""
    answer = await client.send(get_version())
    place = client.access.server
    _check_known(answer, client)
    if answer.code == 403:  # version is for everybody, unless somebody took that away
        return ServerVersion(*MANAGED_BY, "unknown")
    if answer.code >= 500:
        raise ClusterError(f"{place}: not ready, or no Kubernetes API server: /version says {_shown(answer)}")
    try:
        if answer.code != 200:
            raise msgspec.ValidationError(f"/version says {_shown(answer)}")
        found = msgspec.json.decode(answer.body, type=_Version)
        minor = found.minor.rstrip("+")
        return ServerVersion(int(found.major), int(minor), found.git_version)
    except (msgspec.DecodeError, ValueError) as error:
        raise ClusterError(f"{place}: this is no Kubernetes API server ({error})") from error


async def cluster_id(client: ApiClient, clock: Clock) -> str:
    """The uid of namespace kube-system, by which a cluster is known. Raises ClusterError.

    A server that is only just up makes that namespace in its first moments, so it is asked for a few times.
    """
    answer = await client.send(get_namespace("kube-system"))
    for pause_s in PAUSES_S:
        if answer.code in (200, 401, 403):
            break
        await clock.sleep_until(clock.now() + pause_s)
        answer = await client.send(get_namespace("kube-system"))
    _check_known(answer, client)
    if answer.code == 403:
        rule = '{apiGroups: [""], resources: ["namespaces"], resourceNames: ["kube-system"], verbs: ["get"]}'
        raise ClusterError(f"{client.access.server}: may not get namespace kube-system; grant {rule}")
    try:
        if answer.code != 200:
            raise msgspec.ValidationError(f"namespace kube-system: {answer.code}")
        return msgspec.json.decode(answer.body, type=Namespace).metadata.uid
    except msgspec.DecodeError as error:
        raise ClusterError(f"{client.access.server}: cannot tell which cluster this is: {error}") from error


async def missing_permissions(
    client: ApiClient, wanted: Sequence[Permission], namespaces: Sequence[str] = ()
) -> Sequence[tuple[Permission, str]]:
    """Those of the permissions that we do not have, each with the namespace it is missing in ("" for all).

    A server that does not answer the question is taken to permit everything. Raises CallLost.
    """
    missing: list[tuple[Permission, str]] = []
    for namespace in namespaces or ("",):
        for each in wanted:
            answer = await client.send(review_access(each.verb, each.group, each.resource, namespace, each.subresource))
            if answer.code >= 300:
                return missing
            try:
                review = msgspec.json.decode(answer.body, type=_Review)
            except msgspec.DecodeError:
                return missing
            if not review.status.allowed:
                missing.append((each, namespace))
    return missing


async def missing_reads(
    client: ApiClient, watched: Sequence[tuple[str, Resource]], namespaces: Sequence[str] = ()
) -> Sequence[tuple[Permission, str]]:
    """As `missing_permissions`, for get, list and watch of these groups and resources, found out by reading.

    To ask for a review is a POST, which someone who only reads has no business with. Raises ClusterError.
    """
    missing: list[tuple[Permission, str]] = []
    for namespace in namespaces or ("",):
        for group, resource in watched:
            page = await client.send(list_page(resource, namespace, 1))
            refused = {
                "get": (await client.send(get_object(resource, namespace or "default", "any"))).code == 403,
                "list": page.code == 403,
                "watch": await _may_not_watch(client, resource, namespace, page),
            }
            missing += ((Permission(verb, group, resource), namespace) for verb, is_so in refused.items() if is_so)
    return missing


async def _may_not_watch(client: ApiClient, resource: Resource, namespace: str, page: Answer) -> bool:
    """Whether the server forbids to watch from where a list stands, or, if it forbids that too, from anywhere."""
    try:
        revision = decode_page(page.body).metadata.resource_version if page.code == 200 else "0"
    except msgspec.DecodeError as error:
        raise ClusterError(f"{client.access.server}: what it lists as {resource} is no list: {error}") from error
    async with client.stream(watch(resource, namespace, revision, 1)) as stream:
        return isinstance(stream, Answer) and stream.code == 403


def _shown(answer: Answer) -> str:
    """The code, and how the body begins, where it is words: proxies and gateways say there what they are."""
    words = " ".join(answer.body.decode(errors="replace").split())
    return (
        f"{answer.code}: {words[:MOST_SHOWN]}"
        if words and words.isprintable() and not words.startswith("<")
        else str(answer.code)
    )


def _check_known(answer: Answer, client: ApiClient) -> None:
    """Raises ClusterError when the server does not know who we are."""
    if answer.code == 401:
        access = client.access
        why = "the credentials are not accepted (expired?)"
        raise ClusterError(f"{access.server}: {why}; renew those of {access.source}")
