"""What user_svc can do, one file per capability."""
