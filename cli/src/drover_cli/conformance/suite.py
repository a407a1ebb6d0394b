"""Tries every rule, one after the other; a broken one stops no other."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import httpx

from drover_cli.api import ApiError
from drover_cli.conformance import rules_attempts, rules_owning, rules_running  # they add themselves
from drover_cli.conformance.kit import BrokenRuleError, Kit
from drover_cli.conformance.registry import RULES

__all__ = ["Result", "rules_attempts", "rules_owning", "rules_running", "try_rules"]


@dataclass(frozen=True)
class Result:
    """`fault` is empty where the rule held."""

    number: str
    text: str
    seconds: float
    fault: str


def try_rules(kit: Kit, only: tuple[str, ...], tell: Callable[[Result], None]) -> int:
    """Try the rules `only` names, all where it is empty; returns how many were broken."""
    broken = 0
    for number, check in RULES.items():
        if only and number not in only:
            continue
        text = (check.__doc__ or "").splitlines()[0]
        started = time.monotonic()
        fault = ""
        try:
            check(kit)
        except (BrokenRuleError, ApiError) as error:
            fault = str(error)
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            broken += 1
            with suppress(BrokenRuleError, ApiError, httpx.HTTPError):
                kit.clear()
        tell(Result(number, text, time.monotonic() - started, fault))
    return broken
