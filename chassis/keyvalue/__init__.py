"""A key-value server that replicas share: what makes limits count together and caches warm together.

Nothing lives in it alone. Whoever uses it goes on without it.
"""
