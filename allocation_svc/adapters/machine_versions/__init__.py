"""Which versions of machines can be rented."""
