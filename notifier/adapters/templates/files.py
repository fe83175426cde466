"""Templates from the files that come with this service."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources.abc import Traversable

from notifier.domain.preference import Rule, Way
from notifier.domain.spoken import Value
from notifier.domain.wording import Form, Template, Words


class FileTemplates:
    """Templates from a folder with a file `<kind>.toml` for each kind of message.

    Args:
        folder: where the files are.
        kinds: the kinds that there are words for; every one has a file, and every file is of one.
        root: the address of the web console, `https://allocator.example.org`; empty for no links.

    Raises:
        ValueError: a file is missing, of no kind, or not as `Template` needs it.
    """

    def __init__(self, folder: Traversable, kinds: Iterable[str], root: str = "") -> None:
        self._root = root.rstrip("/")
        wanted = set(kinds)
        files = {
            file.name.removesuffix(".toml"): file
            for file in folder.iterdir()
            if file.name.endswith(".toml")
        }
        names = {kind.lower(): kind for kind in wanted}
        if names.keys() != files.keys():
            odd = sorted(names.keys() ^ files.keys())
            raise ValueError(f"Each kind has a template and each template a kind, but {odd}.")
        self._templates = {
            kind: _template(kind, files[name].read_text(encoding="utf-8"))
            for name, kind in names.items()
        }

    def fields(self, kind: str) -> frozenset[str]:
        """What the template of a kind needs to know."""
        return self._templates[kind].fields

    def rule(self, kind: str) -> Rule:
        """What holds of a kind for everybody who has chosen nothing."""
        return self._templates[kind].rule

    def render(
        self, kind: str, language: str, values: Mapping[str, Value], path: str = ""
    ) -> Words:
        """The words of one occurrence.

        Raises:
            KeyError: a field that the template needs is missing.
        """
        return self._templates[kind].render(language, values, self._root, path)


def _template(kind: str, text: str) -> Template:
    said = tomllib.loads(text)
    try:
        forms = {language: Form(**words) for language, words in said["words"].items()}
        rule = Rule(
            about=said.get("about", ""),
            by_default=frozenset(Way(way) for way in said.get("by_default", ())),
            for_admins=said.get("for_admins", False),
        )
        return Template(kind, frozenset(said["fields"]), forms, rule)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"The template {kind} cannot be read: {error}.") from error
