"""Values as Go's `%v` prints them, which is how Kubernetes' messages show patches."""

from podledger.api.json_value import is_array, is_object

__all__ = ["go_text"]


def go_text(value: object) -> str:
    """The text: `map[spec:map[suspend:true]]`."""
    if is_object(value):
        return "map[" + " ".join(f"{key}:{go_text(item)}" for key, item in sorted(value.items())) + "]"
    if is_array(value):
        return "[" + " ".join(map(go_text, value)) + "]"
    if value is None or isinstance(value, bool):
        return {None: "<nil>", True: "true", False: "false"}[value]
    return str(value)
