"""Surveys: typed questions that a launch answers in its extra variables."""

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from marshmallow import fields, validate, validates_schema

from drover_api.http.fields import MAX_INT, Schema, StrictBoolean, text

TYPES = ("text", "textarea", "password", "integer", "float", "choice", "multichoice")
_CHOICES = ("choice", "multichoice")
_SECRET = "password"  # noqa: S105 - a question's type
MAX_QUESTIONS = 200


class QuestionSchema(Schema):
    """`min` and `max` bound a number, or the length of a text; a secret question has no default."""

    variable = fields.String(
        required=True,
        validate=validate.Regexp(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z", error="Must be a name for a variable."),
    )
    question = text(1, 1000, required=True)
    description = text(0, 10_000)
    type = fields.String(required=True, validate=validate.OneOf(TYPES))
    required = StrictBoolean(load_default=False)
    default = fields.Raw(allow_none=True)
    min = fields.Float(allow_none=True, validate=validate.Range(-MAX_INT, MAX_INT))
    max = fields.Float(allow_none=True, validate=validate.Range(-MAX_INT, MAX_INT))
    choices = fields.List(text(1, 1000), validate=validate.Length(1, 500))

    @validates_schema
    def _together(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        if (data["type"] in _CHOICES) != ("choices" in data):
            raise ma.ValidationError("Needed for a choice, and only there.", "choices")
        low, high = data.get("min"), data.get("max")
        if low is not None and high is not None and low > high:
            raise ma.ValidationError("Must not be less than min.", "max")
        if data["type"] == _SECRET and data.get("default") is not None:
            raise ma.ValidationError("A secret question has no default.", "default")


class SurveySchema(Schema):
    questions = fields.List(
        fields.Nested(QuestionSchema), required=True, validate=validate.Length(1, MAX_QUESTIONS)
    )

    @validates_schema
    def _once(self, data: Mapping[str, Any], **_kwargs: Any) -> None:
        names = [question["variable"] for question in data["questions"]]
        if len(set(names)) < len(names):
            raise ma.ValidationError("Two questions have the same variable.", "questions")
