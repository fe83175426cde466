"""How settings are declared and read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

S = TypeVar("S", bound="ServiceSettings")


class SettingsInvalid(Exception):
    """The settings cannot be used; the message lists every problem, a line each."""


class ServiceSettings(BaseModel):
    """The settings of one service, or of the process: frozen, each with a default.

    Args (of the class statement):
        prefix: what the names of its environment variables begin with, `ALLOCATOR_MACHINES_`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    prefix: ClassVar[str] = ""
    declared: ClassVar[list[type[ServiceSettings]]] = []

    def __init_subclass__(cls, *, prefix: str = "", **rest: Any) -> None:
        """Takes the prefix out of the way of `object`, which knows no such argument."""
        super().__init_subclass__(**rest)

    @classmethod
    def __pydantic_init_subclass__(cls, *, prefix: str = "", **rest: Any) -> None:
        """Remembers each class with a prefix, so that the process knows every name."""
        super().__pydantic_init_subclass__(**rest)
        if prefix:
            cls.prefix = prefix
            ServiceSettings.declared.append(cls)

    @classmethod
    def names(cls) -> Mapping[str, str]:
        """The environment variable of each field, by the variable."""
        return {cls.prefix + field.upper(): field for field in cls.model_fields}

    def shown(self) -> Mapping[str, str]:
        """Each variable with its value in text; secrets are masked."""
        return {
            variable: "********"
            if isinstance(value := getattr(self, field), SecretStr)
            else str(value)
            for variable, field in self.names().items()
        }


class LoadedSettings:
    """The settings of every class that was declared, read from one environment."""

    def __init__(self, values: Mapping[type[ServiceSettings], ServiceSettings]) -> None:
        """Keeps the values by their class."""
        self._values = values

    def of(self, cls: type[S]) -> S:
        """The settings of one class.

        Raises:
            KeyError: the class was declared after the settings were read.
        """
        found = self._values[cls]
        assert isinstance(found, cls)
        return found

    def shown(self) -> Mapping[str, str]:
        """Every variable with its value in text; secrets are masked."""
        return {k: v for values in self._values.values() for k, v in values.shown().items()}


def read_settings_file(path: Path) -> Mapping[str, str]:
    """Reads a file of `NAME=value` lines.

    Raises:
        SettingsInvalid: the file cannot be read.
    """
    from dotenv import dotenv_values

    if not path.is_file():
        raise SettingsInvalid(f"there is no settings file {path}")
    return {name: value or "" for name, value in dotenv_values(path).items()}


def load_settings(
    environment: Mapping[str, str], classes: Iterable[type[ServiceSettings]] | None = None
) -> LoadedSettings:
    """Reads the settings of every declared class.

    Args:
        environment: names and values; those that do not begin with `ALLOCATOR_` are not looked at.
        classes: which classes; every declared one by default.

    Raises:
        SettingsInvalid: values are wrong, a file is missing, or a name belongs to no setting.
    """
    wanted = list(ServiceSettings.declared if classes is None else classes)
    problems: list[str] = []
    values: dict[type[ServiceSettings], ServiceSettings] = {}
    known: set[str] = set()
    for cls in wanted:
        given: dict[str, Any] = {}
        for variable, field in cls.names().items():
            known |= {variable, variable + "_FILE"}
            value, problem = _value_of(environment, variable)
            if problem:
                problems.append(problem)
            elif value is not None:
                given[field] = value
        try:
            values[cls] = cls.model_validate(given)
        except ValidationError as error:
            problems += [
                f"{cls.prefix}{'_'.join(str(p) for p in one['loc']).upper()}: {one['msg']}"
                for one in error.errors()
            ]
    problems += [
        f"{name}: there is no such setting"
        for name in sorted(environment)
        if name.startswith("ALLOCATOR_") and name not in known and not _is_for_others(name)
    ]
    if problems:
        raise SettingsInvalid("\n".join(problems))
    return LoadedSettings(values)


def _is_for_others(name: str) -> bool:
    """Names that belong to the test suite and the command line, not to the process."""
    return name.startswith(("ALLOCATOR_TEST_", "ALLOCATOR_CLI_"))


def _value_of(environment: Mapping[str, str], variable: str) -> tuple[str | None, str | None]:
    """The value of a variable, from itself or its file, and what is wrong with it."""
    direct, file = environment.get(variable), environment.get(variable + "_FILE")
    if file is None:
        return direct, None
    if direct is not None:
        return None, f"{variable}: given twice, also by {variable}_FILE"
    try:
        return Path(file).read_text(encoding="utf-8").rstrip("\n"), None
    except OSError as error:
        return None, f"{variable}_FILE: cannot read {file}: {error.strerror}"
