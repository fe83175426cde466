"""Asking allocation_svc."""
