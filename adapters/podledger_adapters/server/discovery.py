"""Discovery: which groups, versions and resources there are, in the aggregated form and the older one, and /version.

All of it is made of one table, `resource.RESOURCES`; a caller that serves less hands in less.
"""

import hashlib
import platform
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from podledger_adapters.server.resource import RESOURCES, ApiResource, Subresource

__all__ = [
    "KUBERNETES_VERSION",
    "aggregated",
    "api_versions",
    "group",
    "group_list",
    "resource_list",
    "root_paths",
    "version_info",
]

Json = dict[str, Any]

KUBERNETES_VERSION: Final = "1.36.2"
"""The Kubernetes release whose behaviour this is."""


def _groups(resources: Sequence[ApiResource]) -> dict[str, list[ApiResource]]:
    """Named groups with their resources, by name; every group has one version."""
    named = sorted((resource for resource in resources if resource.group), key=lambda resource: resource.group)
    return {name: list(members) for name, members in groupby(named, key=lambda resource: resource.group)}


def _of_group(resources: Sequence[ApiResource], name: str) -> list[ApiResource]:
    return sorted((one for one in resources if one.group == name), key=lambda one: one.plural)


# ---- aggregated --------------------------------------------------------------------------------------------------


def aggregated(*, core: bool, version: str = "v2", resources: Sequence[ApiResource] = RESOURCES) -> Json:
    """The APIGroupDiscoveryList of /api (`core`) or /apis; `version` is that of the form."""
    names = [""] if core else list(_groups(resources))
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": f"apidiscovery.k8s.io/{version}",
        "metadata": {},
        "items": [_aggregated_group(name, _of_group(resources, name)) for name in names],
    }


def _aggregated_group(name: str, members: Sequence[ApiResource]) -> Json:
    version = {"version": members[0].version, "resources": list(map(_aggregated_resource, members))}
    return {"metadata": {"name": name} if name else {}, "versions": [version | {"freshness": "Current"}]}


def _aggregated_resource(resource: ApiResource) -> Json:
    found: Json = {
        "resource": resource.plural,
        "responseKind": {"group": "", "version": "", "kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    found |= _names(resource)
    if resource.subresources:
        found["subresources"] = list(map(_aggregated_subresource, resource.subresources))
    return found


def _names(resource: ApiResource) -> Json:
    names: Json = {}
    if resource.short_names:
        names["shortNames"] = list(resource.short_names)
    if resource.categories:
        names["categories"] = list(resource.categories)
    return names


def _aggregated_subresource(part: Subresource) -> Json:
    return {
        "subresource": part.name,
        "responseKind": {"group": part.group, "version": part.version, "kind": part.kind},
        "verbs": list(part.verbs),
    }


# ---- one by one --------------------------------------------------------------------------------------------------


def api_versions(address: str) -> Json:
    """The APIVersions of /api; `address` is host:port, where the server is reached."""
    return {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
    }


def group_list(resources: Sequence[ApiResource] = RESOURCES) -> Json:
    """The APIGroupList of /apis."""
    groups = [_group(members[0]) for members in _groups(resources).values()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}


def group(name: str, resources: Sequence[ApiResource] = RESOURCES) -> Json | None:
    """The APIGroup of /apis/NAME, None where there is no such group."""
    members = _groups(resources).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1", **_group(members[0])} if members else None


def _group(member: ApiResource) -> Json:
    version = {"groupVersion": member.api_version, "version": member.version}
    return {"name": member.group, "versions": [version], "preferredVersion": dict(version)}


def resource_list(group_version: str, resources: Sequence[ApiResource] = RESOURCES) -> Json | None:
    """The APIResourceList of /apis/batch/v1, or of /api/v1 (`v1`); None where there is no such version."""
    members = sorted((one for one in resources if one.api_version == group_version), key=lambda one: one.plural)
    if not members:
        return None
    listed: list[Json] = []
    for resource in members:
        entry: Json = {
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": list(resource.verbs),
        }
        if "list" in resource.verbs:
            names = _names(resource)
            entry |= names | {"storageVersionHash": _storage_hash(resource)}
        listed.append(entry)
        listed += [_listed_subresource(resource, part) for part in resource.subresources]
    head: Json = {"kind": "APIResourceList", "groupVersion": group_version, "resources": listed}
    return {"kind": "APIResourceList", "apiVersion": "v1", **head} if "/" in group_version else head


def _listed_subresource(resource: ApiResource, part: Subresource) -> Json:
    entry: Json = {"name": f"{resource.plural}/{part.name}", "singularName": "", "namespaced": resource.namespaced}
    if part.version:
        entry |= {"group": part.group, "version": part.version}
    return entry | {"kind": part.kind, "verbs": list(part.verbs)}


def _storage_hash(resource: ApiResource) -> str:
    """By which clients see that objects are stored in another version: eight bytes of a hash of its name."""
    name = f"{resource.group}/{resource.version}/{resource.kind}"
    return b64encode(hashlib.sha256(name.encode()).digest()[:8]).decode()


def root_paths(resources: Sequence[ApiResource] = RESOURCES) -> Json:
    """The paths that / lists."""
    paths = {"/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"}
    for resource in resources:
        if resource.group:
            paths |= {f"/apis/{resource.group}", resource.path}
    return {"paths": sorted(paths)}


def version_info(podledger_version: str) -> Mapping[str, str]:
    """The answer of /version; `gitVersion` is that of Kubernetes, podledger's own is its build metadata."""
    major, minor, _ = KUBERNETES_VERSION.split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": f"v{KUBERNETES_VERSION}+podledger-{podledger_version}",
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
