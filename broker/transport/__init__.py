"""The contract of this service, and the facts that it consumes, mapped to its use cases."""
