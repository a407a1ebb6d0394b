"""Secrets of credentials that each launch gives, and pools that drain."""

from alembic import op

revision = "0009a"
down_revision = "0008a"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        ALTER TABLE credentials ADD COLUMN asked_names text[] NOT NULL DEFAULT '{}';
        ALTER TABLE jobs ADD COLUMN credential_secrets bytea;
        ALTER TABLE executor_pools ADD COLUMN draining boolean NOT NULL DEFAULT false;
    """)
