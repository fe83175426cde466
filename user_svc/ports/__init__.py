"""What the use cases need from outside.

The docstrings are the contract that the conformance tests check on every adapter.
"""
