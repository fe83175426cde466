"""What may be said: any text that shows something. Markdown is made safe by whoever shows it."""

from __future__ import annotations

from chassis.faults import FieldViolation, Invalid


def check_wording(text: str, field: str) -> None:
    """Makes sure that a text shows something; the contract sees to its length and its characters.

    Raises:
        Invalid: it is nothing but space.
    """
    if not text.strip():
        message = "Say something: there is nothing in it but space."
        raise Invalid(message, fields=[FieldViolation(field, message)])
