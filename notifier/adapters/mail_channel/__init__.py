"""Adapters of MailChannel."""
