"""The AsyncAPI document, put together from the channels, the messages, and the models behind them.

In: the tables. Out: the document, ready to be JSON. Payloads and headers are the models whose schemas are
published as files and that the tests hold messages against.
"""

from __future__ import annotations

from importlib.metadata import version
from importlib.resources import files
from typing import Any

from pydantic import TypeAdapter

from events.wire.json_schemas import Plain
from service.asyncapi.channels import CHANNELS, PARAMETERS, Channel, all_messages
from service.asyncapi.messages import Message
from service.body import JSON

Part = dict[str, Any]

NATS_BINDING = "0.1.0"
SCHEMAS = "#/components/schemas/{model}"
SECURITY: Part = {
    "credentials": {
        "type": "userPassword",
        "description": "Whatever the operator of NATS gives: user and password, a token, an NKey or a JWT. "
        "A subscriber may read the subjects of its own merchant.",
    }
}


def document() -> Part:
    """The whole document."""
    messages = all_messages()
    references, schemas = _schemas(messages)
    return {
        "asyncapi": "3.0.0",
        "info": _info(),
        "defaultContentType": JSON,
        "servers": {"nats": _server()},
        "channels": {name: _channel(channel) for name, channel in CHANNELS.items()},
        "operations": {channel.operation: _operation(name, channel) for name, channel in CHANNELS.items()},
        "components": {
            "securitySchemes": SECURITY,
            "parameters": {
                name: {"description": text, "examples": [example]}
                for name, (text, example) in PARAMETERS.items()
            },
            "correlationIds": {
                "trace": {
                    "description": "The trace of the request that made the change (W3C Trace Context).",
                    "location": "$message.header#/ce-traceparent",
                }
            },
            "messages": {name: _message(name, message, references) for name, message in messages.items()},
            "schemas": schemas,
        },
    }


def _info() -> Part:
    return {
        "title": "Customers: messages",
        "version": version("customers"),
        "description": files("service.asyncapi").joinpath("guide.md").read_text("utf-8"),
        "license": {"name": "Apache 2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        "tags": [
            {"name": "customers", "description": "The customers of a payments platform."},
            {"name": "payments", "description": "Charges and invoices, of other services."},
        ],
    }


def _server() -> Part:
    return {
        "host": "nats.example.com:4222",
        "protocol": "nats",
        "description": "The platform's NATS, 2.12 or newer with JetStream. Ask its operator for the address.",
        "security": [{"$ref": "#/components/securitySchemes/credentials"}],
    }


def _channel(channel: Channel) -> Part:
    made: Part = {
        "address": channel.address,
        "title": channel.title,
        "description": channel.description,
        "servers": [{"$ref": "#/servers/nats"}],
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(channel)},
    }
    parameters = [name for name in PARAMETERS if f"{{{name}}}" in channel.address]
    if parameters:
        made["parameters"] = {name: {"$ref": f"#/components/parameters/{name}"} for name in parameters}
    return made


def _names(channel: Channel) -> list[str]:
    return [*channel.messages(), *channel.shared]


def _operation(name: str, channel: Channel) -> Part:
    return {
        "action": channel.action,
        "channel": {"$ref": f"#/channels/{name}"},
        "title": channel.title,
        "summary": channel.summary,
        "messages": [{"$ref": f"#/channels/{name}/messages/{one}"} for one in _names(channel)],
        "bindings": {"nats": {"bindingVersion": NATS_BINDING}},
    }


def _message(name: str, message: Message, references: dict[str, Part]) -> Part:
    made: Part = {
        "name": name,
        "title": message.title,
        "summary": message.summary,
        "contentType": message.content_type,
        "payload": references[_key(message.payload)],
        "examples": [
            {"name": "example", "headers": example.headers, "payload": example.payload}
            for example in message.examples
        ],
    }
    if message.headers is not None:
        made["headers"] = _headers(message, references)
    if message.traced:
        made["correlationId"] = {"$ref": "#/components/correlationIds/trace"}
    return made


def _headers(message: Message, references: dict[str, Part]) -> Part:
    schema = references[_key(message.headers)]
    if message.type is not None:
        schema = {"allOf": [schema, {"properties": {"ce-type": {"const": message.type}}}]}
    return schema if "$ref" in schema else {"type": "object"} | schema


def _schemas(messages: dict[str, Message]) -> tuple[dict[str, Part], Part]:
    """References to the models' schemas by their keys, and the schemas."""
    models = [message.payload for message in messages.values()]
    models += [message.headers for message in messages.values() if message.headers is not None]
    adapters = {_key(model): TypeAdapter(model) for model in models}
    references, definitions = TypeAdapter.json_schemas(
        [(key, "validation", adapter) for key, adapter in adapters.items()],
        ref_template=SCHEMAS,
        schema_generator=Plain,
    )
    schemas: Part = dict(sorted(definitions["$defs"].items()))
    for schema in schemas.values():
        schema.pop("title", None)
    return {key: schema for (key, _), schema in references.items()}, schemas


def _key(model: Any) -> str:
    return str(getattr(model, "__name__", model))
