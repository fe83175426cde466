"""Tells people what happens to them: at present by e-mail."""
