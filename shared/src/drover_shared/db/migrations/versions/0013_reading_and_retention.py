"""Finding snapshots that no job needs, and events that changed or failed."""

from alembic import op
from drover_shared.db.gently import build_index

revision = "0013_reading"
down_revision = "0012_traces"
branch_labels = None
depends_on = None


def upgrade() -> None:
    build_index("ix_jobs_snapshot", "jobs (inventory_snapshot_id)")
    op.execute("""
        CREATE INDEX IF NOT EXISTS ix_job_events_changed ON job_events (job_run_id, seq) WHERE changed;
        CREATE INDEX IF NOT EXISTS ix_job_events_failed ON job_events (job_run_id, seq) WHERE failed;
    """)
