"""Each type of question takes its own answers and says what is wrong with others."""

from typing import Any

import pytest
from drover_api.jobs.survey import answers, faults


def fault(answer: Any, **question: Any) -> str | None:
    survey = {"questions": [{"variable": "v", **question}]}
    found = [one.detail for one in faults(survey, answers(survey, {"v": answer}), "/extra_vars")]
    return found[0] if found else None


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("text", "abc", 5),
        ("textarea", "a\nb", None),
        ("password", "abc", ["abc"]),
        ("integer", 5, 5.5),
        ("integer", -1, True),
        ("integer", 0, "0"),
        ("float", 5, "5"),
        ("float", 0.5, True),
    ],
)
def test_types(kind: str, good: Any, bad: Any) -> None:
    assert fault(good, type=kind, required=True) is None
    assert fault(bad, type=kind, required=True) is not None


def test_bounds_are_of_numbers_and_of_lengths() -> None:
    assert fault(3, type="integer", min=3.0, max=5.0) is None
    assert fault(2, type="integer", min=3.0) == "Must be at least 3."
    assert fault(6, type="float", max=5.5) == "Must be at most 5.5."
    assert fault("ab", type="text", min=3.0) == "Must be at least 3 characters."


def test_choices() -> None:
    assert fault("a", type="choice", choices=["a", "b"]) is None
    assert fault("c", type="choice", choices=["a", "b"]) == "Not one of the choices: a, b."
    assert fault(["a", "b"], type="multichoice", choices=["a", "b"]) is None
    assert fault("a", type="multichoice", choices=["a", "b"]) == "Must be an array of choices."
    assert fault([["a"]], type="multichoice", choices=["a"]) is not None


def test_a_default_stands_in_for_what_is_not_given() -> None:
    survey = {"questions": [{"variable": "v", "type": "text", "default": "x", "required": True}]}
    assert answers(survey, {}).values == {"v": "x"}
    assert not list(faults(survey, answers(survey, {}), ""))


def test_only_passwords_are_secret() -> None:
    survey = {"questions": [{"variable": "open", "type": "text"}, {"variable": "hidden", "type": "password"}]}
    assert answers(survey, {"open": "a", "hidden": "b"}).secret_names == {"hidden"}
