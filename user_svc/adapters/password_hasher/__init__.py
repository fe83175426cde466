"""Adapters of PasswordHasher."""
