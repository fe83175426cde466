"""What the broker keeps, and how it fails. Pure Python."""
