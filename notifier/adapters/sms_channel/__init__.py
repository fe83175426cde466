"""Adapters of SmsChannel."""
