"""JSON schemas of models, by pydantic: without titles that repeat the members' names, in draft 2020-12."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import override

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class Plain(GenerateJsonSchema):
    """Without titles of members."""

    @override
    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_of(model: Any) -> Schema:
    """The model's schema, whole: what it refers to is in its `$defs`."""
    made = TypeAdapter(model).json_schema(schema_generator=Plain)
    for part in made.get("$defs", {}).values():
        part.pop("title", None)
    return made
