"""Lists of jobs, of which there are millions: what the principal holds is looked up first.

`allowed` says the same with subqueries, which is right for one job. Over a whole table the planner cannot
guess how much a subquery lets through; with the ids themselves it can, and takes an index where they are few.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from drover_shared.db.models import Job, JobCount, RoleAssignment
from drover_shared.domain.states import JobKind
from sqlalchemy import BigInteger, ColumnElement, and_, any_, func, literal, not_, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from drover_api.access import roles
from drover_api.access.allowed import held_by
from drover_api.access.principal import Principal


@dataclass(frozen=True, slots=True)
class SeenJobs:
    """Which jobs a principal may list: `everything`, or those through what it holds or launched itself."""

    user_id: int
    everything: bool = False
    organizations: list[int] = field(default_factory=list)
    templates: list[int] = field(default_factory=list)
    projects: list[int] = field(default_factory=list)

    @property
    def condition(self) -> ColumnElement[bool]:
        if self.everything:
            return true()
        return or_(self._in_organizations, self._otherwise) if self.organizations else self._otherwise

    def count(self, db: Session, kind: str) -> int:
        """How many there are. Whole organizations are not counted one by one.

        Those of templates apart from the others, so that an index alone tells their number.
        """
        counted = select(func.coalesce(func.sum(JobCount.jobs), 0)).where(JobCount.kind == kind)
        if self.everything:
            return int(db.scalars(counted).one())
        whole = int(db.scalars(counted.where(_one_of(JobCount.organization_id, self.organizations))).one())
        others = select(func.count()).where(Job.kind == kind)
        if self.organizations:
            others = others.where(not_(self._in_organizations))
        through = others.where(or_(*self._through))
        if not self.templates:
            return whole + db.scalars(through).one()
        elsewhere = through.where(
            or_(Job.job_template_id.is_(None), not_(_one_of(Job.job_template_id, self.templates)))
        )
        of_templates = others.where(_one_of(Job.job_template_id, self.templates))
        return whole + db.scalars(elsewhere).one() + db.scalars(of_templates).one()

    @property
    def _in_organizations(self) -> ColumnElement[bool]:
        return _one_of(Job.organization_id, self.organizations)

    @property
    def _otherwise(self) -> ColumnElement[bool]:
        templates = [_one_of(Job.job_template_id, self.templates)] if self.templates else []
        return or_(*self._through, *templates)

    @property
    def _through(self) -> list[ColumnElement[bool]]:
        """By what but an organization or a template a job is seen."""
        through: list[ColumnElement[bool]] = [Job.launched_by_id == self.user_id]
        if self.projects:
            through.append(and_(Job.kind == JobKind.PROJECT_SYNC, _one_of(Job.project_id, self.projects)))
        return through


def seen_jobs(db: Session, principal: Principal) -> SeenJobs:
    """What `allowed(Job, principal, READ)` lets through, for a list."""
    if principal.is_superuser or principal.is_system_auditor:
        return SeenJobs(principal.user_id, everything=True)
    held: dict[str, list[int]] = defaultdict(list)
    reading = {
        "organization": roles.organization_roles("job", roles.READ),
        "job_template": roles.OBJECT_ROLES[roles.READ],
        "project": roles.OBJECT_ROLES[roles.READ],
    }
    roles_that_read = select(RoleAssignment.resource_type, RoleAssignment.resource_id).where(
        or_(
            *(
                and_(RoleAssignment.resource_type == kind, RoleAssignment.role.in_(sorted(names)))
                for kind, names in reading.items()
            )
        ),
    )
    for kind, resource_id in db.execute(held_by(principal, roles_that_read)):
        held[kind].append(resource_id)
    return SeenJobs(
        principal.user_id,
        organizations=held["organization"],
        templates=held["job_template"],
        projects=held["project"],
    )


def _one_of(
    column: "InstrumentedAttribute[int] | InstrumentedAttribute[int | None]", ids: list[int]
) -> ColumnElement[bool]:
    return column == any_(literal(ids, ARRAY(BigInteger)))
