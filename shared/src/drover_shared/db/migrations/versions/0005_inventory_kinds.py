"""Inventories in projects and constructed ones, and an organization's default environment."""

from alembic import op

revision = "0005a"
down_revision = "0004c"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE jobs ADD COLUMN inventory_project jsonb;
        CREATE INDEX ix_inventories_constructed ON inventories (id) WHERE kind = 'constructed';
        ALTER TABLE organizations ADD COLUMN execution_environment_id bigint
            CONSTRAINT fk_organizations_execution_environment_id REFERENCES execution_environments (id);
        CREATE INDEX ix_organizations_execution_environment_id ON organizations (execution_environment_id);
    """)
