"""Texts that people write, to plain values: YAML and JSON with the place of every field, and faults told with it.

    yaml_text   read_documents(source, data) -> [YamlDocument(value, place(field))], bounded
    fault       Fault(place, message, field), ManifestError(faults), one_line(text)

Manifests, the bodies of requests and kubeconfigs are all read here. What the values mean is left to who asked.
"""
