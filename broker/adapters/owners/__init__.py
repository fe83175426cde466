"""The owners of what the directory knows."""
