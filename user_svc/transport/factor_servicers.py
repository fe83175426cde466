"""AccessTokenService and TotpService of allocator.users.v1, from the wire to the use cases."""

from __future__ import annotations

from datetime import datetime

from allocator.users.v1 import access_token_pb2, access_token_service_pb2, totp_service_pb2
from google.protobuf.empty_pb2 import Empty

from chassis.clock import instant_of
from chassis.listing import page_of
from chassis.rpc import Call
from user_svc.domain.names import id_of
from user_svc.transport.pages import token_after
from user_svc.transport.session_mapping import access_token_message, totp_message
from user_svc.usecases.access_tokens import AccessTokens
from user_svc.usecases.second_factor import Proof, SecondFactor

_KEY = (datetime, str)


class AccessTokenServicer:
    """allocator.users.v1.AccessTokenService."""

    def __init__(self, tokens: AccessTokens) -> None:
        """Takes the use case."""
        self._tokens = tokens

    async def CreateAccessToken(
        self, request: access_token_service_pb2.CreateAccessTokenRequest, call: Call
    ) -> access_token_pb2.AccessToken:
        """Makes one."""
        asked = request.access_token
        end = (
            instant_of(asked.expire_time.ToMilliseconds())
            if asked.HasField("expire_time")
            else None
        )
        token, text = await self._tokens.create(call.caller, asked.title, asked.scopes, end)
        return access_token_message(token, text)

    async def ListAccessTokens(
        self, request: access_token_service_pb2.ListAccessTokensRequest, call: Call
    ) -> access_token_service_pb2.ListAccessTokensResponse:
        """Lists those that have not ended."""
        page = page_of(request.page_size, request.page_token, call.caller.user, key=_KEY)
        found = await self._tokens.list_live(call.caller, page.after, page.size + 1)
        return access_token_service_pb2.ListAccessTokensResponse(
            access_tokens=[access_token_message(one) for one in found[: page.size]],
            next_page_token=token_after(found, page, call.caller.user),
        )

    async def DeleteAccessToken(
        self, request: access_token_service_pb2.DeleteAccessTokenRequest, call: Call
    ) -> Empty:
        """Ends one."""
        await self._tokens.delete(call.caller, id_of(request.name))
        return Empty()


class TotpServicer:
    """allocator.users.v1.TotpService."""

    def __init__(self, second_factor: SecondFactor) -> None:
        """Takes the use case."""
        self._second_factor = second_factor

    async def GetTotp(
        self, request: totp_service_pb2.GetTotpRequest, call: Call
    ) -> totp_service_pb2.Totp:
        """Says how far the second factor is."""
        name = request.name.removesuffix("/totp")
        return totp_message(*await self._second_factor.read(call.caller, name))

    async def EnrollTotp(
        self, request: totp_service_pb2.EnrollTotpRequest, call: Call
    ) -> totp_service_pb2.EnrollTotpResponse:
        """Makes a secret."""
        made = await self._second_factor.enroll(call.caller, request.name, request.password)
        return totp_service_pb2.EnrollTotpResponse(
            secret=made.secret, uri=made.uri, qr_svg=made.qr_svg
        )

    async def ConfirmTotp(
        self, request: totp_service_pb2.ConfirmTotpRequest, call: Call
    ) -> totp_service_pb2.ConfirmTotpResponse:
        """Makes the second factor active."""
        codes = await self._second_factor.confirm(call.caller, request.name, request.totp_code)
        return totp_service_pb2.ConfirmTotpResponse(recovery_codes=codes)

    async def RemoveTotp(self, request: totp_service_pb2.RemoveTotpRequest, call: Call) -> Empty:
        """Removes the second factor."""
        proof = Proof(request.password, request.totp_code, request.recovery_code)
        await self._second_factor.remove(call.caller, request.name, proof)
        return Empty()
