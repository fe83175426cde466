"""A cache in memory: what is its alone, beside what every adapter promises."""

from __future__ import annotations

import pytest

from chassis.cache import MemoryCache, open_cache
from chassis.clock import ManualClock


async def keep(cache: MemoryCache, key: str, size: int = 10_000) -> None:
    await cache.put("shop", key, bytes(size), (await cache.get("shop", key)).version, 60.0)


async def test_the_value_that_was_asked_for_longest_ago_is_forgotten() -> None:
    cache = MemoryCache(ManualClock(), most_bytes=35_000)
    for key in ("a", "b", "c"):
        await keep(cache, key)
    assert (await cache.get("shop", "a")).value is not None
    await keep(cache, "d")
    assert [(await cache.get("shop", key)).value is not None for key in "abcd"] == [
        True,
        False,
        True,
        True,
    ]


async def test_values_of_no_bytes_are_bounded_too() -> None:
    cache = MemoryCache(ManualClock(), most_bytes=10_000)
    for n in range(1000):
        await keep(cache, f"{n}", 0)
    assert sum([(await cache.get("shop", f"{n}")).value is not None for n in range(1000)]) < 50


async def test_what_values_are_about_is_bounded_too() -> None:
    cache = MemoryCache(ManualClock())
    first = (await cache.get("0", "key")).version
    await cache.put("0", "key", b"value", first, 60.0)
    for n in range(1, 2000):
        await cache.get(f"{n}", "key")
    found = await cache.get("0", "key")
    assert found.value is None
    assert found.version > first


async def test_without_a_server_nothing_is_watched_and_nothing_is_wrong() -> None:
    opened = open_cache("", ManualClock(), "shop")
    assert (await opened.cache.get("shop", "a")).value is None
    assert not opened.watches
    assert opened.problem() is None
    await opened.close()


@pytest.mark.parametrize("url", ["memcached://here", "here", "redis://h:nonsense/0"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"redis://|[Pp]ort"):
        open_cache(url, ManualClock(), "shop")
