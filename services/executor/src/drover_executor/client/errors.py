"""What an answer of the internal API means; `transport` is the one place that decides."""


class ApiError(Exception):
    """Base; its text holds no secret."""


class NotOursError(ApiError):
    """The attempt is somebody else's, or over: kill its work and stop. No broken server answers so."""


class UnauthorizedError(NotOursError):
    """The token is not known any more."""


class RefusedError(ApiError):
    """The API understood and says no; asking again changes nothing. `status` is HTTP's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class UnavailableError(ApiError):
    """No answer, or none of ours: a time-out, 5xx, a proxy's page. Asking again may succeed.

    `retry_after`: for how many seconds it asks not to be asked again; 0 where it does not say.
    """

    def __init__(self, detail: str, retry_after: float = 0.0) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
