"""Label and field selectors of requests: text to predicates over documents. Selectors inside objects (`spec.selector`)
are `podledger.api.selector`.
"""

from podledger_adapters.server.selectors.fields import field_selector
from podledger_adapters.server.selectors.labels import label_selector
from podledger_adapters.server.selectors.predicate import Predicate

__all__ = ["Predicate", "field_selector", "label_selector"]
