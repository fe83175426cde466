"""What the use cases need from outside; the docstrings are what the conformance tests check."""
