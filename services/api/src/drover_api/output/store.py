"""The process's object store."""

from drover_shared.objects import ObjectStore
from flask import current_app

from drover_api.deps import deps

_EXTENSION = "drover-objects"


def object_store() -> ObjectStore:
    """One store an application: it is safe to share between threads, and costly to make."""
    store: ObjectStore | None = current_app.extensions.get(_EXTENSION)
    if store is None:
        settings = deps().settings
        store = ObjectStore(settings.s3, connections=settings.threads)
        current_app.extensions[_EXTENSION] = store
    return store
