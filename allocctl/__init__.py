"""The command line of the allocator: runs it, and rents from it."""
