"""Syncs of projects: jobs of a kind of their own, which other jobs may wait for."""

from alembic import op
from drover_shared.db.gently import build_index, validate

revision = "0006a"
down_revision = "0005a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE jobs
            ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'playbook',
            ADD COLUMN IF NOT EXISTS waits_for_job_id bigint
                CONSTRAINT fk_jobs_waits_for_job_id REFERENCES jobs (id),
            ALTER COLUMN inventory_snapshot_id DROP NOT NULL,
            DROP CONSTRAINT IF EXISTS ck_jobs_kind,
            DROP CONSTRAINT IF EXISTS ck_jobs_snapshot,
            ADD CONSTRAINT ck_jobs_kind CHECK (kind IN ('playbook', 'project_sync')) NOT VALID,
            ADD CONSTRAINT ck_jobs_snapshot
                CHECK (kind <> 'playbook' OR inventory_snapshot_id IS NOT NULL) NOT VALID;
    """)
    op.execute("""
        ALTER TABLE projects
            ADD COLUMN IF NOT EXISTS executor_pool text NOT NULL DEFAULT 'default',
            ALTER COLUMN update_on_launch SET DEFAULT false;
        CREATE TABLE IF NOT EXISTS project_contents (
            project_id bigint NOT NULL,
            playbooks text[] NOT NULL DEFAULT '{}',
            truncated boolean NOT NULL DEFAULT false,
            CONSTRAINT pk_project_contents PRIMARY KEY (project_id),
            CONSTRAINT fk_project_contents_project_id FOREIGN KEY (project_id)
                REFERENCES projects (id) ON DELETE CASCADE
        );
    """)
    validate("jobs", "ck_jobs_kind", "ck_jobs_snapshot")
    build_index(
        "ix_jobs_line_waiting",
        "jobs (executor_pool, organization_id, coalesce(job_template_id, 0), allow_simultaneous, inventory_id,"
        " priority DESC, id)"
        " WHERE status = 'pending' AND NOT cancel_requested AND waits_for_job_id IS NULL",
    )
    build_index(
        "uq_jobs_waiting_sync",
        "jobs (project_id, md5(project::text)) WHERE kind = 'project_sync'"
        " AND status IN ('pending', 'queued') AND started_at IS NULL AND NOT cancel_requested",
        unique=True,
    )
    build_index("ix_jobs_syncs", "jobs (project_id, id DESC) WHERE kind = 'project_sync'")
    build_index("ix_jobs_waits_for", "jobs (waits_for_job_id) WHERE waits_for_job_id IS NOT NULL")
    op.execute("DROP INDEX ix_jobs_line; ALTER INDEX ix_jobs_line_waiting RENAME TO ix_jobs_line")
