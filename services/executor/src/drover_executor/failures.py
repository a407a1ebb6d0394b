"""Why an attempt ends before or without a result of its playbook."""

from drover_shared.domain.reasons import Reason


class RunFailedError(Exception):
    """The attempt fails with this reason; the text is for people and holds no secret."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class AbandonedError(Exception):
    """Stop at once and report nothing: the attempt is not ours any more, or this executor ends."""


class CanceledError(Exception):
    """A user asked for the end before the playbook began."""
