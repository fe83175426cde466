"""Words: the rules that every store follows."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chassis.clock import ManualClock
from machines_svc.adapters.machine_store.row import listed_words, placed_words, standing_word
from machines_svc.domain.machine import Machine, MachineSpec, State
from machines_svc.domain.searching import (
    MOST_WANTED,
    MOST_WORDS,
    Place,
    query_of,
    relevance,
    words_in,
    words_of,
)

TEXTS = st.text(max_size=60)


def spec_of(title: str, description: str = "", tags: tuple[str, ...] = ()) -> MachineSpec:
    return MachineSpec(title=title, description=description, tags=tags, image="i")


@given(TEXTS)
def test_words_are_letters_and_digits_of_no_case(text: str) -> None:
    for word in words_in(text):
        assert 0 < len(word) <= 40
        assert all(sign.isalnum() for sign in word)
        assert list(words_in(word)) == [word] or not word.isascii()
        word.encode()


@given(TEXTS)
def test_case_and_accents_do_not_count(text: str) -> None:
    assert list(words_in(text)) == list(words_in(text.casefold()))


@given(TEXTS, TEXTS)
def test_whoever_types_the_beginning_of_a_title_finds_it(title: str, description: str) -> None:
    words = words_of("machines/x", spec_of(title, description))
    typed = list(words_in(title))[:MOST_WANTED]
    if not typed:
        return
    query = query_of(" ".join(typed))
    assert query is not None
    assert relevance(words, query) == Place.TITLE
    begun = query_of(" ".join([*typed[:-1], typed[-1][:1]]))
    assert begun is not None
    assert relevance(words, begun) == Place.TITLE


@given(TEXTS, TEXTS, st.lists(st.sampled_from(["sql", "c++", "key-value"]), max_size=3), TEXTS)
def test_what_is_kept_for_both_kinds_of_stores_says_the_same(
    title: str, description: str, tags: list[str], wanted: str
) -> None:
    query = query_of(wanted)
    if query is None:
        return
    spec = spec_of(title, description, tuple(tags))
    now = ManualClock().now()
    machine = Machine("machines/x", "u", spec, State.DRAFT, "", 1, now, now)
    rows, listed = placed_words(machine), set(listed_words(machine))
    expected = relevance(words_of(machine.name, spec), query)
    # As a table has it: the worst of the best places.
    whole = [rows.get(word, 0) for word in query.words]
    begun = [p for w, p in rows.items() if w.startswith(query.beginning)]
    assert min([*whole, max(begun, default=0)]) == expected
    # As an array has it: the best place at which all are to be found.
    best = 0
    for place in Place:
        has_all = all(standing_word(place, word) in listed for word in query.words)
        beginning = standing_word(place, query.beginning)
        if has_all and any(one.startswith(beginning) for one in listed):
            best = max(best, int(place))
    assert best == expected


def test_a_query_without_words_looks_for_everything() -> None:
    assert query_of("") is None
    assert query_of(" !?# ") is None


def test_what_is_too_much_is_left_out() -> None:
    query = query_of(" ".join(f"w{i}" for i in range(50)))
    assert query is not None
    assert len(query.words) + 1 == MOST_WANTED
    many = " ".join(f"w{i}" for i in range(2 * MOST_WORDS))
    words = words_of("machines/x", spec_of("title", many, ("tag",)))
    assert len(words) == MOST_WORDS
    assert {"title", "tag", "x"} <= set(words)
