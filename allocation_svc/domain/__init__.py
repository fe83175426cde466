"""Pure Python: what an allocation is, how it may change, and what is to be done next about it."""
