"""Deliveries and mails, in pure Python."""
