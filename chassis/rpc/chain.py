"""What every call goes through, whichever way it came in."""

from __future__ import annotations

import asyncio
import math
import secrets
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any, Protocol

import protovalidate
from allocator.access.v1 import access_pb2
from google.protobuf.message import Message

from chassis.faults import (
    Cancelled,
    DeadlineExceeded,
    Fault,
    FieldViolation,
    Forbidden,
    Internal,
    Invalid,
    Unauthenticated,
    Unavailable,
    Unimplemented,
)
from chassis.identity.caller import NOBODY, Caller
from chassis.identity.certificates import EDGE
from chassis.rpc.call import Call, current_call
from chassis.rpc.client import SERVICE_TOKEN_KEY
from chassis.rpc.contract import Method, bind
from chassis.telemetry import log, log_often, observe_call, trace_id

Rule = access_pb2.Rule


class Verifier(Protocol):
    """What the chain needs to know who calls; `chassis.identity` provides it."""

    def verify(self, token: str) -> Caller:
        """The person whose access token it is.

        Raises:
            Unauthenticated: the token is not good, has ended, or is revoked.
            Unavailable: the keys are not known yet.
        """

    def verify_service(self, token: str) -> str:
        """The service whose service token it is.

        Raises:
            Unauthenticated: the token is not good or has ended.
        """

    def is_fresh(self) -> bool:
        """Whether the source of revocations was heard within 30 seconds."""


class TokenMissing(Unauthenticated):
    """There is no access token."""

    reason = "TOKEN_MISSING"


class NotVerified(Forbidden):
    """The method is for people whose address is verified."""

    reason = "USER_NOT_VERIFIED"


class ScopeMissing(Forbidden):
    """The personal access token lacks a scope."""

    reason = "SCOPE_MISSING"


class SessionNeeded(Forbidden):
    """A personal access token does not do for the method."""

    reason = "SESSION_NEEDED"


class TrustStale(Unavailable):
    """It is not known at present which tokens are revoked."""

    reason = "TRUST_STALE"


class Chain:
    """Identity, permission, validation, deadline, the service itself, faults, telemetry."""

    def __init__(self, servicers: Mapping[str, object], verifier: Verifier) -> None:
        """Binds every method to the function that serves it.

        Args:
            servicers: the object that serves each service, by its full name.
            verifier: tells who calls.

        Raises:
            ContractBroken: a method lacks a rule or a function.
        """
        self._functions = {method.path: (method, serve) for method, serve in bind(servicers)}
        self._verifier = verifier
        self._log = log("chassis.rpc")

    def methods(self) -> Iterable[Method]:
        """Every method that is served, public and internal."""
        return [method for method, _ in self._functions.values()]

    def find(self, path: str) -> Method | None:
        """The method of a gRPC path; None where there is none."""
        found = self._functions.get(path)
        return found[0] if found else None

    async def unary(self, call: Call, request: Message) -> Message | bytes:
        """Serves a call that has one answer.

        Raises:
            Fault: the call has failed; every other exception is masked as one.
        """
        began = time.perf_counter()
        token = current_call.set(call)
        fault: Fault | None = None
        try:
            self._admit(call)
            validate(request)
            serve = self._functions[call.method.path][1]
            if call.deadline == math.inf:
                answer: Message | bytes = await serve(request, call)
            else:
                async with asyncio.timeout(call.remaining()):
                    answer = await serve(request, call)
            return answer
        except BaseException as error:
            fault = self._fault(call, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            if fault is error:
                raise
            raise fault from None
        finally:
            current_call.reset(token)
            self._summarise(call, fault, began)

    async def intake(self, call: Call, requests: AsyncIterator[Message]) -> Message | bytes:
        """Serves a call whose request is a stream, and that has one answer.

        Who calls, and whether they may, is found out before anything of the stream is read. The first
        message keeps the rules of the contract; those after it only carry on.

        Raises:
            Fault: the call has failed; every other exception is masked as one.
        """
        began = time.perf_counter()
        token = current_call.set(call)
        fault: Fault | None = None
        try:
            self._admit(call)
            serve = self._functions[call.method.path][1]
            seconds = None if call.deadline == math.inf else call.remaining()
            async with asyncio.timeout(seconds), aclosing(_first_checked(requests)) as checked:
                answer: Message | bytes = await serve(checked, call)
            return answer
        except BaseException as error:
            fault = self._fault(call, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            if fault is error:
                raise
            raise fault from None
        finally:
            current_call.reset(token)
            self._summarise(call, fault, began)

    async def stream(self, call: Call, request: Message) -> AsyncIterator[Message | bytes]:
        """Serves a call that is answered by a stream.

        Raises:
            Fault: the call has failed; every other exception is masked as one.
        """
        began = time.perf_counter()
        # No reset: an async generator may be closed in another context than it began in, and its
        # own task ends with it.
        current_call.set(call)
        fault: Fault | None = None
        try:
            self._admit(call)
            validate(request)
            serve = self._functions[call.method.path][1]
            async with aclosing(serve(request, call)) as answers:
                if call.deadline == math.inf:
                    async for answer in answers:
                        yield answer
                else:
                    async with asyncio.timeout(call.remaining()):
                        async for answer in answers:
                            yield answer
        except GeneratorExit:
            raise
        except BaseException as error:
            fault = self._fault(call, error)
            if fault is error or isinstance(error, asyncio.CancelledError):
                raise
            raise fault from None
        finally:
            self._summarise(call, fault, began)

    def _admit(self, call: Call) -> None:
        """Finds out who calls, and whether they may."""
        if call.certificate == EDGE and not call.method.is_public:
            raise Unimplemented("There is no such method.")
        call.caller = self._identify(call)
        self._permit(call.method.rule, call.caller)

    def _identify(self, call: Call) -> Caller:
        rule = call.method.rule
        bearer = call.metadata.get("authorization", "")
        person = NOBODY
        if bearer:
            scheme, _, token = bearer.partition(" ")
            if scheme.lower() != "bearer" or not token:
                raise Unauthenticated("Send the access token as `Authorization: Bearer <token>`.")
            try:
                person = self._verifier.verify(token.strip())
            except Unauthenticated:
                # Whoever renews a token that has ended still carries it.
                if rule.who != Rule.OPEN:
                    raise
        service = self._service(call)
        # Besides what it is named for, a service may do what anybody may, for the person whose token
        # it carries.
        allowed = service in rule.peers or (person.user and call.method.is_public)
        if call.certificate not in {None, EDGE} and not allowed:
            raise Forbidden(f"{service} may not call this method.")
        # On a public method, a peer that works for a person sees what the person may see.
        if service in rule.peers and (rule.who == Rule.PEER or not person.user):
            return replace(person, service=service)
        if person.scopes is not None and not (service or self._is_passed_on(call)):
            return self._within_scopes(call.method, person)
        return person

    def _within_scopes(self, method: Method, person: Caller) -> Caller:
        """Holds a personal access token to its scopes, where the call comes in from outside.

        What a service then asks others for, to do what was asked of it, needs no further scope.
        """
        if method.rule.who != Rule.OPEN:
            check_scope(method, person)
        elif not (person.has_scope(method.scope) and self._verifier.is_fresh()):
            # Anybody may call it: without the scope, the token counts as not sent.
            return NOBODY
        return person

    def _is_passed_on(self, call: Call) -> bool:
        """Whether a service of this process passes a person's call on."""
        proof = call.metadata.get(SERVICE_TOKEN_KEY, "") if call.certificate is None else ""
        return bool(proof and self._verifier.verify_service(proof))

    def _service(self, call: Call) -> str:
        """The service that calls; empty where none does, or where it would make no difference.

        Raises:
            Unauthenticated: its token is not good, or is not that of its certificate.
        """
        proof = call.metadata.get(SERVICE_TOKEN_KEY, "")
        if call.certificate is None:
            return self._verifier.verify_service(proof) if proof and call.method.rule.peers else ""
        if call.certificate == EDGE:
            # It passes on what came from outside, which speaks for no service.
            return ""
        service = self._verifier.verify_service(proof)
        if service != call.certificate:
            raise Unauthenticated(
                f"The service token is {service}'s, and the certificate {call.certificate}'s."
            )
        return service

    def _permit(self, rule: access_pb2.Rule, caller: Caller) -> None:
        if caller.service or rule.who == Rule.OPEN:
            return
        if rule.who == Rule.PEER:
            raise Forbidden("Only services of the allocator may call this method.")
        if not caller.user:
            raise TokenMissing("Log in, and send the access token as a bearer token.")
        if rule.who == Rule.ADMIN and not caller.is_admin:
            raise Forbidden("Only admins may do this.")
        if rule.who == Rule.VERIFIED and not (caller.verified or caller.is_admin):
            raise NotVerified("Verify your address with the code that was sent to it, first.")
        # An access token lives for so long that only revocations end it.
        if (
            rule.who == Rule.ADMIN
            or rule.needs_fresh_trust
            or caller.is_admin
            or caller.access_token
        ) and not self._verifier.is_fresh():
            raise TrustStale(
                "It is not known at present which tokens are revoked; try again in a few seconds.",
                retry_after=5.0,
            )

    def _fault(self, call: Call, error: BaseException) -> Fault:
        if isinstance(error, Fault):
            return error
        if isinstance(error, TimeoutError) and call.remaining() == 0:
            return DeadlineExceeded("The call took longer than its deadline; try again.")
        if isinstance(error, asyncio.CancelledError):
            return Cancelled("The caller has gone.")
        incident = secrets.token_hex(6)
        self._log.error(
            "call failed by a bug", method=call.method.path, incident=incident, exc_info=error
        )
        return Internal(
            f"Something went wrong here; tell an admin the incident id {incident}.",
            incident=incident,
        )

    def _summarise(self, call: Call, fault: Fault | None, began: float) -> None:
        seconds = time.perf_counter() - began
        outcome = "OK" if fault is None else fault.kind.value
        observe_call(call.method.path, call.protocol, outcome, seconds)
        line = {
            "method": call.method.path,
            "protocol": call.protocol,
            "ms": round(seconds * 1000, 2),
            "user": call.caller.user or call.caller.service,
            "trace": trace_id(call.trace),
        }
        if fault is not None:
            line["outcome"] = outcome
            line["reason"] = fault.reason
        log_often("chassis.rpc", "call", line)


async def _first_checked(requests: AsyncIterator[Message]) -> AsyncGenerator[Message, None]:
    """A stream of requests, of which the first has been checked.

    Raises:
        Invalid: it breaks the rules, or there is none.
    """
    is_first = True
    async for request in requests:
        if is_first:
            validate(request)
            is_first = False
        yield request
    if is_first:
        raise Invalid("The request is not valid: the stream ended before its first message.")


def check_scope(method: Method, caller: Caller) -> None:
    """Refuses a personal access token that is not for the method.

    Raises:
        SessionNeeded: no such token is.
        ScopeMissing: it lacks the scope, which is named.
    """
    if caller.scopes is None:
        return
    if method.rule.sessions_only:
        raise SessionNeeded("An access token cannot do this; log in, and send the session's token.")
    if method.scope and not caller.has_scope(method.scope):
        raise ScopeMissing(
            f"This access token lacks the scope {method.scope}; make one that has it.",
            scope=method.scope,
        )


def validate(request: Message) -> None:
    """Checks a message against the rules that stand in its contract.

    Raises:
        Invalid: it breaks them; each field is named.
    """
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        fields = [
            FieldViolation(_path(violation.proto.field), violation.proto.message or "is not valid")
            for violation in error.violations
        ]
        said = "; ".join(f"{one.field or 'request'}: {one.message}" for one in fields)
        raise Invalid(f"The request is not valid: {said}.", fields=fields) from None


def _path(field: Any) -> str:
    """A field's path as people write it: `machine.ports[0].number`."""
    parts: list[str] = []
    for element in field.elements if field is not None else ():
        subscript = element.subscript
        place = "" if subscript is None else f"[{subscript.value}]"
        parts.append(f"{element.field_name}{place}")
    return ".".join(parts)
