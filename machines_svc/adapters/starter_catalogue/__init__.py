"""The machines that a new installation begins with."""
