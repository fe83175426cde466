"""Who has rented what."""
