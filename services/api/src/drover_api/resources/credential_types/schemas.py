"""Bodies of credential types: `inputs` are the fields, `injectors` how a run gets them."""

from marshmallow import fields, validate

from drover_api.http.fields import JsonObject, Schema, StrictBoolean, text
from drover_api.http.pages import NameQuery, QueryBoolean
from drover_api.resources.common import NamedBody, StampedOut

_IDENTIFIER = validate.Regexp(r"[A-Za-z_][A-Za-z0-9_]{0,63}\Z", error="Must be an identifier.")
MAX_FIELDS = 100


class InputFieldSchema(Schema):
    """One field: `secret` ones are encrypted and never read back."""

    id = fields.String(required=True, validate=_IDENTIFIER)
    label = text(1, 200, required=True)
    type = fields.String(validate=validate.OneOf(["string", "boolean"]), load_default="string")
    secret = StrictBoolean(load_default=False)
    multiline = StrictBoolean(load_default=False)
    ask_at_runtime = StrictBoolean(
        load_default=False,
        metadata={"description": "A credential may hold ASK here: each launch gives the value"},
    )
    help_text = text(0, 2000)
    choices = fields.List(text(0, 1000), validate=validate.Length(1, 200))
    default = fields.Raw()


# A field called `fields` cannot be an attribute of a schema's class.
InputsSchema = Schema.from_dict(
    {
        "fields": fields.List(
            fields.Nested(InputFieldSchema), load_default=list, validate=validate.Length(0, MAX_FIELDS)
        ),
        "required": fields.List(fields.String(validate=_IDENTIFIER), load_default=list),
    },
    name="InputFieldsSchema",
)


class InjectorsSchema(Schema):
    """Texts with `{{ field }}`; the path of a file is `{{ file.<name> }}`."""

    env = fields.Dict(keys=fields.String(validate=_IDENTIFIER), values=fields.String())
    extra_vars = fields.Dict(keys=fields.String(validate=_IDENTIFIER), values=fields.Raw())
    file = fields.Dict(keys=fields.String(validate=_IDENTIFIER), values=fields.String())


class CredentialTypeBodySchema(NamedBody):
    """`namespace` is what a run's manifest calls the type; by default it is made from the name."""

    namespace = fields.String(
        validate=validate.Regexp(r"[a-z][a-z0-9_]{0,63}\Z", error="Must be lower case letters, digits and _.")
    )
    inputs = fields.Nested(InputsSchema, load_default=lambda: {"fields": [], "required": []})
    injectors = fields.Nested(InjectorsSchema, load_default=dict)


class CredentialTypeSchema(StampedOut):
    id = fields.Integer()
    name = fields.String()
    namespace = fields.String()
    description = fields.String()
    managed = fields.Boolean()
    inputs = JsonObject()
    injectors = JsonObject()


class CredentialTypeQuery(NameQuery):
    namespace = fields.String()
    managed = QueryBoolean()
