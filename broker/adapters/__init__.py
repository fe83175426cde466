"""The ports of this service on real technologies: one folder per port, one file per technology."""
