"""What is done to a pod by a path of its own: binding it to a node, evicting it. Its log is `pod_log.py`."""

from typing import Any, Final

from msgspec.structs import replace
from starlette.responses import Response

from podledger.api.field_error import FieldError, not_supported, required
from podledger.api.pod import Pod, PodCondition
from podledger_adapters.nodes.pod_status import scheduled
from podledger_adapters.server.answer import document_answer
from podledger_adapters.server.call import Call
from podledger_adapters.server.decoding import read_document
from podledger_adapters.server.deleting import delete_request
from podledger_adapters.server.status import invalid as invalid_object
from podledger_adapters.server.write_options import read_write_options
from podledger_adapters.store.api_error import not_found
from podledger_adapters.store.kinds import RESOURCES

__all__ = ["bind_pod", "evict_pod"]

SUCCESS: Final[dict[str, Any]] = {
    "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
}  # fmt: skip
EVICTED: Final = "Eviction API: evicting"
TERMINAL: Final = ("Succeeded", "Failed")


async def bind_pod(call: Call) -> Response:
    """POST to pods/NAME/binding: what a scheduler does."""
    options = read_write_options(call, "CreateOptions")
    binding, warnings, _ = await read_document(call, "Binding", "v1", options.validation)
    target: dict[str, str] = binding.get("target") or {}
    causes: list[FieldError] = []
    if target.get("kind", "") not in ("", "Node"):
        causes.append(not_supported("target.kind", target["kind"], ["Node", "<empty>"]))
    if not target.get("name"):
        causes.append(required("target.name"))
    if causes:
        raise invalid_object("Binding", "", "Binding", call.name, causes)
    metadata: dict[str, str] = binding.get("metadata") or {}
    with call.store.batch(dry_run=options.dry_run) as batch:
        pod = call.store.find(Pod, call.key)
        if pod is None:
            raise not_found(RESOURCES[Pod], call.name)
        batch.bind(call.key, target["name"], scheduled(pod.status, call.store.timestamp()), uid=metadata.get("uid", ""))
    await batch.durable()
    return document_answer(SUCCESS, code=201, pretty=call.pretty, warnings=warnings)


async def evict_pod(call: Call) -> Response:
    """POST to pods/NAME/eviction: a deletion that says why. There are no disruption budgets here to forbid it."""
    options = read_write_options(call, "CreateOptions")
    eviction, warnings, _ = await read_document(call, "Eviction", "policy/v1", options.validation)
    request = delete_request(eviction.get("deleteOptions") or {})
    with call.store.batch(dry_run=True) as trial:
        # What is refused leaves no condition behind.
        trial.delete(Pod, call.key, request.options)
    with call.store.batch(dry_run=options.dry_run or request.dry_run) as batch:
        pod = call.store.find(Pod, call.key)
        assert pod is not None, "it was there a moment ago"
        if pod.status.phase not in TERMINAL:
            condition = PodCondition(
                type="DisruptionTarget",
                status="True",
                reason="EvictionByEvictionAPI",
                message=EVICTED,
                last_transition_time=call.store.timestamp(),
            )
            others = tuple(each for each in pod.status.conditions if each.type != condition.type)
            batch.set_pod_status(call.key, replace(pod.status, conditions=(*others, condition)), uid=pod.metadata.uid)
        batch.delete(Pod, call.key, request.options)
    await batch.durable()
    return document_answer(SUCCESS, code=201, pretty=call.pretty, warnings=warnings)
