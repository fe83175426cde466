"""Values on a server, which all replicas share."""

from __future__ import annotations

import hashlib

from chassis.cache.port import LARGEST_BYTES, Found
from chassis.keyvalue.server import KeyValueServer

_MICROS = 1_000_000

# A version is the time of the server, in microseconds, or one more than the last: so one that the
# server has forgotten is followed by a larger one.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""
_VERSION_MILLIS = 86_400_000

_GET = (
    _NOW
    + """
local version = redis.call('GET', KEYS[1])
if not version then
  version = string.format('%.0f', now)
  redis.call('SET', KEYS[1], version, 'PX', ARGV[1])
end
local kept = redis.call('HMGET', KEYS[2], 'version', 'at', 'value')
if kept[1] ~= version then
  return {version}
end
return {version, kept[3], math.max(0, now - tonumber(kept[2]))}
"""
)

_PUT = (
    _NOW
    + """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[2], 'version', ARGV[1], 'at', string.format('%.0f', now), 'value', ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
"""
)

_INVALIDATE = (
    _NOW
    + """
local version = math.max(now, tonumber(redis.call('GET', KEYS[1]) or 0) + 1)
redis.call('SET', KEYS[1], string.format('%.0f', version), 'PX', ARGV[1])
return 0
"""
)


class RedisCache:
    """A Cache that all processes with the same prefix share.

    Args:
        server: where the values are.
        prefix: of its keys.
    """

    def __init__(self, server: KeyValueServer, prefix: str) -> None:
        self._prefix = prefix
        self._get = server.script(_GET)
        self._put = server.script(_PUT)
        self._invalidate = server.script(_INVALIDATE)

    async def get(self, about: str, key: str) -> Found:
        """What is kept under a key."""
        version, *kept = await self._get(self._keys(about, key), [_VERSION_MILLIS])
        if not kept:
            return Found(int(version))
        value, micros = kept
        return Found(int(version), bytes(value), micros / _MICROS)

    async def put(self, about: str, key: str, value: bytes, version: int, seconds: float) -> None:
        """Keeps a value, unless what it is about has another version by now."""
        if len(value) <= LARGEST_BYTES:
            millis = max(1, round(seconds * 1000))
            await self._put(self._keys(about, key), [version, value, millis])

    async def invalidate(self, about: str) -> None:
        """Says that it has changed."""
        await self._invalidate([self._keys(about, "")[0]], [_VERSION_MILLIS])

    def _keys(self, about: str, key: str) -> list[str]:
        """Where the version is, and where the value is: of one length whatever they are about."""
        # The braces keep both in one place where keys are spread over servers.
        subject = f"{self._prefix}:{{{_digest(about)}}}"
        return [f"{subject}:version", f"{subject}:{_digest(key)}"]


def _digest(text: str) -> str:
    # Text from outside may hold half a surrogate pair.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:40]
