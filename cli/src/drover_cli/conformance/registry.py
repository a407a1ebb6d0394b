"""The rules by their numbers in docs/executor-protocol.md, in the order they are tried."""

from collections.abc import Callable

from drover_cli.conformance.kit import Kit

Check = Callable[[Kit], None]
RULES: dict[str, Check] = {}


def rule(number: str) -> Callable[[Check], Check]:
    """Adds a check; the first line of its docstring is the rule as a report shows it."""

    def add(check: Check) -> Check:
        RULES[number] = check
        return check

    return add
