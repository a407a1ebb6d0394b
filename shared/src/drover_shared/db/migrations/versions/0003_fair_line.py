"""A fair line of jobs, limits of templates and inventories, and time-outs of waiting and preparing."""

from alembic import op
from drover_shared.db.gently import build_index, drop_index

revision = "0003b"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE job_templates
            ADD COLUMN IF NOT EXISTS waiting_timeout_seconds integer NOT NULL DEFAULT 0,
            ADD COLUMN IF NOT EXISTS start_timeout_seconds integer NOT NULL DEFAULT 3600,
            ADD COLUMN IF NOT EXISTS max_simultaneous integer NOT NULL DEFAULT 0;
        ALTER TABLE inventories ADD COLUMN IF NOT EXISTS max_simultaneous integer NOT NULL DEFAULT 0;
        ALTER TABLE jobs
            ADD COLUMN IF NOT EXISTS waiting_timeout_seconds integer NOT NULL DEFAULT 0,
            ADD COLUMN IF NOT EXISTS start_timeout_seconds integer NOT NULL DEFAULT 3600;
        ALTER TABLE job_runs ADD COLUMN IF NOT EXISTS available_at timestamptz;
    """)
    build_index(
        "ix_jobs_line",
        "jobs (executor_pool, organization_id, coalesce(job_template_id, 0), allow_simultaneous, inventory_id,"
        " priority DESC, id) WHERE status = 'pending' AND NOT cancel_requested",
    )
    build_index("ix_jobs_at_work_inventory", "jobs (inventory_id) WHERE status IN ('queued', 'running')")
    build_index(
        "ix_jobs_at_work_pool", "jobs (executor_pool, organization_id) WHERE status IN ('queued', 'running')"
    )
    build_index(
        "ix_jobs_waiting_limit",
        "jobs (created_at) WHERE status IN ('pending', 'queued') AND waiting_timeout_seconds > 0",
    )
    drop_index("ix_jobs_turn")
    drop_index("ix_jobs_free")
