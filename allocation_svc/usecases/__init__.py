"""One file per capability."""
