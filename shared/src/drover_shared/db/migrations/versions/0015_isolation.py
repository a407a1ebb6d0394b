"""What isolates each executor's playbooks; the task a job starts at; variables that are data, not templates."""

from alembic import op

revision = "0015g"
down_revision = "0014_archive_leases"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE executors ADD COLUMN isolation text NOT NULL DEFAULT 'none';
        ALTER TABLE job_templates ADD COLUMN start_at_task text;
        ALTER TABLE jobs
            ADD COLUMN start_at_task text,
            ADD COLUMN untrusted_vars text[] NOT NULL DEFAULT '{}';
    """)
