"""Every metric of this service."""

from prometheus_client import Counter, Gauge

RUNS = Gauge("drover_executor_runs", "Runs in hand")
SLOTS = Gauge("drover_executor_slots", "Runs that may be in hand at once")
ENDED = Counter("drover_executor_ended_runs", "Runs that ended here", ["state"])
SENT_AGAIN = Counter(
    "drover_executor_sent_again", "Entries sent again, for they were lost on the way", ["stream"]
)
ROOM = Gauge(
    "drover_executor_disk_room_bytes",
    "What output may still take of the disk; below 0 playbooks wait and no run is taken",
)
HELD_BACK = Counter("drover_executor_held_back", "Times that output could not be sent at once")
