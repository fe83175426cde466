"""Adapters of TrustStore."""
