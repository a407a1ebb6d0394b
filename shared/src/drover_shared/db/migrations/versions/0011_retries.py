"""A template's policy for further attempts, and attempts on fewer hosts than their job."""

from alembic import op

revision = "0011_retries"
down_revision = "0010a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("job_templates", "jobs"):
        op.execute(f"""
            ALTER TABLE {table}
                ADD COLUMN retry_on text[] NOT NULL DEFAULT '{{lost}}',
                ADD COLUMN retry_hosts text NOT NULL DEFAULT 'all',
                ADD COLUMN retry_wait_seconds integer NOT NULL DEFAULT 10;
        """)
    op.execute("""
        ALTER TABLE job_runs
            ADD COLUMN cause text NOT NULL DEFAULT 'launch',
            ADD COLUMN "limit" text,
            ADD COLUMN awaits_hosts boolean NOT NULL DEFAULT false;
        UPDATE job_runs SET cause = 'executor_lost' WHERE attempt_number > 1;
        CREATE INDEX ix_job_runs_awaits_hosts ON job_runs (job_id) WHERE state = 'pending' AND awaits_hosts;
    """)
