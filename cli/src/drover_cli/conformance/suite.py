"""Tries every rule, one after the other; a broken one stops no other."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol, TypeVar

import httpx

from drover_cli.api import ApiError
from drover_cli.conformance import rules_attempts, rules_owning, rules_running  # they add themselves
from drover_cli.conformance.kit import BrokenRuleError
from drover_cli.conformance.played import rules_output, rules_stopping, rules_work
from drover_cli.conformance.registry import EXECUTOR_RULES, RULES

__all__ = [
    "EXECUTOR_RULES",
    "RULES",
    "Result",
    "rules_attempts",
    "rules_output",
    "rules_owning",
    "rules_running",
    "rules_stopping",
    "rules_work",
    "try_rules",
]


class Ground(Protocol):
    """What rules are tried on; `clear` puts away what a broken one left."""

    def clear(self) -> None: ...


On = TypeVar("On", bound=Ground)


@dataclass(frozen=True)
class Result:
    """`fault` is empty where the rule held."""

    number: str
    text: str
    seconds: float
    fault: str


def try_rules(
    rules: Mapping[str, Callable[[On], None]],
    ground: On,
    only: tuple[str, ...],
    tell: Callable[[Result], None],
) -> int:
    """Try those of `rules` that `only` names, all where it is empty; returns how many were broken."""
    broken = 0
    for number, check in rules.items():
        if only and number not in only:
            continue
        text = (check.__doc__ or "").splitlines()[0]
        started = time.monotonic()
        fault = ""
        try:
            check(ground)
        except (BrokenRuleError, ApiError) as error:
            fault = str(error)
        except (httpx.HTTPError, LookupError, ValueError, TypeError, StopIteration) as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            broken += 1
            with suppress(BrokenRuleError, ApiError, httpx.HTTPError):
                ground.clear()
        tell(Result(number, text, time.monotonic() - started, fault))
    return broken
