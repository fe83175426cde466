"""Time that passes for what a Redis server keeps, without waiting for it."""

from __future__ import annotations

from redis.asyncio import Redis

_PASS = """
for _, key in ipairs(redis.call('KEYS', ARGV[1])) do
  local left = redis.call('PTTL', key) - ARGV[2]
  if left <= 0 then
    redis.call('DEL', key)
  else
    if redis.call('TYPE', key).ok == 'hash' then
      local at = tonumber(redis.call('HGET', key, 'at'))
      redis.call('HSET', key, 'at', string.format('%.0f', at - ARGV[2] * 1000))
    end
    redis.call('PEXPIRE', key, string.format('%.0f', left))
  end
end
"""


async def pass_time(client: Redis, prefix: str, seconds: float) -> None:
    """Makes every key with the prefix that much older: its times to live, and the time in it."""
    await client.eval(_PASS, 0, f"{prefix}:*", f"{seconds * 1000:.3f}")  # type: ignore[misc]  # redis types both its clients at once


async def forget(client: Redis, prefix: str) -> None:
    """Removes every key with the prefix."""
    async for key in client.scan_iter(match=f"{prefix}:*", count=1000):
        await client.delete(key)
