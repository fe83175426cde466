"""The wire: WebSocket and gRPC."""
