"""The ObjectStore: an in-process Kubernetes API for Jobs, pods and what goes with them.

`object_store.py` is the store, `batch.py` its writes, `kinds.py` what differs from kind to kind. Whoever runs pods
for it is `podledger_adapters.nodes`; both together are `podledger_adapters.local`.
"""

from podledger_adapters.store.api_error import ApiError
from podledger_adapters.store.batch import Batch
from podledger_adapters.store.object_store import ObjectStore
from podledger_adapters.store.watch import StoreChange, StoreWatch

__all__ = ["ApiError", "Batch", "ObjectStore", "StoreChange", "StoreWatch"]
