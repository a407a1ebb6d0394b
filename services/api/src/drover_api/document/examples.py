"""An example for everything that is sent or answered, made from the schemas and the values of `values`."""

from typing import Any

from drover_api.document.operations import Document, Operation, resolved
from drover_api.document.values import BY_NAME, BY_OPERATION, BY_SCHEMA, PARAMETERS

_DEEP = 6
_KINDS = ("BodyPatch", "Body", "Detail")
_FORMATS = {
    "date-time": "2025-12-10T09:00:00Z",
    "uuid": "c0c3bdc8-08c8-49aa-aea3-51f2d036e9f1",
}
_EMPTY = {"boolean": False, "array": [], "null": None}


def add(document: Document, one: Operation) -> None:
    """Give each body, answer and path parameter of `one` an example where it has none, and complete those."""
    maker = _Maker(document)
    for media in one.media.values():
        media["example"] = (
            maker.patch(media["schema"])
            if one.method == "patch"
            else maker.of(media["schema"], media.get("example"))
        )
    for status, answer in one.body["responses"].items():
        if status[0] == "2" and "$ref" not in answer:
            for media in answer.get("content", {}).values():
                if "$ref" in media["schema"] or "example" not in media:
                    given = BY_OPERATION.get(one.body["operationId"], media.get("example"))
                    media["example"] = maker.of(media["schema"], given)
    for parameter in one.body.get("parameters", []):
        if parameter["in"] == "path" and "example" not in parameter:
            parameter["example"] = maker.parameter(parameter)


class _Maker:
    def __init__(self, document: Document) -> None:
        self._document = document

    def of(self, schema: Document, given: Any = None) -> Any:
        """An example of `schema`; the keys of `given` stay as they are."""
        made = self._made(schema, "", 0)
        return {**made, **given} if isinstance(made, dict) and isinstance(given, dict) else made

    def patch(self, schema: Document) -> Any:
        """A merge patch changes one field."""
        properties = resolved(self._document, schema)["properties"]
        name = "description" if "description" in properties else next(iter(properties))
        return {name: self._made(properties[name], name, 0)}

    def parameter(self, parameter: Document) -> Any:
        name = parameter["name"]
        if name in PARAMETERS:
            return PARAMETERS[name]
        if name in BY_NAME and BY_NAME[name] is not None:
            return BY_NAME[name]
        return self._made(parameter["schema"], name, 0)

    def _made(self, node: Document, name: str, depth: int) -> Any:
        schema = resolved(self._document, node)
        if name in BY_NAME and _fits(BY_NAME[name], schema):
            return BY_NAME[name]
        if "$ref" in node and depth <= _DEEP:
            return self._object(node["$ref"].rpartition("/")[2], schema, depth)
        for choice in ("anyOf", "oneOf", "allOf"):
            if choice in schema:
                return self._made(schema[choice][0], name, depth)
        return self._plain(schema, depth)

    def _object(self, schema_name: str, schema: Document, depth: int) -> Any:
        own: dict[str, Any] = {}
        base = schema_name
        for kind in _KINDS:
            base = base.removesuffix(kind)
            own = {**BY_SCHEMA.get(base, {}), **own}
        own = {**own, **BY_SCHEMA.get(schema_name, {})}
        properties = schema.get("properties", {})
        made = {}
        for name, inner in properties.items():
            if schema_name == "Launch" and name not in _LAUNCH:
                continue  # as in the specification: an override needs the template's leave
            made[name] = own[name] if name in own else self._made(inner, name, depth + 1)
        return made

    def _plain(self, schema: Document, depth: int) -> Any:
        for key in ("example", "default"):
            if key in schema:
                return schema[key]
        kinds = schema.get("type", "object")
        match kinds[0] if isinstance(kinds, list) else kinds:
            case "array" if depth <= _DEEP and "items" in schema:
                return [self._made(schema["items"], "", depth + 1)]
            case "object":
                properties = schema.get("properties", {})
                return {key: self._made(inner, key, depth + 1) for key, inner in properties.items()}
            case "integer" | "number":
                return max(schema.get("minimum", 0), 0)
            case kind:
                return _text(schema) if kind == "string" else _EMPTY[kind]


def _text(schema: Document) -> str:
    known: str = schema["enum"][0] if "enum" in schema else _FORMATS.get(schema.get("format", ""), "text")
    return known


_LAUNCH = (
    "job_template_id",
    "execution_environment_id",
    "inventory_id",
    "execution_environment",
    "extra_vars",
    "limit",
    "job_type",
    "verbosity",
)


def _fits(value: Any, schema: Document) -> bool:
    """Whether `value` is of one of the schema's types: names are shared, shapes are not always."""
    kinds = schema.get("type")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "enum" in schema:
        return value in schema["enum"]
    return _kind(value) in kinds


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
