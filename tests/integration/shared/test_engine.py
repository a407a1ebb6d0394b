"""What a connection promises to everybody else."""

from drover_shared.db.engine import make_engine
from sqlalchemy import text


def test_a_transaction_that_is_left_open_is_ended_by_the_database(database_url: str) -> None:
    """Whoever is cut off or frozen in the middle of one must not hold its locks for hours."""
    engine = make_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "30s"
    engine.dispose()
