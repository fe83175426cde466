"""The values that people give to a machine's variables."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_letters, digits

from allocation_svc.domain.allocation import VariableValue
from allocation_svc.domain.faults import VariableInvalid, VariableMissing, VariableUnknown
from allocation_svc.domain.machine import Variable
from chassis.faults import FieldViolation

_ALPHABET = ascii_letters + digits

MOST_BYTES = 256 * 1024
"""How large the values of one allocation may be together: they are all handed to one program."""


def generated_values(variables: Sequence[Variable], given: Mapping[str, str]) -> dict[str, str]:
    """Values for the variables that have one made where none is given, by key.

    Args:
        variables: of the machine.
        given: the values by key; an empty one counts as not given.
    """
    return {
        v.key: "".join(secrets.choice(_ALPHABET) for _ in range(v.generated_length))
        for v in variables
        if v.generated_length and not given.get(v.key)
    }


def chosen_values(
    variables: Sequence[Variable], given: Mapping[str, str]
) -> tuple[tuple[VariableValue, ...], dict[str, str]]:
    """The values that an allocation is made with: those given, else the defaults.

    Args:
        variables: of the machine.
        given: the values by key; an empty one counts as not given.

    Returns:
        The values in the machine's order, secret ones left empty; and the secret ones by key.

    Raises:
        VariableUnknown: the machine has no variable of a given key.
        VariableMissing: a required variable has no value.
        VariableInvalid: a value does not fit its variable, or all are too large. Messages never repeat a value.
    """
    _refuse(VariableUnknown, _unknown(variables, given))
    values = {v.key: given.get(v.key, "") or v.default_value for v in variables}
    _refuse(VariableMissing, _missing(variables, values))
    _refuse(VariableInvalid, _unfitting(variables, values))
    together = sum(len(value.encode()) for value in values.values())
    if together > MOST_BYTES:
        message = f"The values have {together} bytes together; {MOST_BYTES} are the most."
        raise VariableInvalid(message, fields=[FieldViolation("allocation.variables", message)])
    chosen = tuple(
        VariableValue(v.key, "" if v.secret else values[v.key], v.secret)
        for v in variables
        if values[v.key]
    )
    return chosen, {v.key: values[v.key] for v in variables if v.secret and values[v.key]}


def _refuse(
    fault: type[VariableUnknown | VariableMissing | VariableInvalid],
    problems: Iterator[tuple[str, str]],
) -> None:
    found = [
        (key, FieldViolation(f"allocation.variables[{key}]", problem)) for key, problem in problems
    ]
    if found:
        key, first = found[0]
        raise fault(first.message, fields=[violation for _, violation in found], variable=key)


def _unknown(variables: Sequence[Variable], given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    known = {variable.key for variable in variables}
    takes = f"it takes {', '.join(v.key for v in variables)}" if variables else "it takes none"
    for key in given:
        if key not in known:
            yield key, f"The machine has no variable {key!r}: {takes}."


def _missing(variables: Sequence[Variable], values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for variable in variables:
        if variable.required and not values[variable.key]:
            yield variable.key, f"The machine needs a value of {variable.key!r}; give one."


def _unfitting(
    variables: Sequence[Variable], values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for variable in variables:
        value = values[variable.key]
        if not value:
            continue
        if "\0" in value:
            yield variable.key, f"The value of {variable.key!r} holds a zero byte; leave it out."
        elif variable.choices and value not in variable.choices:
            choices = ", ".join(map(repr, variable.choices))
            yield variable.key, f"The value of {variable.key!r} must be one of {choices}."
        elif variable.pattern and not re.fullmatch(variable.pattern, value, re.ASCII):
            yield (
                variable.key,
                f"The value of {variable.key!r} must match {variable.pattern!r} as a whole.",
            )
