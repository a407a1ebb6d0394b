"""What statements read, by PostgreSQL's own account."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event


def rows_read(engine: Engine, action: Callable[[], object]) -> Counter[str]:
    """How many rows of each table the statements of `action` read, filtered ones included.

    Each statement is run once more under EXPLAIN ANALYZE; `action` runs within a request.
    """
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        seen.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        with Flask("of-the-test").test_request_context():
            action()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    total: Counter[str] = Counter()
    with engine.connect() as connection:
        for statement, parameters in seen:
            explained = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
            _count(explained.scalar_one()[0]["Plan"], total)
    return total


def _count(plan: dict[str, Any], total: "Counter[str]") -> None:
    if table := plan.get("Relation Name"):
        removed = plan.get("Rows Removed by Filter", 0) + plan.get("Rows Removed by Index Recheck", 0)
        total[table] += round((plan["Actual Rows"] + removed) * plan["Actual Loops"])
    for inner in plan.get("Plans", ()):
        _count(inner, total)
