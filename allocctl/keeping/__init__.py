"""Keeping an installation: migrations, backups, restores, and moving to other stores."""
