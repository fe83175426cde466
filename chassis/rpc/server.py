"""gRPC servers over the chain."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc
from grpc_reflection.v1alpha._async import ReflectionServicer

from chassis.faults import Fault, Invalid, Unauthenticated, Unavailable
from chassis.identity.certificates import EDGE, Certificates, service_in
from chassis.rpc.addresses import Network, address_of, client_address, is_trusted
from chassis.rpc.call import Call, shaved
from chassis.rpc.chain import Chain
from chassis.rpc.contract import Method, public_methods
from chassis.rpc.health import Health
from chassis.rpc.status import CODES, DETAILS_KEY, status_of
from chassis.telemetry import child_of

_MOST_INTERNAL_BYTES = 16 << 20
_DEFAULT_SECONDS = 30.0
_CONNECTION_AGE_MS = 30_000
_FORWARDED = "x-forwarded-for"
# A client waits less than this between its own attempts.
_OWN_PAUSE_SECONDS = 0.2
_PUSHBACK_KEY = "grpc-retry-pushback-ms"


@dataclass(frozen=True, slots=True)
class Entrance:
    """How calls come in at one listener.

    Attributes:
        certificates: of the process; callers must show one too. None for a listener without TLS.
        trusted_proxies: the networks of proxies whose `x-forwarded-for` is believed.
        most_bytes: of a request from outside.
    """

    certificates: Certificates | None = None
    trusted_proxies: tuple[Network, ...] = ()
    most_bytes: int = _MOST_INTERNAL_BYTES


class _Dispatch(grpc.GenericRpcHandler):
    """Finds the handler of a method; handlers are made once."""

    def __init__(self, chain: Chain, methods: Sequence[Method], entrance: Entrance) -> None:
        self._handlers = {method.path: _handler(chain, method, entrance) for method in methods}

    def service(self, handler_call_details: Any) -> Any:
        """The handler of the method that is called; None where there is none."""
        return self._handlers.get(handler_call_details.method)


class RpcServer:
    """One listener: for everybody, for this process's own services, or, with TLS, for both.

    With TLS every caller shows a certificate, which says what it may call: the edge what is public, a
    service what the contract names it for.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        address: str,
        internal: bool,
        max_request_bytes: int,
        certificates: Certificates | None = None,
        trusted_proxies: tuple[Network, ...] = (),
    ) -> None:
        """Prepares a server; it listens from `start` on.

        Args:
            chain: serves the calls.
            address: `host:port` (port 0 for any) or `unix:path`.
            internal: whether internal methods are served too.
            max_request_bytes: larger requests from outside are refused with RESOURCE_EXHAUSTED.
            certificates: of this process, for TLS; followed while it runs.
            trusted_proxies: networks of proxies whose `x-forwarded-for` is believed.
        """
        methods = [m for m in chain.methods() if internal or m.is_public]
        self._said = {"", *(m.service for m in methods)}
        most = _MOST_INTERNAL_BYTES if internal else max_request_bytes
        options = [
            ("grpc.so_reuseport", 0),
            ("grpc.max_receive_message_length", most),
            ("grpc.max_send_message_length", _MOST_INTERNAL_BYTES),
            ("grpc.max_metadata_size", 32 << 10),
            ("grpc.keepalive_time_ms", 60_000),
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ]
        if certificates is not None:
            # Clients look for new replicas, and show new certificates, when they connect anew. Calls
            # that go on keep their connection for as long as they last.
            options.append(("grpc.max_connection_age_ms", _CONNECTION_AGE_MS))
        self._server = grpc.aio.server(options=options)
        entrance = Entrance(certificates, trusted_proxies, max_request_bytes)
        self._server.add_generic_rpc_handlers((_Dispatch(chain, methods, entrance),))
        self._health = Health()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server(
            _Reflection(methods, entrance), self._server
        )
        if certificates is None:
            self.port = self._server.add_insecure_port(address)
        else:
            self.port = self._server.add_secure_port(address, _server_credentials(certificates))

    async def start(self) -> None:
        """Begins to listen; health says NOT_SERVING."""
        await self.set_ready(())
        await self._server.start()

    async def set_ready(self, services: Collection[str]) -> None:
        """Says through health to which services calls shall come.

        Args:
            services: by their full names of the contract and, for our own clients, their short ones,
                `user_svc`; all others are NOT_SERVING, and the server as a whole where none is given.
        """
        self._said |= set(services)
        self._health.say(
            {name: name in services or (not name and bool(services)) for name in self._said}
        )

    async def stop(self, grace_seconds: float) -> None:
        """Takes no new call, and ends those that have not ended after the grace."""
        self._health.end()
        await self._server.stop(grace_seconds)


class _Reflection:
    """Lists the public services to everybody, and to our own services all that are served."""

    def __init__(self, methods: Sequence[Method], entrance: Entrance) -> None:
        always = [
            health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            reflection.SERVICE_NAME,
        ]
        public = {m.service for m in methods if m.is_public}
        if entrance.certificates is not None:
            # The edge asks one service about all of them.
            public = {m.service for m in public_methods()}
        self._outside = ReflectionServicer([*sorted(public), *always])
        self._inside = ReflectionServicer([*sorted({m.service for m in methods}), *always])
        self._entrance = entrance

    async def ServerReflectionInfo(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """As the reflection protocol says."""
        from_edge = self._entrance.certificates and _caller_service(context) == EDGE
        chosen = self._outside if from_edge else self._inside
        async for response in chosen.ServerReflectionInfo(requests, context):
            yield response


def _server_credentials(certificates: Certificates) -> grpc.ServerCredentials:
    """Credentials that follow the folder; gRPC asks for them at each handshake."""
    last = certificates.current()

    def configured() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration(
            [(last.key, last.chain)], root_certificates=last.authorities
        )

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        current = certificates.current()
        if current is last:
            return None
        last = current
        return configured()

    return grpc.dynamic_ssl_server_credentials(
        configured(),
        fetch,  # type: ignore[arg-type]  # None for no change is documented, and not in the types
        require_client_authentication=True,
    )


def _handler(chain: Chain, method: Method, entrance: Entrance) -> Any:
    if method.takes_stream:
        return grpc.stream_unary_rpc_method_handler(_taking(chain, method, entrance))
    if method.streams:
        return grpc.unary_stream_rpc_method_handler(_streaming(chain, method, entrance))
    return grpc.unary_unary_rpc_method_handler(_unary(chain, method, entrance))


def _unary(chain: Chain, method: Method, entrance: Entrance) -> Callable[[bytes, Any], Any]:
    parse = method.request.FromString

    async def serve(raw: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        try:
            call = _call(method, context, entrance)
            await _refuse_large(call, context, entrance, raw)
            answer = await chain.unary(call, _parsed(parse, raw))
        except Fault as fault:
            await _abort(context, fault)
            raise
        if call.response_headers:
            await context.send_initial_metadata(_headers(call))
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    return serve


def _streaming(chain: Chain, method: Method, entrance: Entrance) -> Callable[[bytes, Any], Any]:
    parse = method.request.FromString

    async def serve(
        raw: bytes, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        answers = None
        try:
            call = _call(method, context, entrance)
            await _refuse_large(call, context, entrance, raw)
            answers = chain.stream(call, _parsed(parse, raw))
            is_first = True
            async for answer in answers:
                if is_first and call.response_headers:
                    await context.send_initial_metadata(_headers(call))
                is_first = False
                yield answer if isinstance(answer, bytes) else answer.SerializeToString()
        except Fault as fault:
            await _abort(context, fault)
            raise
        finally:
            if answers is not None:
                await answers.aclose()  # type: ignore[attr-defined]

    return serve


def _taking(chain: Chain, method: Method, entrance: Entrance) -> Callable[[Any, Any], Any]:
    parse = method.request.FromString

    async def serve(
        raws: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> bytes:
        async def requests(call: Call) -> AsyncIterator[Message]:
            async for raw in raws:
                await _refuse_large(call, context, entrance, raw)
                yield _parsed(parse, raw)

        try:
            call = _call(method, context, entrance)
            answer = await chain.intake(call, requests(call))
        except Fault as fault:
            await _abort(context, fault)
            raise
        if call.response_headers:
            await context.send_initial_metadata(_headers(call))
        return answer if isinstance(answer, bytes) else answer.SerializeToString()

    return serve


def _parsed(parse: Callable[[bytes], Message], raw: bytes) -> Message:
    try:
        return parse(raw)
    except DecodeError:
        raise Invalid("The request is not a message of the type that the method takes.") from None


async def _refuse_large(
    call: Call, context: grpc.aio.ServicerContext[Any, Any], entrance: Entrance, raw: bytes
) -> None:
    """Refuses what is too large from outside, as gRPC itself does where all callers are outside."""
    if call.certificate == EDGE and len(raw) > entrance.most_bytes:
        said = f"The request is larger than {entrance.most_bytes} bytes; send less at once."
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, said)


def _call(method: Method, context: grpc.aio.ServicerContext[Any, Any], entrance: Entrance) -> Call:
    """The call that has come in.

    Raises:
        Unauthenticated: the caller's certificate names no service.
    """
    metadata = {
        key: value if isinstance(value, str) else ""
        for key, value in context.invocation_metadata() or ()
    }
    remaining = context.time_remaining()
    if remaining is None or remaining > 1e9:
        remaining = math.inf if method.streams or method.takes_stream else _DEFAULT_SECONDS
    certificate = _caller_service(context) if entrance.certificates is not None else None
    return Call(
        method=method,
        metadata=metadata,
        address=_address(context.peer(), metadata, entrance, certificate),
        # A little less than the caller waits, so that it hears which service was slow.
        deadline=time.monotonic() + shaved(remaining),
        protocol="grpc",
        certificate=certificate,
        trace=child_of(metadata.get("traceparent")),
    )


def _caller_service(context: Any) -> str:
    """The service in the caller's certificate, or `edge`.

    Raises:
        Unauthenticated: it names none.
    """
    for uri in context.auth_context().get("peer_spiffe_id", ()):
        service = service_in(uri.decode("ascii", "replace"))
        if service:
            return service
    raise Unauthenticated("The certificate of the caller names no service of the allocator.")


def _address(
    peer: str, metadata: dict[str, str], entrance: Entrance, certificate: str | None
) -> str:
    """The address of whoever called first; what cannot be believed of it is taken out."""
    address = address_of(peer)
    forwarded = metadata.get(_FORWARDED)
    if forwarded is None:
        return address
    by_edge = certificate == EDGE
    if not by_edge and not is_trusted(address, entrance.trusted_proxies):
        del metadata[_FORWARDED]
        return address
    return client_address(address, forwarded, entrance.trusted_proxies, by_edge=by_edge)


def _headers(call: Call) -> tuple[tuple[str, str], ...]:
    # A cookie is HTTP's; a gRPC client has the token in its answer.
    return tuple((k.lower(), v) for k, v in call.response_headers if k.lower() != "set-cookie")


async def _abort(context: grpc.aio.ServicerContext[Any, Any], fault: Fault) -> None:
    trailing: list[tuple[str, str | bytes]] = [(DETAILS_KEY, status_of(fault).SerializeToString())]
    if isinstance(fault, Unavailable) and (fault.retry_after or 0) > _OWN_PAUSE_SECONDS:
        # What is away for longer is not tried again by gRPC itself, which would only add to it.
        trailing.append((_PUSHBACK_KEY, "-1"))
    await context.abort(CODES[fault.kind], fault.message, tuple(trailing))
