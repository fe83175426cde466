"""An OpenAPI 3.1 document of the public methods, from the descriptors and their comments."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from allocator.access.v1 import access_pb2
from allocator.reasons.v1 import reason_pb2
from google.api import resource_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from chassis.faults import Kind
from chassis.rest.binding import RAW_BODY, Binding, bindings_of
from chassis.rest.comments import comment_of, flowing
from chassis.rest.constraints import Schema, is_required, pattern_of
from chassis.rest.problem import PROBLEM_JSON, STATUSES, BodyTooLarge, MediaTypeUnsupported
from chassis.rest.schemas import Schemas
from chassis.rest.templates import ONE, Variable
from chassis.rpc.contract import Method, service_descriptor

_BEARER = "accessToken"
_REASON = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_WHO = {
    access_pb2.Rule.OPEN: "anybody, also without a token",
    access_pb2.Rule.PERSON: "any person",
    access_pb2.Rule.VERIFIED: "a person whose address is verified",
    access_pb2.Rule.OWNER: "a person, for what is their own; an admin for everybody's",
    access_pb2.Rule.ADMIN: "admins",
}
_PROBLEM: Schema = {
    "type": "object",
    "description": "What went wrong (RFC 9457).",
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the reason is explained.",
        },
        "title": {"type": "string", "description": "The reason in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {"type": "string", "description": "What happened, and what to do."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "reason": {"type": "string", "description": "The reason, from the closed list."},
        "metadata": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "description": "Every variable of `detail`.",
        },
        "fields": {
            "type": "array",
            "description": "The fields that are wrong.",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                "required": ["field", "message"],
            },
        },
        "retryAfter": {
            "type": "number",
            "description": "Seconds after which trying again may help.",
        },
    },
    "required": ["type", "title", "status", "detail", "instance", "reason"],
}


def document(
    methods: Iterable[Method],
    *,
    title: str,
    version: str,
    description: str = "",
    examples: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The OpenAPI document of the public ones among the methods.

    Args:
        methods: as a chain serves them.
        title: of the whole.
        version: of the whole.
        description: of the whole, in Markdown.
        examples: bodies of requests, as JSON values, by the path of the method as in gRPC.
    """
    public = [method for method in methods if method.is_public]
    writer = _Writer(public, examples or {})
    paths: dict[str, dict[str, Any]] = {}
    for method in public:
        for place, binding in enumerate(bindings_of(method)):
            path, operation = writer.operation(binding, place)
            paths.setdefault(path, {})[binding.http_method.lower()] = operation
    services = {method.service: None for method in public}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "tags": [
            {"name": name.rpartition(".")[2], "description": flowing(comment_of(name))}
            for name in services
        ],
        "paths": paths,
        "components": {
            "schemas": {"Problem": _PROBLEM, **writer.schemas.components},
            "securitySchemes": {
                _BEARER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of a session.",
                }
            },
        },
    }


def document_bytes(
    methods: Iterable[Method],
    *,
    title: str,
    version: str,
    description: str = "",
    examples: Mapping[str, Any] | None = None,
) -> bytes:
    """The document as JSON; see `document`."""
    made = document(
        methods, title=title, version=version, description=description, examples=examples
    )
    return orjson.dumps(made)


class _Writer:
    """Writes operations; knows what all of them share."""

    def __init__(self, methods: list[Method], examples: Mapping[str, Any]) -> None:
        self.schemas = Schemas()
        self._examples = examples
        self._names: dict[str, int] = {}
        for method in methods:
            self._names[method.name] = self._names.get(method.name, 0) + 1
        self._resource_patterns = _resource_patterns(methods)

    def operation(self, binding: Binding, place: int) -> tuple[str, dict[str, Any]]:
        """The path and the operation of a binding, the `place`-th of its method."""
        method = binding.method
        service = service_descriptor(method.service)
        identity = method.name
        if self._names[method.name] > 1:
            identity = f"{service.name}_{method.name}"
        if place:
            identity = f"{identity}_{place + 1}"
        comment = flowing(comment_of(method.path[1:].replace("/", ".")))
        path, parameters = self._path(binding)
        parameters += self._query(binding)
        parameters += _header_parameters(binding)
        who = _WHO.get(method.rule.who, "other services")
        operation: dict[str, Any] = {
            "operationId": identity,
            "tags": [service.name],
            "summary": re.split(r"(?<=[.;:])\s", comment)[0].rstrip(".;:"),
            "description": f"{comment}\n\nWho may call it: {who}. {_by_token(method)}".rstrip(),
        }
        if parameters:
            operation["parameters"] = parameters
        if binding.takes_body:
            operation["requestBody"] = self._body(binding)
        operation["responses"] = self._responses(binding, comment)
        is_open = method.rule.who == access_pb2.Rule.OPEN
        operation["security"] = [] if is_open else [{_BEARER: []}]
        return path, operation

    def _path(self, binding: Binding) -> tuple[str, list[dict[str, Any]]]:
        segments = list(binding.template.segments)
        parameters = []
        for variable in binding.template.variables:
            field = binding.path_field(variable.field_path)
            end = variable.end if variable.end is not None else len(segments)
            for place in range(variable.start, end):
                if not segments[place].startswith("*"):
                    continue
                before = segments[place - 1] if place > variable.start else ""
                name = _singular(before) if before else variable.field_path.replace(".", "_")
                parameters.append(
                    {
                        "name": name,
                        "in": "path",
                        "required": True,
                        "description": flowing(comment_of(field.full_name)),
                        "schema": self._path_schema(binding, variable, field),
                    }
                )
                segments[place] = f"{{{name}}}"
        verb = f":{binding.template.verb}" if binding.template.verb else ""
        return f"/{'/'.join(segments)}{verb}", parameters

    def _path_schema(self, binding: Binding, variable: Variable, field: FieldDescriptor) -> Schema:
        """What one segment may be: the field's own pattern, without what the path says anyway."""
        segments = binding.template.segments[variable.start : variable.end]
        pattern = pattern_of(field) or self._resource_patterns.get(_resource_type(field), "")
        before = "/".join(segments[:-1])
        start = f"^{before}/" if before else "^"
        if pattern.startswith(start) and segments.count(ONE) == 1 and segments[-1] == ONE:
            return {"type": "string", "pattern": f"^{pattern.removeprefix(start)}"}
        return {"type": "string", "pattern": "^[a-z0-9-]{1,63}$"}

    def _query(self, binding: Binding) -> list[dict[str, Any]]:
        parameters = []
        for name, field in binding.query_fields():
            if name in ("etag", "requestId"):
                # The headers say the same; a request that says both, differently, is refused.
                continue
            schema = self.schemas.request_field(field)
            said = schema.pop("description", "")
            schema.pop("writeOnly", None)
            parameter = {"name": name, "in": "query", "description": said, "schema": schema}
            if "." not in name and is_required(field):
                parameter["required"] = True
            parameters.append(parameter)
        return parameters

    def _body(self, binding: Binding) -> dict[str, Any]:
        method = binding.method
        request = method.descriptor.input_type
        from_path = {one.field_path for one in binding.template.variables}
        if binding.body_field is None:
            schema = self.schemas.request(request, without=from_path, owner=request.name)
            required = any(
                is_required(field) for field in request.fields if field.name not in from_path
            )
        else:
            field = binding.body_field
            required = is_required(field)
            message = field.message_type
            if message is not None and not field.is_repeated:
                schema = self.schemas.request(message, partial=binding.http_method == "PATCH")
                if message.full_name == RAW_BODY:
                    return {"required": required, "content": {"*/*": {"schema": {}}}}
            else:
                schema = self.schemas.request_field(field)
        content: dict[str, Any] = {"schema": schema}
        example = self._examples.get(method.path)
        if example is not None:
            content["examples"] = {"example": {"value": example}}
        return {"required": required, "content": {"application/json": content}}

    def _responses(self, binding: Binding, comment: str) -> dict[str, Any]:
        method = binding.method
        answer: Descriptor = method.descriptor.output_type
        good: dict[str, Any] = {"description": "The answer."}
        answer_comment = flowing(comment_of(answer.full_name))
        if answer_comment:
            good["description"] = answer_comment
        if binding.is_raw:
            good["content"] = {"*/*": {"schema": {}}}
        else:
            schema = self._answer_schema(binding, answer)
            good["content"] = {"application/json": {"schema": schema}}
            if method.streams:
                good["content"] = {
                    "text/event-stream": {"schema": _event(schema)},
                    "application/x-ndjson": {"schema": schema},
                }
        etag = answer.fields_by_name.get("etag")
        if etag is not None and not method.streams:
            good["headers"] = {
                "ETag": {
                    "description": "The etag, for If-Match and If-None-Match.",
                    "schema": {"type": "string"},
                }
            }
        responses: dict[str, Any] = {"200": good}
        for status, reasons in sorted(_failures(binding, comment).items()):
            responses[str(status)] = _problem_response(" ".join(reasons))
        responses["default"] = _problem_response("Anything else that went wrong.")
        return responses

    def _answer_schema(self, binding: Binding, answer: Descriptor) -> Schema:
        field = binding.response_field
        if field is None:
            return self.schemas.answer(answer)
        whole = self.schemas.answer(answer)["$ref"].rpartition("/")[2]
        schema: Schema = self.schemas.components[whole]["properties"][field.json_name]
        return schema


def _event(schema: Schema) -> Schema:
    """One server-sent event, as OpenAPI 3.2 describes them."""
    problem = {"$ref": "#/components/schemas/Problem"}
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [schema, problem, {"type": "object", "maxProperties": 0}]},
    }
    return {
        "type": "object",
        "description": "One event. An event without a name has a message as its data; `error` has "
        "a problem document, `end` is the last one.",
        "properties": {
            "event": {"type": "string", "enum": ["message", "error", "end"]},
            "data": data,
        },
        "required": ["data"],
    }


def _header_parameters(binding: Binding) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if binding.body_is_all:
        # The body has the same fields.
        return parameters
    if binding.has_request_id:
        parameters.append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "description": "`requestId` as a header: a UUID of the caller's choice; the same request sent "
                "again with it has no second effect.",
                "schema": {"type": "string", "format": "uuid"},
            }
        )
    if binding.has_etag:
        parameters.append(
            {
                "name": "If-Match",
                "in": "header",
                "description": "The etag that the resource was read with; 412 where it is stale.",
                "schema": {"type": "string", "pattern": '^"[!#-~]{1,64}"$'},
            }
        )
    return parameters


def _failures(binding: Binding, comment: str) -> dict[int, list[str]]:
    """What the method can fail with, by status: what every one can, and what its comment names."""
    found: dict[int, list[str]] = {}

    def add(reason: str) -> None:
        value = reason_pb2.Reason.DESCRIPTOR.values_by_name.get(reason)
        if value is None:
            return
        kind = reason_pb2.Kind.Name(value.GetOptions().Extensions[reason_pb2.entry].kind)
        status = STATUSES[Kind[kind]]
        if reason == BodyTooLarge.reason:
            status = BodyTooLarge.status
        if reason == MediaTypeUnsupported.reason:
            status = MediaTypeUnsupported.status
        said = flowing(comment_of(f"{value.type.full_name}.{reason}"))
        text = f"`{reason}`: {said}"
        if text not in found.setdefault(status, []):
            found[status].append(text)
        if reason == "ETAG_STALE" and binding.has_etag:
            found.setdefault(412, [f"`{reason}`, by If-Match: {said}"])

    add("REQUEST_INVALID")
    if binding.takes_body:
        add("BODY_TOO_LARGE")
        add("MEDIA_TYPE_UNSUPPORTED")
    who = binding.method.rule.who
    if who != access_pb2.Rule.OPEN:
        add("TOKEN_MISSING")
        add("SESSION_NEEDED" if binding.method.rule.sessions_only else "SCOPE_MISSING")
        # Also where revocations matter less: for an access token they always do.
        add("TRUST_STALE")
    if who == access_pb2.Rule.ADMIN:
        add("CALLER_NOT_ALLOWED")
    if who == access_pb2.Rule.VERIFIED:
        add("USER_NOT_VERIFIED")
    for reason in _REASON.findall(comment):
        add(reason)
    return found


def _by_token(method: Method) -> str:
    """Which personal access tokens may call a method."""
    if method.rule.who == access_pb2.Rule.OPEN:
        return ""
    if method.rule.sessions_only:
        return "It needs a session: no personal access token does."
    return f"A personal access token needs the scope `{method.scope}`."


def _problem_response(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _singular(collection: str) -> str:
    """`machine` of `machines`, `entry` of `entries`, `class` of `classes`: collections are in English."""
    if collection.endswith("ies"):
        return f"{collection[:-3]}y"
    if collection.endswith("sses"):
        return collection[:-2]
    return collection.removesuffix("s")


def _resource_type(field: FieldDescriptor) -> str:
    """The type of the resource whose name the field is; empty for none."""
    options = field.GetOptions()
    if options.HasExtension(resource_pb2.resource_reference):
        return str(options.Extensions[resource_pb2.resource_reference].type)
    owner = field.containing_type
    if field.name == "name" and owner is not None:
        own = owner.GetOptions()
        if own.HasExtension(resource_pb2.resource):
            return str(own.Extensions[resource_pb2.resource].type)
    return ""


def _resource_patterns(methods: Iterable[Method]) -> dict[str, str]:
    """The patterns that requests ask of the names of each type of resource."""
    patterns: dict[str, str] = {}
    for method in methods:
        for field in method.descriptor.input_type.fields:
            kind, pattern = _resource_type(field), pattern_of(field)
            if kind and pattern:
                patterns.setdefault(kind, pattern)
    return patterns
