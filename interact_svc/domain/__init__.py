"""What a console is, without any wire."""
