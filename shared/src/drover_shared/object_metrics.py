"""Every metric of the object store's client."""

from prometheus_client import Counter

ERRORS = Counter("drover_object_store_errors", "Requests that the object store failed or refused", ["error"])
