"""Settings from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr

from chassis.settings import ProcessSettings, ServiceSettings, SettingsInvalid, load_settings
from chassis.settings.loading import ServiceSettings as Declared


class Example(ServiceSettings, prefix="ALLOCATOR_EXAMPLE_"):
    """Settings of no service."""

    many: int = Field(default=3, ge=1, description="How many.")
    secret: SecretStr = Field(default=SecretStr("none"), description="Nobody shall see it.")
    span: float = Field(default=1.5, description="Seconds.")


Declared.declared.remove(Example)


def load(**environment: str) -> Example:
    return load_settings(environment, [Example]).of(Example)


def test_everything_has_a_default() -> None:
    assert (load().many, load().span) == (3, 1.5)
    assert load_settings({}, [ProcessSettings]).of(ProcessSettings).runtime == "auto"


def test_values_come_from_the_environment() -> None:
    assert load(ALLOCATOR_EXAMPLE_MANY="7").many == 7


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(SettingsInvalid) as caught:
        load(
            ALLOCATOR_EXAMPLE_MANY="0",
            ALLOCATOR_EXAMPLE_SPAN="long",
            ALLOCATOR_EXAMPLE_MANYY="1",
            ALLOCATOR_EXAMPLE_SECRET_FILE="/nowhere",
        )
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    for name in ("MANY", "SPAN", "MANYY", "SECRET_FILE"):
        assert any(line.startswith(f"ALLOCATOR_EXAMPLE_{name}:") for line in lines), name


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n", encoding="utf-8")
    assert (
        load(ALLOCATOR_EXAMPLE_SECRET_FILE=str(tmp_path / "secret")).secret.get_secret_value()
        == "hush"
    )
    with pytest.raises(SettingsInvalid, match="twice"):
        load(
            ALLOCATOR_EXAMPLE_SECRET="a",
            ALLOCATOR_EXAMPLE_SECRET_FILE=str(tmp_path / "secret"),
        )


def test_secrets_are_masked_where_settings_are_shown() -> None:
    shown = load_settings({"ALLOCATOR_EXAMPLE_SECRET": "hush"}, [Example]).shown()
    assert shown["ALLOCATOR_EXAMPLE_SECRET"] == "********"
    assert "hush" not in str(shown)


def test_names_of_others_are_left_alone() -> None:
    assert load(PATH="/bin", ALLOCATOR_TEST_BROWSER="x").many == 3


def test_a_cache_of_another_kind_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(SettingsInvalid, match=r"ALLOCATOR_CACHE_URL: .*redis://") as caught:
        load_settings({"ALLOCATOR_CACHE_URL": "memcached://:secret@host"}, [ProcessSettings])
    assert "secret" not in str(caught.value)
    for url in ("", "redis://host:6379/1", "rediss://:secret@host"):
        load_settings({"ALLOCATOR_CACHE_URL": url}, [ProcessSettings])
