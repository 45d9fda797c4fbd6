"""The API server: a LocalCluster over HTTP, so that kubectl and Kubernetes client libraries work unmodified.

This folder has two halves. The one listed here does no I/O: plain JSON documents and texts in, documents and texts
out; it raises `ApiError` (store/api_error.py), `InvalidObject` or `UndecodableObject`, which `status_of` turns into the
Status body that Kubernetes would send. The other half listens, authenticates, routes, reads and writes the store.

    resource       RESOURCES: every resource served: names, verbs, subresources. find(group, version, plural)
    status         status_of(error) -> Status; deleted(resource, name, uid) -> Status; the errors of routes, headers,
                   access, limits: not_acceptable(), unsupported_media_type(), method_not_allowed(), forbidden(...), ...
    negotiation    negotiate(accept, offers) -> Representation; media_type(content_type, patch=...) -> str;
                   warning_headers(texts) -> list[str]; encode(document, representation, pretty=...) -> bytes
    body           decode_body(kind, api_version, media_type, data) -> document: JSON, YAML, protobuf, bounded
    protobuf       decode(data) -> document, from the frame kubectl sends
    field_validation  checked(kind, document, mode, patch=...) -> (document, warnings): unknown and duplicate fields
    patch          apply_patch(PatchRequest, old) -> document, for the four patch types
    patch.managed  managed_on_create/update(...) -> metadata.managedFields of writes that are no apply
    selectors      label_selector(text), field_selector(kind, text) -> predicates over documents
    tables         table(kind, documents, now_s, ...) -> meta.k8s.io/v1 Table; partial(document) -> PartialObjectMetadata
    discovery      legacy_api(), api_groups(), group(), resource_list(), aggregated(), version(...)
    openapi        index() and document(group_version): OpenAPI v3 of all that is served
"""
