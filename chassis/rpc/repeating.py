"""Which methods may be called again, by whoever has heard nothing, without asking what happened."""

from __future__ import annotations

import re
from functools import cache

from google.protobuf import descriptor_pb2, descriptor_pool

_READS = re.compile("(Get|List|Watch|Read|Follow|Inspect)[A-Z]")


@cache
def is_repeatable(path: str) -> bool:
    """Whether a second call of a method does no harm.

    It does none where the contract says so by `idempotency_level`, and where the method only reads,
    which its name says (AIP-131, 132: Get, List; ours: Watch, Read, Follow, Inspect).

    Args:
        path: of the method, `/allocator.machines.v1.MachineService/GetMachine`.
    """
    service, _, name = path.strip("/").rpartition("/")
    try:
        method = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return False
    level = method.GetOptions().idempotency_level
    unknown = descriptor_pb2.MethodOptions.IDEMPOTENCY_UNKNOWN
    return bool(level != unknown or _READS.match(name))
