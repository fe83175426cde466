"""The public keys as a document, for programs that check tokens themselves."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from user_svc.domain.trust import SigningKey

_CACHE_SECONDS = 60
"""No longer than a new key is published before it signs."""


def key_document(published: Callable[[], Sequence[SigningKey]]) -> Route:
    """The route of `GET /.well-known/jwks.json` (RFC 7517, RFC 8037).

    Args:
        published: the keys whose tokens may still live.
    """

    async def serve(_: Request) -> JSONResponse:
        keys = [
            {
                "kty": "OKP",
                "crv": "Ed25519",
                "alg": "Ed25519",
                "use": "sig",
                "kid": key.id,
                "x": base64.urlsafe_b64encode(key.public_key).rstrip(b"=").decode(),
            }
            for key in published()
        ]
        return JSONResponse(
            {"keys": keys}, headers={"cache-control": f"public, max-age={_CACHE_SECONDS}"}
        )

    return Route("/.well-known/jwks.json", serve, methods=["GET"])
