"""What may go wrong, without a word of HTTP: one table in the API maps these to problem+json."""

from dataclasses import dataclass


class DomainError(Exception):
    """Base of every refusal; its text is meant for the person who asked and holds no secret."""


class NotFoundError(DomainError):
    """It does not exist, or this principal may not know that it does."""


class ForbiddenError(DomainError):
    """It is visible, but this principal may not do that."""


class UnauthenticatedError(DomainError):
    """No credentials, or none that are known."""


class ConflictError(DomainError):
    """The state of things, or a reference to it, is in the way."""


class GoneError(DomainError):
    """The attempt is over: nobody owns it any more."""


class PreconditionFailedError(DomainError):
    """`If-Match` names a version that is no longer the current one."""


class TooLargeError(DomainError):
    """More bytes than a limit allows."""


class ThrottledError(DomainError):
    """Too many requests; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong field: `pointer` is a JSON pointer (RFC 6901) into the body, or the parameter's name."""

    pointer: str
    detail: str


class InvalidError(DomainError):
    """The body or a parameter is well-formed but wrong; names every field that is."""

    def __init__(self, *errors: FieldError) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.detail}" for error in errors))
        self.errors = errors


class InfrastructureError(Exception):
    """A dependency (database, queue, object store) did not do its work; a retry may succeed."""
