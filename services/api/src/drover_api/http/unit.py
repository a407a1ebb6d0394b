"""One unit of work a request: its session is committed when the view has answered without an error."""

from collections.abc import Callable

from flask import Flask, Response, g
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from drover_api.deps import deps

_SESSION = "drover_session"
_AFTER_COMMIT = "drover_after_commit"


def session() -> Session:
    """The request's session; a transaction begins with its first statement."""
    found: Session | None = g.get(_SESSION)
    if found is None:
        found = deps().sessions()
        setattr(g, _SESSION, found)
    return found


def after_commit(action: Callable[[], object]) -> None:
    """Run `action` once the request's transaction is in the database; never where it failed."""
    actions: list[Callable[[], object]] = g.setdefault(_AFTER_COMMIT, [])
    actions.append(action)


def commit_now() -> None:
    """Commit what was done so far and let the connection go: before a long wait, or a streamed answer."""
    found: Session | None = g.get(_SESSION)
    if found is not None:
        found.commit()
    for action in g.pop(_AFTER_COMMIT, []):
        action()


class UnitOfWorkFlask(Flask):
    """Commits inside of the dispatch, so that a failed commit is answered as the error it is."""

    def dispatch_request(self) -> ResponseReturnValue:
        answer = super().dispatch_request()
        if not isinstance(answer, Response) or answer.status_code < 400:  # noqa: PLR2004 - first error status
            commit_now()
        return answer


def close_session(_error: BaseException | None = None) -> None:
    """Roll back whatever was not committed."""
    found: Session | None = g.pop(_SESSION, None)
    if found is not None:
        found.close()
