"""The topics that hold the present state of everything."""
