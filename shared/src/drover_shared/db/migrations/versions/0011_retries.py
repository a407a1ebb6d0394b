"""A template's policy for further attempts, and attempts on fewer hosts than their job."""

from alembic import op
from drover_shared.db.gently import build_index, update_by_batches

revision = "0011_retries"
down_revision = "0010a"
branch_labels = None
depends_on = None

_NIL = "00000000-0000-0000-0000-000000000000"


def upgrade() -> None:
    for table in ("job_templates", "jobs"):
        op.execute(f"""
            ALTER TABLE {table}
                ADD COLUMN IF NOT EXISTS retry_on text[] NOT NULL DEFAULT '{{lost}}',
                ADD COLUMN IF NOT EXISTS retry_hosts text NOT NULL DEFAULT 'all',
                ADD COLUMN IF NOT EXISTS retry_wait_seconds integer NOT NULL DEFAULT 10;
        """)
    op.execute("""
        ALTER TABLE job_runs
            ADD COLUMN IF NOT EXISTS cause text NOT NULL DEFAULT 'launch',
            ADD COLUMN IF NOT EXISTS "limit" text,
            ADD COLUMN IF NOT EXISTS awaits_hosts boolean NOT NULL DEFAULT false;
    """)
    update_by_batches(
        "job_runs",
        "UPDATE job_runs SET cause = 'executor_lost'"
        " WHERE id > :low AND id <= :high AND attempt_number > 1 AND cause = 'launch'",
        first=_NIL,
    )
    build_index("ix_job_runs_awaits_hosts", "job_runs (job_id) WHERE state = 'pending' AND awaits_hosts")
