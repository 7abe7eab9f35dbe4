"""JSON schemas of everything that is asked and answered, by pydantic.

In: the models in the tables. Out: components, and references to them; the parameters of a query one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, is_typeddict

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from service.openapi.answers import CUSTOMER_ID, Error
from service.openapi.examples import ID
from service.operation import OpenRoute, Operation
from service.parameters import Parameters

MODE: JsonSchemaMode = "validation"
REFERENCE = "#/components/schemas/{model}"
Part = dict[str, Any]


class _Plain(GenerateJsonSchema):
    """Without titles that repeat the members' names."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


class Schemas:
    """The models' schemas: `components` by name, and what refers to them."""

    def __init__(self, operations: Sequence[Operation[Any]], open_routes: Sequence[OpenRoute]) -> None:
        models = [Error, *(operation.body.model for operation in operations if operation.body is not None)]
        abouts = [*(row.about for row in operations), *(row.about for row in open_routes)]
        models += [answer.model for about in abouts for answer in about.answers if answer.model is not None]
        named = {_name(model): TypeAdapter(model) for model in models}
        references, definitions = TypeAdapter.json_schemas(
            [(name, MODE, adapter) for name, adapter in named.items()],
            ref_template=REFERENCE,
            schema_generator=_Plain,
        )
        self._references = {name: schema for (name, _), schema in references.items()}
        self.components: Part = dict(sorted(definitions["$defs"].items()))
        for schema in self.components.values():
            schema.pop("title", None)

    def of(self, model: Any) -> JsonSchemaValue:
        """The schema of a body."""
        return self._references[_name(model)]

    def error(self, status: int, codes: list[str]) -> Part:
        """The schema of an error with this status and one of these codes."""
        return {
            "$ref": REFERENCE.format(model="Error"),
            "properties": {"statusCode": {"const": status}, "code": {"enum": codes}},
        }

    def customer_id(self) -> Part:
        """The id in a path."""
        return {
            "name": "id",
            "in": "path",
            "required": True,
            "description": "A customer's id.",
            "schema": {"type": "string", "pattern": CUSTOMER_ID},
            "example": ID,
        }

    def query(self, model: type[Parameters]) -> list[Part]:
        """The parameters of a query."""
        schema = model.model_json_schema(schema_generator=_Plain, ref_template=REFERENCE)
        return [_parameter(name, of) for name, of in schema.get("properties", {}).items()]


def _parameter(name: str, schema: Part) -> Part:
    """A parameter of a query. Its model reads absent as null, which a query cannot say."""
    made: Part = {"name": name, "in": "query", "schema": schema}
    if schema.get("default", ...) is None:
        del schema["default"]
    if "anyOf" in schema:
        [present] = [choice for choice in schema.pop("anyOf") if choice != {"type": "null"}]
        made["schema"] = schema = present | schema
    if "description" in schema:
        made["description"] = schema.pop("description")
    if schema.get("type") == "object":
        made |= {"style": "form", "explode": True, "schema": _bracketed(name, schema)}
    return made


def _bracketed(name: str, schema: Part) -> Part:
    """An object whose members are parameters of their own, `name[key]=value`.

    `deepObject` is the style for that, but client generators write it as if it were `form`. So `form` it is,
    and the brackets belong to the members' names: the same query, in a way that all of them understand.
    """
    keys = schema.get("propertyNames", {})
    names = {limit: keys[limit] + len(f"{name}[]") for limit in ("minLength", "maxLength") if limit in keys}
    key = keys.get("pattern", r"^[^\[\]]+$").removeprefix("^").removesuffix("$")
    return schema | {"propertyNames": names | {"pattern": rf"^{name}\[{key}\]$"}}


def _name(model: Any) -> str:
    """A model's name, a union's from its parts."""
    parts = get_args(model) if not is_typeddict(model) and get_args(model) else (model,)
    return "Or".join(getattr(part, "__name__", str(part)) for part in parts)
