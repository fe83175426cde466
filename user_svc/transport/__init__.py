"""How user_svc is reached."""
