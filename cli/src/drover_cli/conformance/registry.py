"""The rules by their numbers in docs/executor-protocol.md, in the order they are tried."""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drover_cli.conformance.kit import Kit
    from drover_cli.conformance.played.stage import Stage

RULES: "dict[str, Callable[[Kit], None]]" = {}
EXECUTOR_RULES: "dict[str, Callable[[Stage], None]]" = {}


def rule(number: str) -> "Callable[[Callable[[Kit], None]], Callable[[Kit], None]]":
    """Adds a check of an API; the first line of its docstring is the rule as a report shows it."""

    def add(check: "Callable[[Kit], None]") -> "Callable[[Kit], None]":
        RULES[number] = check
        return check

    return add


def executor_rule(number: str) -> "Callable[[Callable[[Stage], None]], Callable[[Stage], None]]":
    """Adds a check of an executor, in the same way."""

    def add(check: "Callable[[Stage], None]") -> "Callable[[Stage], None]":
        EXECUTOR_RULES[number] = check
        return check

    return add
