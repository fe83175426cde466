"""One HTTP rule of a method, compiled: builds the method's requests from what came by HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from google.api import field_behavior_pb2, http_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from chassis.faults import FieldViolation, Invalid
from chassis.rest.constraints import is_for_input
from chassis.rest.decoding import field_named, parse_json, read_message
from chassis.rest.problem import MediaTypeUnsupported, PreconditionFailed
from chassis.rest.query import find_field, is_settable, read_query, set_from_text
from chassis.rest.templates import Template, parse_template
from chassis.rest.uploads import upload_field
from chassis.rpc.contract import ContractBroken, Method

RAW_BODY = "google.api.HttpBody"
"""The message type that carries any media type as it is."""

_UNCHANGEABLE = {field_behavior_pb2.OUTPUT_ONLY, field_behavior_pb2.IDENTIFIER}
_ETAG = re.compile(r'(?:W/)?"([\x21\x23-\x7e]*)"')
_JSON = re.compile(r"application/(?:json|[a-z0-9.!#$&^_-]+\+json)(?:\s*;.*)?", re.IGNORECASE)
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([^\";\s]+)", re.IGNORECASE)


class Binding:
    """How one HTTP method and path reach a method of a service.

    Attributes:
        method: the method.
        http_method: `GET`.
        template: the path.
        body_field: the field that the body is; None where the body is the whole request, or none.
        body_is_all: whether the body is the whole request.
        response_field: the field of the response that is the answer; None for the whole response.
        is_raw: whether the answer is a `google.api.HttpBody`.
        upload_field: the field that pieces of the body are, where the method takes a stream; else empty.
    """

    def __init__(self, method: Method, rule: http_pb2.HttpRule) -> None:
        """Compiles a rule.

        Raises:
            ContractBroken: it names fields that the request or the response does not have.
        """
        self.method = method
        self.http_method, path = verb_and_path(rule, method)
        self.template: Template = parse_template(path)
        request = method.descriptor.input_type
        self.body_is_all = rule.body == "*"
        self.body_field = _named(request, rule.body, method) if rule.body not in ("", "*") else None
        response = method.descriptor.output_type
        self.response_field = (
            _named(response, rule.response_body, method) if rule.response_body else None
        )
        self.is_raw = response.full_name == RAW_BODY and self.response_field is None
        self._path_fields: dict[str, list[FieldDescriptor]] = {}
        for variable in self.template.variables:
            fields = find_field(request, variable.field_path)
            if fields is None or fields[-1].is_repeated or not is_settable(fields):
                raise ContractBroken(
                    f"{method.path}: the path cannot set the field {variable.field_path!r}"
                )
            self._path_fields[variable.field_path] = fields
        self._taken = set(self._path_fields)
        if self.body_field is not None:
            self._taken.add(self.body_field.name)
        self._body_is_raw = self._is_raw_body(request)
        self.upload_field = (
            upload_field(method, rule.body.strip("*") or None, is_raw=self._body_is_raw)
            if method.takes_stream
            else ""
        )
        self._request_id = _text_field(request, "request_id")
        self._etag_path = self._find_etag(request)
        mask = request.fields_by_name.get("update_mask")
        self._infers_mask = (
            self.http_method == "PATCH"
            and self.body_field is not None
            and mask is not None
            and mask.message_type is not None
            and mask.message_type.full_name == "google.protobuf.FieldMask"
        )

    @property
    def takes_body(self) -> bool:
        """Whether the rule says what a body is."""
        return self.body_is_all or self.body_field is not None

    def query_fields(self) -> Iterator[tuple[str, FieldDescriptor]]:
        """The fields that a query may say, with their paths in JSON names, one level into objects."""
        if self.body_is_all:
            return
        for field in self.method.descriptor.input_type.fields:
            if field.name in self._taken or is_for_input(field):
                continue
            if is_settable([field]):
                yield field.json_name, field
            elif field.message_type is not None and not field.is_repeated:
                for inner in field.message_type.fields:
                    if is_settable([inner]) and f"{field.name}.{inner.name}" not in self._taken:
                        yield f"{field.json_name}.{inner.json_name}", inner

    def path_field(self, field_path: str) -> FieldDescriptor:
        """The field that a variable of the path sets."""
        return self._path_fields[field_path][-1]

    @property
    def has_etag(self) -> bool:
        """Whether `If-Match` means something to the method."""
        return self._etag_path is not None

    @property
    def has_request_id(self) -> bool:
        """Whether `Idempotency-Key` means something to the method."""
        return self._request_id

    def build(
        self, values: Mapping[str, str], query: bytes, headers: Mapping[str, str], body: bytes
    ) -> Message:
        """Builds a request.

        Args:
            values: what the path says, by the path of the field.
            query: as it was sent, without the question mark.
            headers: names in lower case.
            body: may be empty.

        Raises:
            Invalid: something does not fit the contract; each field is named.
            MediaTypeUnsupported: the body is not JSON.
        """
        message = self.method.request()
        keys: Iterable[str] = ()
        if body:
            keys = self._read_body(message, headers.get("content-type", ""), body)
        if query:
            read_query(message, query, self._taken, body_is_all=self.body_is_all)
        for path, text in values.items():
            fields = self._path_fields[path]
            self._clear(message, fields)
            set_from_text(message, fields, text, (path,))
        if self._infers_mask and body and not message.HasField("update_mask"):
            self._infer_mask(message, keys)
        if self._request_id and "idempotency-key" in headers:
            self._apply_key(message, headers["idempotency-key"])
        if "if-match" in headers:
            self._apply_condition(message, headers["if-match"])
        return message

    def _read_body(self, message: Message, media_type: str, body: bytes) -> Iterable[str]:
        """Reads the body, and answers with the names of its top-level keys."""
        if not self.takes_body:
            raise Invalid("The request is not valid: this method takes no body.")
        target: Any = message
        if self.body_field is not None:
            target = getattr(message, self.body_field.name)
        if self._body_is_raw:
            target.content_type = media_type
            target.data = body
            return ()
        charset = _CHARSET.search(media_type)
        if not _JSON.fullmatch(media_type.strip()) or (
            charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")
        ):
            given = media_type or "without a media type"
            raise MediaTypeUnsupported(
                f"The body came as {given!r}; send it as application/json.", given=media_type
            )
        value = parse_json(body)
        if self.body_field is None:
            read_message(message, value)
        elif self.body_field.message_type is not None and not self.body_field.is_repeated:
            read_message(target, value, (self.body_field.name,))
        else:
            read_message(message, {self.body_field.name: value})
        return value if isinstance(value, dict) else ()

    def _infer_mask(self, message: Message, keys: Iterable[str]) -> None:
        """AIP-134: without a mask, what is changed is what the body names."""
        assert self.body_field is not None
        assert self.body_field.message_type is not None
        paths = []
        for key in keys:
            field = field_named(self.body_field.message_type, key)
            if field is None or field.name in ("name", "etag"):
                continue
            behaviors = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
            if _UNCHANGEABLE.isdisjoint(behaviors):
                paths.append(field.name)
        cast("Any", message).update_mask.paths.extend(paths)

    @staticmethod
    def _apply_key(message: Message, key: str) -> None:
        request: Any = message
        key = key.strip().strip('"')
        if not key or request.request_id not in ("", key):
            raise Invalid(
                "The request is not valid: Idempotency-Key is empty, or not the request_id.",
                fields=[FieldViolation("request_id", "is not what Idempotency-Key says")],
            )
        request.request_id = key

    def _apply_condition(self, message: Message, condition: str) -> None:
        if condition.strip() == "*":
            return
        if self._etag_path is None:
            if self.http_method == "GET":
                return
            raise Invalid("The request is not valid: this method has no etag for If-Match.")
        found = _ETAG.fullmatch(condition.strip())
        if found is None or not found[1]:
            raise Invalid('The request is not valid: give If-Match one etag in quotes, or "*".')
        target: Any = message
        for name in self._etag_path[:-1]:
            target = getattr(target, name)
        if target.etag not in ("", found[1]):
            raise PreconditionFailed("If-Match and the etag in the request differ; read it again.")
        target.etag = found[1]

    @staticmethod
    def _clear(message: Message, fields: list[FieldDescriptor]) -> None:
        """Forgets what the body says of a field of the path: the path is what counts."""
        parent: Any = message
        for field in fields[:-1]:
            if not parent.HasField(field.name):
                return
            parent = getattr(parent, field.name)
        parent.ClearField(fields[-1].name)

    def _is_raw_body(self, request: Descriptor) -> bool:
        if self.body_is_all:
            return request.full_name == RAW_BODY
        field = self.body_field
        return (
            field is not None
            and field.message_type is not None
            and field.message_type.full_name == RAW_BODY
        )

    def _find_etag(self, request: Descriptor) -> list[str] | None:
        if _text_field(request, "etag"):
            return ["etag"]
        field = self.body_field
        # What is being created has no etag that a caller could know.
        if field is None or field.message_type is None or self.http_method == "POST":
            return None
        return [field.name, "etag"] if _text_field(field.message_type, "etag") else None


def bindings_of(method: Method) -> Iterator[Binding]:
    """The bindings of a public method: its own rule and the additional ones.

    Raises:
        ContractBroken: a rule is not as it must be.
    """
    if method.http is None:
        return
    yield Binding(method, method.http)
    for rule in method.http.additional_bindings:
        yield Binding(method, rule)


def verb_and_path(rule: http_pb2.HttpRule, method: Method) -> tuple[str, str]:
    """The HTTP method and the path template of a rule.

    Raises:
        ContractBroken: the rule has none.
    """
    pattern = rule.WhichOneof("pattern")
    if pattern is None:
        raise ContractBroken(f"{method.path} has an HTTP rule without a path")
    if pattern == "custom":
        return rule.custom.kind, rule.custom.path
    return pattern.upper(), str(getattr(rule, pattern))


def _named(descriptor: Descriptor, name: str, method: Method) -> FieldDescriptor:
    field = descriptor.fields_by_name.get(name)
    if field is None:
        raise ContractBroken(f"{method.path}: {descriptor.full_name} has no field {name!r}")
    return field


def _text_field(descriptor: Descriptor, name: str) -> bool:
    field = descriptor.fields_by_name.get(name)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated
