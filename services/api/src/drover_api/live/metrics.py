"""Every metric of live readers."""

from prometheus_client import Counter, Gauge

READERS = Gauge(
    "drover_api_live_readers",
    "Readers that stay, in all worker processes of an API",
    multiprocess_mode="livesum",
)
BYTES = Counter("drover_api_live_bytes", "Bytes sent to readers that stay")
REVOKED = Counter("drover_api_live_revoked", "Readers sent away because they may no longer read")
