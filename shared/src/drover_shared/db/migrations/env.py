"""Alembic's entry: it works on the connection that `drover_shared.db.migrate` hands over."""

from alembic import context
from drover_shared.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,  # so that one may leave it: CREATE INDEX CONCURRENTLY
)
with context.begin_transaction():
    context.run_migrations()
