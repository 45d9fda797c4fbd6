"""The API server: a LocalCluster over HTTP, so that kubectl and Kubernetes client libraries work unmodified.

This folder has two halves. The one listed here does no I/O: plain JSON documents and texts in, documents and texts
out; it raises `ApiError` (store/api_error.py), `InvalidObject` or `UndecodableObject`, which `status_of` turns into the
Status body that Kubernetes would send. The other half listens, authenticates, routes, reads and writes the store.

    resource          RESOURCES: what is served: names, verbs, subresources; find(group, version, plural)
    status            status_of(error) -> Status; deleted(resource, name, uid); the errors of routes, headers, access
    negotiation       negotiate(accept, ...) -> Representation; media_type(content_type); warning_headers(texts);
                      encode(document, representation, pretty=...) -> bytes
    body              decode_body(kind, api_version, media_type, data) -> Body: JSON, YAML or protobuf, bounded
    field_validation  checked(kind, version, document, mode, duplicates) -> (document, warnings)
    object_size       stored_size_refusal(stored) -> the refusal of what etcd would not take; message_size
    patch             apply_patch(PatchRequest, old) -> Patched(document, warnings), for the four patch types;
                      managed_fields_of_create, managed_fields_of_update: of the writes that are no apply
    selectors         label_selector(text), field_selector(kind, text) -> predicates over documents
    tables            table(kind, documents, now_s, ...), partial(document), partial_list(documents, metadata)
    discovery         aggregated(core=...), api_versions(address), group_list(), group(name), resource_list(version),
                      root_paths(), version_info(podledger_version)
    openapi           OpenApi(resources): index(), encoded(name) of `names`
"""

from podledger_adapters.extras import require_extra

require_extra("server")
