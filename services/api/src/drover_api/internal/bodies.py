"""Bodies of executors: what they could not help (NUL, half a surrogate) is cleaned, not refused."""

import json
import re
from typing import Any

from flask import Request
from marshmallow import EXCLUDE, RAISE, Schema
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from drover_api.http.arguments import Parser
from drover_api.http.body import raw_body

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


class InternalParser(Parser):
    """JSON in which text that PostgreSQL cannot hold is replaced: a refusal would cost the run's output.

    Unknown keys are left out, so that executors of a newer release may say more.
    """

    DEFAULT_UNKNOWN_BY_LOCATION = {"query": RAISE, "json": EXCLUDE}  # noqa: RUF012 - webargs reads the class

    def load_json(self, req: Request, _schema: Schema) -> Any:
        if req.mimetype != "application/json":
            raise UnsupportedMediaType("the body must be application/json")
        try:
            return cleaned(json.loads(raw_body(req)))
        except (ValueError, RecursionError):
            raise BadRequest("malformed JSON") from None


def cleaned(value: Any) -> Any:
    """`value` with U+FFFD in place of NUL characters and lone surrogates, in keys too."""
    if isinstance(value, str):
        return _UNSTORABLE.sub(_REPLACEMENT, value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    return value
