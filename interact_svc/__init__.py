"""Consoles: the live view of an allocation, over WebSocket, gRPC and server-sent events."""
