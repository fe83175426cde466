"""Templates: every kind, in every language, in every form."""

from __future__ import annotations

from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.adapters.templates.files import FileTemplates
from notifier.domain.kind import KINDS, Kind, LetterKind
from notifier.domain.preference import Preferences, Rule, Way
from notifier.domain.wording import (
    LANGUAGES,
    LONGEST_SMS,
    LONGEST_SUBJECT,
    Form,
    Template,
    language_of,
)

FOLDER = resources.files("notifier.templates")
ROOT = "https://allocator.example.org"
TEMPLATES = FileTemplates(FOLDER, KINDS, ROOT)

HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "$code ${x} $$ %s {0}",
            "a\r\nBcc: everybody@example.org",
            "\x1b[31mred\x1b[0m\x00\u202eevil",
            "x" * 5000,
            "🦊" * 400,
            "line\n" * 300,
        ]
    ),
)


class Reading(HTMLParser):
    """What a mail program makes of HTML: its elements and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(html: str) -> Reading:
    """Reads HTML."""
    reading = Reading()
    reading.feed(html)
    reading.close()
    return reading


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_kind_has_every_form_in_every_language(kind: str, data) -> None:
    values = {name: data.draw(HOSTILE, label=name) for name in TEMPLATES.fields(kind)}
    for language in LANGUAGES:
        words = TEMPLATES.render(kind, language, values, "/allocations/7f3k2m9q")
        assert 0 < len(words.subject) <= LONGEST_SUBJECT
        assert "\n" not in words.subject
        assert words.text.strip()
        assert words.body.strip()
        assert 0 < len(words.sms.encode("utf-16-le")) // 2 <= LONGEST_SMS
        assert "\n" not in words.sms
        for one in (words.subject, words.text, words.sms, words.html):
            assert not set(one) & set("\x00\x1b\r\u202e")
        reading = read(words.html)
        assert set(reading.elements) <= {
            *("html", "head", "meta", "title", "body", "p", "pre", "a"),
        }
        assert all(link.startswith(ROOT) for link in reading.links)
        # The code of a letter, whole and in each form.
        if "code" in values and len(values["code"]) < 60 and values["code"].isalnum():
            assert values["code"] in words.text
            assert values["code"] in words.sms


@pytest.mark.parametrize("kind", KINDS)
def test_the_languages_say_something_different(kind: str) -> None:
    values = dict.fromkeys(TEMPLATES.fields(kind), "7")
    forms = [TEMPLATES.render(kind, language, values) for language in LANGUAGES]
    assert forms[0].text != forms[1].text
    assert forms[0].sms != forms[1].sms
    for words in forms:
        assert "$" not in words.text + words.sms + words.subject + words.html


@pytest.mark.parametrize("kind", [kind.value for kind in Kind])
def test_every_kind_of_notice_says_what_it_is_and_leads_somewhere(kind: str) -> None:
    assert TEMPLATES.rule(kind).about.endswith(".")
    values = dict.fromkeys(TEMPLATES.fields(kind), "x")
    words = TEMPLATES.render(kind, "en", values, "/somewhere")
    assert f"{ROOT}/somewhere" in words.text
    assert read(words.html).links == [f"{ROOT}/somewhere"]
    without = FileTemplates(FOLDER, KINDS).render(kind, "en", values, "/somewhere")
    assert "somewhere" not in without.text + without.html + without.sms


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_is_missing_is_a_mistake_and_not_a_gap(kind: str) -> None:
    fields = TEMPLATES.fields(kind)
    for missing in fields:
        values = {name: "x" for name in fields if name != missing}
        with pytest.raises(KeyError):
            TEMPLATES.render(kind, "en", values)


def test_a_paragraph_without_its_field_is_left_out() -> None:
    values = {"title": "Redis", "reason": "", "last_lines": ""}
    words = TEMPLATES.render("ALLOCATION_FAILED", "en", values)
    assert "The end of its log" in words.text
    assert words.text.count("\n\n") == 1
    values["last_lines"] = "one\n\x1b[1mtwo\x1b[0m\n\tthree <b>"
    words = TEMPLATES.render("ALLOCATION_FAILED", "en", values)
    assert "    one\n    two\n        three <b>\n" in words.text
    assert "<pre" in words.html
    assert "three &lt;b&gt;" in words.html


@pytest.mark.parametrize(
    ("code", "language"),
    [("de", "de"), ("de-AT", "de"), ("DE", "de"), ("fr", "en"), ("", "en"), ("en-GB", "en")],
)
def test_a_language_that_there_are_no_words_in_is_english(code: str, language: str) -> None:
    assert language_of(code) == language


def test_a_template_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    form = Form("s", "t $x", "m")
    with pytest.raises(ValueError, match="de"):
        Template("X", frozenset({"x"}), {"en": form})
    with pytest.raises(ValueError, match="uses"):
        Template("X", frozenset(), {"en": form, "de": form})
    with pytest.raises(ValueError, match="welcome"):
        FileTemplates(tmp_path, ["WELCOME"])
    (tmp_path / "welcome.toml").write_text('fields = []\n[words.en]\nsubject = "x"\n')
    with pytest.raises(ValueError, match="cannot be read"):
        FileTemplates(tmp_path, ["WELCOME"])


def test_codes_and_notes_are_no_kinds_that_anybody_can_turn_off() -> None:
    assert not {kind.value for kind in Kind} & {kind.value for kind in LetterKind}


@given(
    chosen=st.dictionaries(
        st.sampled_from(list(Kind)), st.dictionaries(st.sampled_from(list(Way)), st.booleans())
    ),
    kind=st.sampled_from(list(Kind)),
    own_doing=st.booleans(),
)
def test_what_was_chosen_holds_and_the_rest_is_as_by_default(chosen, kind, own_doing) -> None:
    rule = Rule("x", frozenset({Way.EMAIL}))
    ways = Preferences("users/ada", chosen).ways(kind, rule, own_doing=own_doing)
    for way in Way:
        default = way in {Way.IN_PAGE, Way.WEBHOOK} or (way is Way.EMAIL and not own_doing)
        assert (way in ways) is chosen.get(kind, {}).get(way, default)
