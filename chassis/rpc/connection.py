"""A gRPC channel to a peer, and the calls that are on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Any

import grpc

from chassis.identity.certificates import Certificate

_MOST_BYTES = 16 << 20
_OPTIONS = (
    ("grpc.max_receive_message_length", _MOST_BYTES),
    ("grpc.max_send_message_length", _MOST_BYTES),
    # Peers start in any order: look again soon, not after a minute.
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.use_local_subchannel_pool", 1),
)
_REMOTE_OPTIONS = (
    # A replica that was switched off says nothing: how long a connection may take, and a silence.
    ("grpc.min_reconnect_backoff_ms", 2000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Servers end connections by themselves, so that the name is asked for again; not each time, though.
    ("grpc.dns_min_time_between_resolutions_ms", 2000),
    # The name server has only addresses for us.
    ("grpc.service_config_disable_resolution", 1),
)
_BALANCE: list[dict[str, dict[str, str]]] = [{"round_robin": {}}]
# As many tries as come to half a second of pauses. One in ten calls may be one of them, in the long run.
_RETRY = {
    "maxAttempts": 4,
    "initialBackoff": "0.05s",
    "maxBackoff": "0.4s",
    "backoffMultiplier": 2,
    # A server that stops cancels what it had taken from the wire and not begun; ours never says it else.
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
_RETRY_BUDGET = {"maxTokens": 20, "tokenRatio": 0.1}


class Connection:
    """A channel, whose certificate and policy never change, and how many calls are on it."""

    def __init__(
        self,
        peer: str,
        target: str,
        certificate: Certificate | None,
        repeatable: Collection[str] | None,
    ) -> None:
        """Opens lazily.

        Args:
            peer: the service at the other end.
            target: its gRPC target.
            certificate: ours; None for no TLS.
            repeatable: the paths of methods that may be tried again; None for a peer in this process,
                which needs no policy at all.
        """
        self.certificate = certificate
        options: list[tuple[str, Any]] = [*_OPTIONS]
        if repeatable is not None:
            options += [*_REMOTE_OPTIONS, ("grpc.service_config", _policy(peer, repeatable))]
        if certificate is None:
            self.channel = grpc.aio.insecure_channel(target, options=options)
        else:
            credentials = grpc.ssl_channel_credentials(
                certificate.authorities, certificate.key, certificate.chain
            )
            options.append(("grpc.ssl_target_name_override", peer))
            self.channel = grpc.aio.secure_channel(target, credentials, options=options)
        self._calls = 0
        self._when_idle: Callable[[], object] | None = None

    def began(self, call: Any) -> None:
        """A call is on it, until it ends."""
        self._calls += 1
        call.add_done_callback(self._ended)

    def when_idle(self, then: Callable[[], object]) -> None:
        """Calls a function once no call is on it."""
        self._when_idle = then
        if not self._calls:
            then()

    async def close(self) -> None:
        """Ends what is on it."""
        await self.channel.close()

    def _ended(self, _call: Any) -> None:
        self._calls -= 1
        if not self._calls and self._when_idle is not None:
            self._when_idle()


def _policy(peer: str, repeatable: Collection[str]) -> str:
    """How calls to a peer with replicas are spread and repeated, as gRPC reads it."""
    policy: dict[str, Any] = {
        "loadBalancingConfig": _BALANCE,
        "healthCheckConfig": {"serviceName": peer},
        "retryThrottling": _RETRY_BUDGET,
    }
    if repeatable:
        names = [path.strip("/").rpartition("/") for path in sorted(repeatable)]
        policy["methodConfig"] = [
            {
                "name": [{"service": service, "method": method} for service, _, method in names],
                "retryPolicy": _RETRY,
            }
        ]
    return json.dumps(policy)
