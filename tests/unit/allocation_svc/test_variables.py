"""The values that people give to a machine's variables."""

from __future__ import annotations

import pytest

from allocation_svc.domain.allocation import VariableValue
from allocation_svc.domain.faults import VariableInvalid, VariableMissing, VariableUnknown
from allocation_svc.domain.machine import Variable
from allocation_svc.domain.variables import MOST_BYTES, chosen_values, generated_values


def test_values_that_are_given_win_over_defaults() -> None:
    variables = [Variable("A", default_value="a"), Variable("B", default_value="b"), Variable("C")]
    values, secrets = chosen_values(variables, {"B": "given"})
    assert values == (VariableValue("A", "a"), VariableValue("B", "given"))
    assert secrets == {}


def test_secret_values_are_apart_from_all_others() -> None:
    variables = [
        Variable("TOKEN", secret=True),
        Variable("KEY", secret=True, default_value="usual"),
        Variable("EMPTY", secret=True),
    ]
    values, secrets = chosen_values(variables, {"TOKEN": "hush"})
    assert values == (VariableValue("TOKEN", "", True), VariableValue("KEY", "", True))
    assert secrets == {"TOKEN": "hush", "KEY": "usual"}


def test_a_required_variable_without_value_or_default_is_missing() -> None:
    with pytest.raises(VariableMissing) as missing:
        chosen_values([Variable("A", required=True), Variable("B", required=True)], {"A": ""})
    assert [violation.field for violation in missing.value.fields] == [
        "allocation.variables[A]",
        "allocation.variables[B]",
    ]
    chosen_values([Variable("A", required=True, default_value="x")], {})


def test_a_variable_that_the_machine_does_not_have_is_unknown() -> None:
    with pytest.raises(VariableUnknown, match="it takes A, B"):
        chosen_values([Variable("A"), Variable("B")], {"LD_PRELOAD": "x"})
    with pytest.raises(VariableUnknown, match="it takes none"):
        chosen_values([], {"A": "x"})


@pytest.mark.parametrize(
    ("variable", "good", "bad"),
    [
        (Variable("A", choices=("red", "blue")), "red", "Red"),
        (Variable("A", pattern="[a-z]+"), "abc", "abc1"),
        (Variable("A", pattern="[a-z]+"), "abc", "abc\n"),
        (Variable("A", pattern="a|b"), "b", "bb"),
        (Variable("A", pattern=r"\d+"), "12", "١٢"),
        (Variable("A"), "🦊\n", "a\0b"),
    ],
)
def test_the_whole_value_must_fit(variable: Variable, good: str, bad: str) -> None:
    chosen_values([variable], {"A": good})
    with pytest.raises(VariableInvalid):
        chosen_values([variable], {"A": bad})


def test_a_message_never_repeats_a_value() -> None:
    with pytest.raises(VariableInvalid) as invalid:
        chosen_values([Variable("A", secret=True, pattern="[0-9]+")], {"A": "hush"})
    assert "hush" not in str(invalid.value) + repr(invalid.value.fields)


def test_values_are_not_too_large_together() -> None:
    variables = [Variable(f"V{n}") for n in range(64)]
    with pytest.raises(VariableInvalid):
        chosen_values(variables, {v.key: "🦊" * (MOST_BYTES // 64) for v in variables})
    chosen_values(variables, {v.key: "x" * (MOST_BYTES // 64) for v in variables})


def test_a_value_is_made_for_whoever_gives_none() -> None:
    variables = [
        Variable("A", required=True, secret=True, generated_length=20),
        Variable("B", secret=True),
    ]
    first, second = generated_values(variables, {"A": ""}), generated_values(variables, {})
    assert set(first) == {"A"}
    assert len(first["A"]) == 20
    assert first["A"].isascii()
    assert first["A"].isalnum()
    assert first != second
    assert generated_values(variables, {"A": "mine"}) == {}
    values, secrets = chosen_values(variables, first)
    assert values == (VariableValue("A", "", secret=True),)
    assert secrets == first
