"""The catalogue: the machines that can be rented."""
