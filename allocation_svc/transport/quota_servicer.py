"""QuotaService: from the wire to the use cases and back."""

from __future__ import annotations

from allocator.allocations.v1 import quota_pb2, quota_service_pb2

from allocation_svc.domain.capacity import AMOUNTS
from allocation_svc.transport.admission_mapping import quota_message
from allocation_svc.usecases.quotas import Quotas
from chassis.listing import chosen_fields, version_of
from chassis.rpc import Call

_ALL = "overrides"
_UPDATABLE = (_ALL, *(f"{_ALL}.{name}" for name in AMOUNTS))


class QuotaServicer:
    """Serves `allocator.allocations.v1.QuotaService`."""

    def __init__(self, quotas: Quotas) -> None:
        """Passes calls on to the use case."""
        self._quotas = quotas

    async def GetQuota(
        self, request: quota_service_pb2.GetQuotaRequest, call: Call
    ) -> quota_pb2.Quota:
        """Reads what a person may have, and has."""
        return quota_message(await self._quotas.one(call.caller, _owner(request.name)))

    async def UpdateQuota(
        self, request: quota_service_pb2.UpdateQuotaRequest, call: Call
    ) -> quota_pb2.Quota:
        """Sets what one person may have."""
        given = {field.name: limit for field, limit in request.quota.overrides.ListFields()}
        present = [f"{_ALL}.{name}" for name in given]
        chosen = chosen_fields(list(request.update_mask.paths), present, _UPDATABLE)
        changes = {
            name: given.get(name)
            for name in AMOUNTS
            if _ALL in chosen or f"{_ALL}.{name}" in chosen
        }
        return quota_message(
            await self._quotas.override(
                call.caller, _owner(request.quota.name), changes, version_of(request.quota.etag)
            )
        )


def _owner(name: str) -> str:
    return name.removesuffix("/quota")
