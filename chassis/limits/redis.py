"""Buckets and failures that all replicas share.

Each step is one script on one key: nothing comes in between. The time is that of the server, so the
clocks of replicas do not matter. What is full or forgotten takes no room: its key has ended.
"""

from __future__ import annotations

import hashlib

from chassis.keyvalue.server import KeyValueServer
from chassis.limits.port import FORGOTTEN_AFTER, MOST_DOUBLINGS, Delays

_MICROS = 1_000_000

_TAKE = """
local burst, refill = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = burst
if known[1] then
  local since = math.max(0, now - tonumber(known[2]))
  tokens = math.min(burst, tonumber(known[1]) + since / refill)
end
if tokens < 1 - 1e-9 then
  return math.ceil((1 - tokens) * refill)
end
tokens = tokens - 1
redis.call('HSET', KEYS[1], 'tokens', string.format('%.17g', tokens),
           'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil((burst - tokens) * refill / 1000)))
return 0
"""

_ATTEMPT = """
local free, first, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local kept, doublings = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local known = redis.call('HMGET', KEYS[1], 'count', 'at')
local count, at = tonumber(known[1] or 0), tonumber(known[2] or 0)
if now - at > kept then
  count = 0
end
if count >= free then
  local pause = math.min(first * 2 ^ math.min(count - free, doublings), longest)
  local left = math.min(at + pause - now, longest)
  if left > 0 then
    return math.ceil(left)
  end
end
redis.call('HSET', KEYS[1], 'count', count + 1, 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(kept / 1000)))
return 0
"""

_FORGIVE = """
if tonumber(redis.call('HGET', KEYS[1], 'count') or 0) > 0 then
  redis.call('HINCRBY', KEYS[1], 'count', -1)
end
return 0
"""


class RedisRateLimiter:
    """A RateLimiter whose buckets all processes with the same prefix share.

    Args:
        server: where they are.
        prefix: of its keys.
    """

    def __init__(self, server: KeyValueServer, prefix: str) -> None:
        self._prefix = prefix
        self._take = server.script(_TAKE)

    async def take(self, key: str, burst: int, refill_seconds: float) -> float:
        """Takes a token: 0 if there was one, else the seconds until there is one."""
        wait = await self._take([_short(self._prefix, key)], [burst, refill_seconds * _MICROS])
        return float(wait) / _MICROS


class RedisFailureDelays:
    """FailureDelays that all processes with the same prefix share.

    Args:
        server: where failures are counted.
        prefix: of its keys.
    """

    def __init__(self, server: KeyValueServer, prefix: str) -> None:
        self._prefix = prefix
        self._server = server
        self._attempt = server.script(_ATTEMPT)
        self._forgive = server.script(_FORGIVE)

    async def attempt(self, key: str, delays: Delays) -> float:
        """Begins an attempt: 0 if it may go on, else the seconds to wait."""
        longest = delays.longest_seconds * _MICROS
        rule = [
            delays.free,
            delays.first_seconds * _MICROS,
            longest,
            FORGOTTEN_AFTER * longest,
            MOST_DOUBLINGS,
        ]
        return float(await self._attempt([_short(self._prefix, key)], rule)) / _MICROS

    async def forgive(self, key: str) -> None:
        """Takes one attempt back."""
        await self._forgive([_short(self._prefix, key)], [])

    async def forget(self, key: str) -> None:
        """Forgets every failure of a key."""
        await self._server.delete(_short(self._prefix, key))


def _short(prefix: str, key: str) -> str:
    """A key of one length whatever it is about; it does not show whose address it is."""
    # Text from outside may hold half a surrogate pair.
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{prefix}:{digest[:40]}"
