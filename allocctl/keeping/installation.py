"""An installation: its settings, its stores, its bus, its keys, its folder."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from allocctl.failures import Failure
from chassis.serving import Store
from chassis.settings import (
    LoadedSettings,
    ProcessSettings,
    SettingsInvalid,
    load_settings,
    read_settings_file,
)
from chassis.sql.engines import path_of
from docker_svc.settings import Settings as NodeSettings

# In the order in which they are read for a backup: what refers to others before those others, so
# that whatever is referred to is there.
_SERVICES = (
    "docker_svc",
    "feed_svc",
    "allocation_svc",
    "machines_svc",
    "notifier",
    "interact_svc",
    "user_svc",
    "broker",
)

KEYS = {"service.secret": "ALLOCATOR_SERVICE_SECRET", "vault.key": "ALLOCATOR_VAULT_KEY"}
"""The secrets that nobody chose: the file of each, and the setting that may give it instead."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What belongs to one installation, by its settings.

    Attributes:
        settings: of every service.
        stores: of every service, in the order in which they are read for a backup.
        nouns: of the topics that are published to.
    """

    settings: LoadedSettings
    stores: tuple[Store, ...]
    nouns: tuple[str, ...]

    @property
    def process(self) -> ProcessSettings:
        """The settings of the process as a whole."""
        return self.settings.of(ProcessSettings)

    @property
    def folder(self) -> Path:
        """The data folder."""
        return self.process.data_dir

    @property
    def node_folder(self) -> Path:
        """The folder of what belongs to this node: records of instances, and their logs."""
        return self.settings.of(NodeSettings).state_dir or self.folder

    @property
    def bus_url(self) -> str:
        """Where the bus is."""
        given = self.process.bus_url.get_secret_value()
        return given or f"sqlite:///{(self.folder / 'bus.sqlite3').resolve()}"

    @property
    def bus_store(self) -> Store | None:
        """The store of a bus that is a file; None where it is a server."""
        url = self.bus_url
        return Store("bus", "chassis.bus.schema", url) if url.startswith("sqlite") else None

    @property
    def owners(self) -> tuple[Store, ...]:
        """The stores that hold what is nowhere else."""
        return self.stores

    def has_file(self, store: Store) -> bool:
        """Whether the file of a store that is one is there; True for a server."""
        path = path_of(store.url_in(self.folder)) if not store.is_documents else None
        return path is None or path.exists()

    def secret(self, name: str) -> str:
        """The key of that name as the settings give it, or else its file; empty where there is none.

        Args:
            name: one of `KEYS`.
        """
        given = {
            "service.secret": self.process.service_secret,
            "vault.key": self.process.vault_key,
        }[name].get_secret_value()
        if given:
            return given
        try:
            return (self.folder / "keys" / name).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return ""

    def key_setting(self, name: str) -> str:
        """The key of that name as the settings give it; empty where its file has it."""
        process = self.process
        given = process.service_secret if name == "service.secret" else process.vault_key
        return given.get_secret_value()


def load_installation(
    settings_file: Path | None = None, environment: Mapping[str, str] | None = None
) -> Installation:
    """Reads the settings as every service reads them.

    Args:
        settings_file: NAME=value lines; the environment counts more.
        environment: the process's own by default.

    Raises:
        Failure: they cannot be used.
    """
    compositions = [importlib.import_module(f"{name}.composition") for name in _SERVICES]
    try:
        from_file = read_settings_file(settings_file) if settings_file else {}
        given = os.environ if environment is None else environment
        settings = load_settings({**from_file, **given})
    except SettingsInvalid as error:
        raise Failure(f"The settings cannot be used:\n{error}") from None
    return Installation(
        settings=settings,
        stores=tuple(
            store for one in compositions for store in getattr(one, "stores", _none)(settings)
        ),
        nouns=tuple(
            dict.fromkeys(
                noun
                for one in compositions
                for nouns in ("PUBLISHES", "AWAITS")
                for noun in getattr(one, nouns, ())
            )
        ),
    )


def _none(_settings: LoadedSettings) -> tuple[Store, ...]:
    return ()
