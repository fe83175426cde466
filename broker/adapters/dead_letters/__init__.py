"""Where dead letters are."""
