"""JSON schemas of everything that is asked and answered, by pydantic.

In: the models in the tables. Out: components, and references to them; the parameters of a query one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args, is_typeddict

from pydantic import TypeAdapter
from pydantic.json_schema import JsonSchemaMode, JsonSchemaValue

from events.wire.customer_models import CUSTOMER_ID
from events.wire.json_schemas import Plain
from service.openapi.answers import Refusal
from service.openapi.examples import ID
from service.operation import OpenRoute, Operation
from service.parameters import Parameters

MODE: JsonSchemaMode = "validation"
REFERENCE = "#/components/schemas/{model}"
Part = dict[str, Any]


class Schemas:
    """The models' schemas: `components` by name, and what refers to them."""

    def __init__(
        self, operations: Sequence[Operation[Any]], open_routes: Sequence[OpenRoute], *, open_codes: bool
    ) -> None:
        self._open_codes = open_codes
        models = [Refusal, *(operation.body.model for operation in operations if operation.body is not None)]
        abouts = [*(row.about for row in operations), *(row.about for row in open_routes)]
        models += [answer.model for about in abouts for answer in about.answers if answer.model is not None]
        named = {_name(model): TypeAdapter(model) for model in models}
        references, definitions = TypeAdapter.json_schemas(
            [(name, MODE, adapter) for name, adapter in named.items()],
            ref_template=REFERENCE,
            schema_generator=Plain,
        )
        self._references = {name: schema for (name, _), schema in references.items()}
        self.components: Part = dict(sorted(definitions["$defs"].items()))
        for schema in self.components.values():
            schema.pop("title", None)

    def of(self, model: Any) -> JsonSchemaValue:
        """The schema of a body."""
        return self._references[_name(model)]

    def refusal(self, codes: list[str]) -> Part:
        """The schema of a refusal with one of these codes."""
        any_refusal = {"$ref": REFERENCE.format(model="Refusal")}
        if self._open_codes:
            return any_refusal
        return {"allOf": [any_refusal, {"properties": {"code": {"enum": codes}}}]}

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
        schema = model.model_json_schema(schema_generator=Plain, ref_template=REFERENCE)
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
        # The example keeps pages that fill in what they are not told from asking for nonsense.
        made |= {"style": "deepObject", "explode": True, "example": {}}
    return made


def _name(model: Any) -> str:
    """A model's name, a union's from its parts."""
    parts = get_args(model) if not is_typeddict(model) and get_args(model) else (model,)
    return "Or".join(getattr(part, "__name__", str(part)) for part in parts)
