"""Words: from a template and the fields of an occurrence to a subject, a text, HTML and an SMS.

A template has its words in each language once, as text; the HTML is made of the same paragraphs, so
that a mail says the same however it is read.
"""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from string import Template as Placeholders

from notifier.domain.preference import Rule
from notifier.domain.spoken import Value, written

DEFAULT_LANGUAGE = "en"
LANGUAGES = ("en", "de")
"""Every template has words in each of them."""

LONGEST_SUBJECT = 150
LONGEST_SMS = 320
LONGEST_FIELD = 300
LONGEST_LINE = 200
MOST_LINES = 50

_SHORT_FIELD = 80
_INDENT = "    "
_COLUMNS = 76
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
# What would end a line, reorder it or hide in it, wherever it is shown.
_CONTROLS = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BLANK_LINES = re.compile(r"\n[ ]*\n+")


@dataclass(frozen=True, slots=True)
class Words:
    """What a message says, in one language.

    Attributes:
        subject: one line, at most 150 characters; the title of a notice too.
        text: plain text.
        html: a whole HTML document.
        sms: one line, at most 320 characters as SMS count them (UTF-16).
        body: the plain text without a link and without line ends within paragraphs: what the inbox
            shows.
    """

    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    sms: str = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Link:
    """Where a reader can see more; empty where the installation has no public address."""

    url: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A template's words in one language, with `$fields` in them.

    Attributes:
        subject: one line.
        text: paragraphs, with an empty line between them; one that is indented by four spaces is
            shown as it stands. A paragraph with a field that is empty, and is not in the subject, is
            left out.
        sms: one line.
        action: what the link to the matter is called; empty where there is none.
    """

    subject: str
    text: str
    sms: str
    action: str = ""

    def placeholders(self) -> frozenset[str]:
        """The fields that its words use."""
        return frozenset(
            name
            for words in (self.subject, self.text, self.sms)
            for name in Placeholders(words).get_identifiers()
        )


class Template:
    """One kind of message, in every language.

    Args:
        kind: what it is called.
        fields: what it needs to know of an occurrence.
        forms: its words, by language.
        rule: who gets it by default, and how.

    Raises:
        ValueError: a language is missing, or a field that is used is not among the fields.
    """

    def __init__(
        self, kind: str, fields: frozenset[str], forms: Mapping[str, Form], rule: Rule | None = None
    ) -> None:
        self.kind = kind
        self.rule = rule or Rule()
        self.fields = fields
        self._forms = dict(forms)
        missing = [language for language in LANGUAGES if language not in forms]
        if missing:
            raise ValueError(f"The template {kind} has no words in {missing}.")
        for language, form in forms.items():
            unknown = form.placeholders() - fields
            if unknown:
                raise ValueError(f"The template {kind} in {language} uses {sorted(unknown)}.")

    def render(self, language: str, values: Mapping[str, Value], root: str, path: str) -> Words:
        """The words of one occurrence.

        Args:
            language: BCP 47; English where there are no words in it.
            values: the fields; every one that the template needs, perhaps empty.
            root: the address of the web console, without a slash at its end; empty for none.
            path: where the matter is, below it: `/allocations/7f3k2m9q`; empty for none.

        Raises:
            KeyError: a field is missing.
        """
        chosen = language_of(language)
        form = self._forms[chosen]
        said = {name: written(values[name], chosen) for name in self.fields}
        # What the subject names is never nothing: a name may be all spaces.
        named = frozenset(Placeholders(form.subject).get_identifiers())

        def line(name: str, longest: int) -> str:
            shown = _one_line(said[name], longest)
            return shown or ("…" if name in named else "")

        lines = {name: line(name, LONGEST_FIELD) for name in self.fields}
        blocks = {name: _block(said[name]) for name in self.fields}
        short = {name: line(name, _SHORT_FIELD) for name in self.fields}
        link = Link(root + path, form.action) if root and path and form.action else Link()

        subject = cut(_squeezed(Placeholders(form.subject).substitute(lines)), LONGEST_SUBJECT)
        paragraphs = [
            rendered
            for paragraph in _BLANK_LINES.split(form.text.strip("\n"))
            if (rendered := _paragraph(paragraph, lines, blocks)) is not None
        ]
        sms = _squeezed(Placeholders(form.sms).substitute(short))
        return Words(
            subject=subject,
            text=_as_text(paragraphs, link),
            html=_as_html(chosen, subject, paragraphs, link),
            sms=_cut_units(f"{sms} {link.url}" if link.url else sms, sms),
            body="\n\n".join(_on_one_line(one) for one in paragraphs),
        )


def language_of(code: str) -> str:
    """The language that there are words in: `de-AT` is `de`, and what is not known `en`."""
    primary = code.partition("-")[0].lower()
    return primary if primary in LANGUAGES else DEFAULT_LANGUAGE


def cut(text: str, longest: int) -> str:
    """The text, or its beginning and an ellipsis: at most that many characters."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _paragraph(paragraph: str, lines: Mapping[str, str], blocks: Mapping[str, str]) -> str | None:
    """A paragraph with its fields filled in; None where one of them is empty."""
    words = Placeholders(paragraph)
    if any(not lines[name] for name in words.get_identifiers()):
        return None
    if paragraph.startswith(_INDENT):
        shown = Placeholders(paragraph.strip()).substitute(blocks)
        return "\n".join(_INDENT + line for line in shown.split("\n"))
    return words.substitute(lines)


def _as_text(paragraphs: list[str], link: Link) -> str:
    parts = [one if one.startswith(_INDENT) else _wrapped(one) for one in paragraphs]
    if link.url:
        parts.append(f"{link.label}: {link.url}")
    return "\n\n".join(parts) + "\n"


def _on_one_line(paragraph: str) -> str:
    return paragraph if paragraph.startswith(_INDENT) else " ".join(paragraph.split())


def _wrapped(paragraph: str) -> str:
    """Lines that mail programs show as they stand; an address of the web stays whole."""
    return textwrap.fill(
        " ".join(paragraph.split()), _COLUMNS, break_long_words=False, break_on_hyphens=False
    )


def _as_html(language: str, subject: str, paragraphs: list[str], link: Link) -> str:
    parts = []
    for paragraph in paragraphs:
        if paragraph.startswith(_INDENT):
            block = "\n".join(line[len(_INDENT) :] for line in paragraph.split("\n"))
            parts.append(f'<pre style="{_PRE}">{html.escape(block)}</pre>')
        else:
            parts.append(f"<p>{html.escape(' '.join(paragraph.split()))}</p>")
    if link.url:
        parts.append(
            f'<p><a style="{_BUTTON}" href="{html.escape(link.url)}">'
            f"{html.escape(link.label)}</a></p>"
        )
    return _PAGE.substitute(language=language, subject=html.escape(subject), body="\n".join(parts))


def _one_line(value: str, longest: int) -> str:
    return cut(_squeezed(_CONTROLS.sub(" ", _ESCAPES.sub("", value))), longest)


def _block(value: str) -> str:
    """Lines as they stand, each and all of them bounded; the last ones where there are too many."""
    lines = _ESCAPES.sub("", value).replace("\r\n", "\n").split("\n")[-MOST_LINES:]
    return "\n".join(
        cut(_CONTROLS.sub(" ", line.replace("\t", _INDENT)).rstrip(), LONGEST_LINE)
        for line in lines
    )


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _cut_units(text: str, without_link: str) -> str:
    """At most as many UTF-16 units as an SMS may have; a link that does not fit is left out."""
    if _units(text) <= LONGEST_SMS:
        return text
    kept = without_link
    while _units(kept) > LONGEST_SMS:
        kept = cut(kept, len(kept) - 1)
    return kept


_PRE = (
    "background:#f4f4f5;border-radius:6px;padding:12px;font-family:monospace;font-size:14px;"
    "white-space:pre-wrap;overflow-wrap:anywhere"
)
_BUTTON = (
    "background:#1d4ed8;border-radius:6px;color:#ffffff;display:inline-block;padding:8px 16px;"
    "text-decoration:none"
)
_PAGE = Placeholders(
    """\
<!doctype html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$subject</title>
</head>
<body style="font-family:sans-serif;font-size:16px;line-height:1.5;color:#18181b;max-width:40em">
$body
</body>
</html>
"""
)
