"""What a machine is, what it may say of itself, and how it changes. Pure Python."""
