"""The contract of this service, mapped to its use cases and back."""
