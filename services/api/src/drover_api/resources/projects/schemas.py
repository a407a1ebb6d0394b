"""Bodies of projects."""

from marshmallow import fields, validate

from drover_api.http.fields import MAX_INT, StrictBoolean, Timestamp, identifier, integer
from drover_api.http.pages import NameQuery, QueryInteger
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
    update_on_launch = StrictBoolean(load_default=True)
    cache_timeout_seconds = integer(0, MAX_INT, load_default=0)
    execution_environment_id = identifier(allow_none=True, load_default=None)


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
    scm_revision = fields.String(allow_none=True)
    synced_at = Timestamp(allow_none=True)


class ProjectQuery(NameQuery):
    organization_id = QueryInteger()
    scm_type = fields.String(validate=validate.OneOf(SCM_TYPES))
