"""How notifier is reached."""
