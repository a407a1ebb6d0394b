"""A template's survey: its answers are extra variables of a launch, checked against their questions.

A survey is {questions: [{variable, type, required, default, min, max, choices, …}]}; types are text,
textarea, password, integer, float, choice and multichoice. `min` and `max` bound numbers, and the length of
texts. Passwords are secret: kept encrypted, and shown as `$encrypted$`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drover_shared.domain.errors import FieldError

from drover_api.crypto import MASK

SECRET_TYPE = "password"  # noqa: S105 - a question's type
_TEXTS = frozenset({"text", "textarea", SECRET_TYPE})
_CHOICES = frozenset({"choice", "multichoice"})

Question = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a survey adds to a launch: its `values` come after the template's own variables."""

    values: Mapping[str, Any]
    secret_names: frozenset[str]


def questions(survey: Any) -> Sequence[Question]:
    """The questions of a template's survey; none where it has no survey."""
    found: Sequence[Question] = (survey or {}).get("questions", ())
    return found


def answers(survey: Any, given: Mapping[str, Any]) -> Answers:
    """Given answers and, for those not given, the defaults. `$encrypted$` keeps a secret's default."""
    values: dict[str, Any] = {}
    secrets = set()
    for question in questions(survey):
        name = question["variable"]
        answer = given.get(name, MASK)
        if answer == MASK:
            answer = question.get("default")
        if answer is not None:
            values[name] = answer
            if question["type"] == SECRET_TYPE:
                secrets.add(name)
    return Answers(values, frozenset(secrets))


def faults(survey: Any, found: Answers, pointer: str) -> Iterator[FieldError]:
    """What is wrong with the answers, each with the pointer of its variable."""
    for question in questions(survey):
        name = question["variable"]
        if name not in found.values:
            if question.get("required", False):
                yield FieldError(f"{pointer}/{name}", "The survey needs an answer.")
        elif fault := _fault(question, found.values[name]):
            yield FieldError(f"{pointer}/{name}", fault)


def _fault(question: Question, answer: Any) -> str | None:
    kind = question["type"]
    if kind in _TEXTS:
        return _bounds(question, len(answer), "characters") if isinstance(answer, str) else "Must be a text."
    if kind in _CHOICES:
        return _choice_fault(question, answer)
    whole = isinstance(answer, int) and not isinstance(answer, bool)
    if kind == "integer":
        return _bounds(question, answer, "") if whole else "Must be a whole number."
    return _bounds(question, answer, "") if whole or isinstance(answer, float) else "Must be a number."


def _bounds(question: Question, size: float, unit: str) -> str | None:
    low, high = question.get("min"), question.get("max")
    if low is not None and size < low:
        return f"Must be at least {low:g} {unit}".rstrip() + "."
    if high is not None and size > high:
        return f"Must be at most {high:g} {unit}".rstrip() + "."
    return None


def _choice_fault(question: Question, answer: Any) -> str | None:
    choices = question.get("choices") or []
    picked = answer if question["type"] == "multichoice" else [answer]
    if not isinstance(picked, list):
        return "Must be an array of choices."
    wrong = [one for one in picked if one not in choices]
    return f"Not one of the choices: {', '.join(map(str, choices))}." if wrong else None
