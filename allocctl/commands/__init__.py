"""The commands, a file per thing that they are about."""
