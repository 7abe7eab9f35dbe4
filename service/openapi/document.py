"""The OpenAPI document, put together from the route table and the models that serve it.

In: the operations and the open routes. Out: the document, ready to be JSON. What the service does is read
from what makes it do so, and nothing is written twice, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import orjson

from service.api_error import ApiError, error_body, phrase
from service.body import JSON, Body
from service.openapi.examples import REFUSALS, REQUEST_ID
from service.openapi.headers import (
    OF_ANSWERS,
    OF_ERRORS,
    OF_OPERATIONS,
    answer_headers,
    request_header,
    request_headers,
)
from service.openapi.refusals import OF_EVERY_ROUTE, Errors, by_status, refusals
from service.openapi.schemas import Schemas
from service.operation import About, Answer, OpenRoute, Operation

Part = dict[str, Any]

SECURITY: list[dict[str, list[str]]] = [{"apiKey": []}, {"bearer": []}]
SECURITY_SCHEMES = {
    "apiKey": {
        "type": "apiKey",
        "in": "header",
        "name": "X-API-Key",
        "description": "`sk_live_…` or `sk_test_…`.",
    },
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "The same key; `X-API-Key` goes before it.",
    },
}
TAGS = [
    {"name": "customers", "description": "The customers of the key's merchant."},
    {"name": "audit", "description": "Proof that nothing is missing or changed."},
    {"name": "service", "description": "The service itself. No key needed."},
]
CUSTOMER_ID = {"$ref": "#/components/parameters/id"}


def document(
    operations: Sequence[Operation[Any]], open_routes: Sequence[OpenRoute], *, open_codes: bool = False
) -> Part:
    """The whole document.

    `open_codes` leaves out which codes an answer can have, for generators whose clients fail at any other:
    there will be new ones.
    """
    schemas = Schemas(operations, open_routes, open_codes=open_codes)
    paths: dict[str, Part] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    for route in open_routes:
        paths[route.path] = {"get": _open_route(route, schemas)}
    return {
        "openapi": "3.1.1",
        "info": _info(),
        "servers": [{"url": "/", "description": "Where this document comes from."}],
        "security": SECURITY,
        "tags": TAGS,
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY_SCHEMES,
            "parameters": {"id": schemas.customer_id()} | request_headers(),
            "headers": OF_ANSWERS,
            "schemas": schemas.components,
        },
    }


def _info() -> Part:
    guide = files("service.openapi").joinpath("guide.md").read_text("utf-8")
    return {
        "title": "Customers",
        "version": version("customers"),
        "summary": "The customers of a payments platform.",
        "description": guide,
        "license": {"name": "Apache 2.0", "identifier": "Apache-2.0"},
    }


def _operation(operation: Operation[Any], schemas: Schemas) -> Part:
    about = operation.about
    parameters: list[Part] = [CUSTOMER_ID] if "{id}" in operation.path else []
    parameters += schemas.query(operation.parameters)
    parameters += [request_header(name) for name in about.headers]
    described = _described(about, parameters)
    described["description"] += f"\n\nNeeds a key with the scope `{operation.scope}`."
    if operation.body is not None:
        described["requestBody"] = _body(operation.body, about, schemas)
    refused = _refusals(refusals(operation), schemas, OF_OPERATIONS)
    if operation.method == "PATCH":
        refused["415"]["headers"] |= answer_headers("Accept-Patch")
    described["responses"] = _answers(about, schemas, OF_OPERATIONS) | refused
    return described


def _open_route(route: OpenRoute, schemas: Schemas) -> Part:
    described = _described(route.about, [request_header(name) for name in route.about.headers])
    described["security"] = []
    described["responses"] = _refusals(by_status(OF_EVERY_ROUTE), schemas) | _answers(route.about, schemas)
    return described


def _described(about: About, parameters: list[Part]) -> Part:
    return {
        "operationId": about.name,
        "tags": [about.tag],
        "summary": about.summary,
        "description": about.text,
        "parameters": parameters,
    }


def _body(body: Body, about: About, schemas: Schemas) -> Part:
    content = {"schema": schemas.of(body.model), "examples": _examples(about.examples)}
    return {
        "description": f"At most {body.limit // 1024} KiB, in UTF-8, without a content coding.",
        "required": True,
        "content": dict.fromkeys(body.media_types, content),
    }


def _answers(about: About, schemas: Schemas, headers: tuple[str, ...] = ()) -> dict[str, Part]:
    return {str(answer.status): _answer(answer, about, schemas, headers) for answer in about.answers}


def _answer(answer: Answer, about: About, schemas: Schemas, headers: tuple[str, ...]) -> Part:
    made: Part = {"description": answer.text, "headers": answer_headers(*answer.headers, *headers)}
    if answer.model is not None:
        content = {"schema": schemas.of(answer.model)}
        if answer.examples:
            content["examples"] = _examples(answer.examples)
        made["content"] = {answer.media_type: content}
        for media_type, example in answer.also.items():
            made["content"][media_type] = {
                "schema": {"type": "string"},
                "examples": _examples({"text": example}),
            }
    if about.links and answer.status < 300:
        made["links"] = {name: _link(name) for name in about.links}
    return made


def _link(name: str) -> Part:
    """From a customer that was answered to another operation on it."""
    if name == "listCustomers":
        return {"operationId": name, "parameters": {"email": "$response.body#/email"}}
    return {"operationId": name, "parameters": {"id": "$response.body#/id"}}


def _refusals(errors: Errors, schemas: Schemas, headers: tuple[str, ...] = ()) -> dict[str, Part]:
    made = {}
    for status, classes in errors.items():
        lines = [f"`{error.code}`: {_summary(error)}" for error in classes]
        made[str(status)] = {
            "description": f"{phrase(status)}.\n\n" + "\n".join(f"- {line}" for line in lines),
            "headers": answer_headers(*OF_ERRORS.get(status, ()), *headers),
            "content": {
                JSON: {
                    "schema": schemas.refusal([error.code for error in classes]),
                    "examples": _examples({error.code: _error_example(error) for error in classes}),
                }
            },
        }
    return made


def _error_example(error: type[ApiError]) -> Any:
    return orjson.loads(error_body(REFUSALS.get(error) or error(), REQUEST_ID))


def _summary(error: type) -> str:
    return " ".join((error.__doc__ or "").split("\n\n")[0].split())


def _examples(examples: Mapping[str, Any]) -> Part:
    return {name: {"value": value} for name, value in examples.items()}
