"""Settings: read once from the environment, all problems reported at once.

A service declares `class Settings(ServiceSettings, prefix="ALLOCATOR_MACHINES_")`; each field has a
default that works embedded and a description with its unit and reason. A secret may also be given by
a file: `ALLOCATOR_NOTIFIER_MAIL_URL_FILE` names one whose content is the value. A name that begins
with `ALLOCATOR_` and belongs to no setting is an error, so that a misspelt one is not ignored.
"""

from chassis.settings.loading import (
    LoadedSettings,
    ServiceSettings,
    SettingsInvalid,
    load_settings,
    read_settings_file,
)
from chassis.settings.process import ProcessSettings

__all__ = [
    "LoadedSettings",
    "ProcessSettings",
    "ServiceSettings",
    "SettingsInvalid",
    "load_settings",
    "read_settings_file",
]
