"""Precedence of variables at launch."""

from collections.abc import Mapping
from typing import Any


def merged_extra_vars(
    template: Mapping[str, Any], survey: Mapping[str, Any], request: Mapping[str, Any]
) -> dict[str, Any]:
    """Extra variables of a job: template < survey < request (`completion.md` 3); the first level only."""
    return {**template, **survey, **request}
