"""Bodies of projects."""

from drover_shared.domain.states import JobStatus
from marshmallow import fields, validate

from drover_api.http.fields import (
    MAX_INT,
    Schema,
    StrictBoolean,
    Timestamp,
    identifier,
    integer,
    text,
)
from drover_api.http.pages import NameQuery, QueryInteger, page_schema
from drover_api.resources.common import OwnedBody, StampedOut

SCM_TYPES = ("git", "local")
# Neither may be taken for an option by git.
_NO_OPTION = validate.Regexp(r"(?!-)[^\s\x00-\x1f]*\Z", error="Must not start with - or contain blanks.")


class ProjectBodySchema(OwnedBody):
    """`scm_branch` is a branch, a tag or a commit; empty for the repository's own default."""

    scm_type = fields.String(validate=validate.OneOf(SCM_TYPES), load_default="git")
    scm_url = fields.String(required=True, validate=[validate.Length(1, 2000), _NO_OPTION])
    scm_branch = fields.String(validate=[validate.Length(0, 500), _NO_OPTION], load_default="")
    credential_id = identifier(allow_none=True, load_default=None)
    scm_submodules = StrictBoolean(load_default=False)
    scm_clean = StrictBoolean(load_default=True)
    update_on_launch = StrictBoolean(
        load_default=False,
        metadata={
            "description": "Launches wait for a sync, one for all, and run what it finds. Otherwise jobs run"
            " what the last sync found, or the branch's head where there was none"
        },
    )
    cache_timeout_seconds = integer(
        0,
        MAX_INT,
        load_default=0,
        metadata={"description": "A launch is content with a sync that began no longer ago than this"},
    )
    executor_pool = text(1, 255, load_default="default")
    execution_environment_id = identifier(allow_none=True, load_default=None)


class SyncSchema(Schema):
    """The newest sync, however it stands; it is a job of kind project_sync."""

    job_id = fields.Integer()
    status = fields.String(validate=validate.OneOf([str(status) for status in JobStatus]))
    error_reason = fields.String(allow_none=True)
    error_detail = fields.String(allow_none=True)
    created_at = Timestamp()
    finished_at = Timestamp(allow_none=True)


class PlaybookSchema(Schema):
    path = fields.String(metadata={"example": "deploy.yml"})


class PlaybookPageSchema(page_schema(PlaybookSchema)):  # type: ignore[misc]  # made at run time
    truncated = fields.Boolean(metadata={"description": "The project has more than are listed"})


class PlaybookQuery(NameQuery):
    name = fields.String(metadata={"description": "Case-insensitive part of the path"})


class ProjectSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    description = fields.String()
    organization_id = fields.Integer()
    scm_type = fields.String()
    scm_url = fields.String()
    scm_branch = fields.String()
    credential_id = fields.Integer(allow_none=True)
    scm_submodules = fields.Boolean()
    scm_clean = fields.Boolean()
    update_on_launch = fields.Boolean()
    cache_timeout_seconds = fields.Integer()
    execution_environment_id = fields.Integer(allow_none=True)
    executor_pool = fields.String()
    scm_revision = fields.String(
        allow_none=True, metadata={"description": "The commit that the last good sync found"}
    )
    synced_at = Timestamp(allow_none=True, metadata={"description": "When that sync began to look"})
    last_sync = fields.Nested(SyncSchema, allow_none=True)


class ProjectQuery(NameQuery):
    organization_id = QueryInteger()
    scm_type = fields.String(validate=validate.OneOf(SCM_TYPES))
