"""The ports' adapters: a folder per port, a file per technology."""
