"""Whether readers that stay may still read: their token, their user and what they see can go at any time."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from drover_shared.db.models import BrowserSession, Job, Token, User
from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from drover_api.access.allowed import visible
from drover_api.access.principal import Principal


@dataclass(frozen=True, slots=True)
class Grant:
    """Who reads the output of which job, and by which token or browser's session."""

    user_id: int
    token_id: int | None
    session_id: int | None
    job_id: int


def standing(sessions: Callable[[], Session], grants: Iterable[Grant]) -> set[Grant]:
    """The grants that a request made now would get."""
    wanted = set(grants)
    with sessions() as session:
        users = {user.id: user for user in session.scalars(_active({grant.user_id for grant in wanted}))}
        tokens = set(session.scalars(_valid({grant.token_id for grant in wanted if grant.token_id})))
        browsers = set(session.scalars(_open({grant.session_id for grant in wanted if grant.session_id})))
        by_user: dict[int, set[int]] = defaultdict(set)
        for grant in wanted:
            by_user[grant.user_id].add(grant.job_id)
        seen = {
            (user_id, job_id)
            for user_id, job_ids in by_user.items()
            if user_id in users
            for job_id in session.scalars(
                select(Job.id).where(Job.id.in_(job_ids), visible(Job, _principal(users[user_id])))
            )
        }
    return {
        grant
        for grant in wanted
        if (grant.user_id, grant.job_id) in seen
        and (grant.token_id is None or grant.token_id in tokens)
        and (grant.session_id is None or grant.session_id in browsers)
    }


def _active(user_ids: set[int]) -> Select[User]:
    return select(User).where(User.id.in_(user_ids), User.is_active)


def _valid(token_ids: set[int]) -> Select[int]:
    in_time = or_(Token.expires_at.is_(None), Token.expires_at > func.now())
    return select(Token.id).where(Token.id.in_(token_ids), in_time)


def _open(session_ids: set[int]) -> Select[int]:
    in_time = BrowserSession.expires_at > func.now()
    return select(BrowserSession.id).where(BrowserSession.id.in_(session_ids), in_time)


def _principal(user: User) -> Principal:
    return Principal(user.id, user.username, user.is_superuser, user.is_system_auditor)
