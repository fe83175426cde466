"""Calls: what each goes through, the gRPC servers that take them, the channels that make them.

Every call, by gRPC or HTTP, enters one chain: identity, permission, deadline, validation, faults,
telemetry. Only this room and `chassis.rest` name status codes.
"""

from chassis.rpc.call import Call, current_call
from chassis.rpc.chain import Chain
from chassis.rpc.client import PeerChannel, ask, follow, send
from chassis.rpc.contract import ContractBroken, Method, bind

__all__ = [
    "Call",
    "Chain",
    "ContractBroken",
    "Method",
    "PeerChannel",
    "ask",
    "bind",
    "current_call",
    "follow",
    "send",
]
