"""A fair line of jobs, limits of templates and inventories, and time-outs of waiting and preparing."""

from alembic import op

revision = "0003b"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE job_templates
            ADD COLUMN waiting_timeout_seconds integer NOT NULL DEFAULT 0,
            ADD COLUMN start_timeout_seconds integer NOT NULL DEFAULT 3600,
            ADD COLUMN max_simultaneous integer NOT NULL DEFAULT 0;
        ALTER TABLE inventories ADD COLUMN max_simultaneous integer NOT NULL DEFAULT 0;
        ALTER TABLE jobs
            ADD COLUMN waiting_timeout_seconds integer NOT NULL DEFAULT 0,
            ADD COLUMN start_timeout_seconds integer NOT NULL DEFAULT 3600;
        ALTER TABLE job_runs ADD COLUMN available_at timestamptz;
    """)
    op.execute("""
        DROP INDEX ix_jobs_turn;
        DROP INDEX ix_jobs_free;
        CREATE INDEX ix_jobs_line ON jobs (
            executor_pool, organization_id, coalesce(job_template_id, 0), allow_simultaneous, inventory_id,
            priority DESC, id
        ) WHERE status = 'pending' AND NOT cancel_requested;
        CREATE INDEX ix_jobs_at_work_inventory ON jobs (inventory_id) WHERE status IN ('queued', 'running');
        CREATE INDEX ix_jobs_at_work_pool ON jobs (executor_pool, organization_id)
            WHERE status IN ('queued', 'running');
        CREATE INDEX ix_jobs_waiting_limit ON jobs (created_at)
            WHERE status IN ('pending', 'queued') AND waiting_timeout_seconds > 0;
    """)
