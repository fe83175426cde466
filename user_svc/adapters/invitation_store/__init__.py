"""Adapters of InvitationStore."""
