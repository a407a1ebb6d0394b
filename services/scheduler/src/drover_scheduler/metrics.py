"""Every metric of this service."""

from prometheus_client import Counter, Histogram

ATTEMPTS = Counter("drover_scheduler_attempts", "Run attempts made", ["found_by"])
RINGS = Counter("drover_scheduler_rings", "Runs that waited too long and were rung again")
LOST = Counter("drover_scheduler_lost_runs", "Runs whose lease expired")
TIMEOUTS = Counter("drover_scheduler_timeouts", "Runs and jobs that ran out of time")
CANCELED = Counter("drover_scheduler_canceled", "Jobs canceled before an executor had them")
FAILURES = Counter("drover_scheduler_failures", "Steps that failed and will be tried again", ["step"])
DECISION_SECONDS = Histogram(
    "drover_scheduler_decision_seconds",
    "Time to fill the pool of one announced job",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1),
)
TICK_SECONDS = Histogram(
    "drover_scheduler_tick_seconds",
    "Time of one tick",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
