"""Answers of methods that only read, given again while what they are about has not changed."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable

from google.protobuf.message import Message

from chassis.cache.port import Cache
from chassis.rpc.call import Call
from chassis.rpc.client import SERVICE_TOKEN_KEY


class Answers:
    """Gives answers from a cache, and says so beside them: how old each is, in whole seconds.

    Over gRPC the metadata of the answer say `cache: hit; age=3`, over HTTP the header `Age: 3`.
    An answer that was just made says nothing. Services, which may decide by what they read, also where
    they call for a person, never get an answer from a cache.

    Args:
        cache: where they are kept; it must not fail.
        seconds: how long an answer is given again; 0 for not at all.
    """

    def __init__(self, cache: Cache, seconds: float) -> None:
        self._cache = cache
        self._seconds = seconds

    async def answer(
        self,
        call: Call,
        about: str,
        request: Message,
        make: Callable[[], Awaitable[Message]],
        variant: str = "",
    ) -> bytes:
        """The answer to a request.

        Args:
            call: the call that it answers. Nothing about the caller is part of what is kept: the
                answer must be the same for all whose calls come here.
            about: what the answer is about.
            request: what was asked.
            make: makes the answer. What it raises is raised, and not kept.
            variant: of the answer, beside the request: what else it depends on.

        Returns:
            The answer, written.
        """
        if self._seconds <= 0 or SERVICE_TOKEN_KEY in call.metadata:
            return (await make()).SerializeToString()
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()
        key = f"{call.method.path} {digest} {variant}"
        found = await self._cache.get(about, key)
        if found.value is None:
            value = (await make()).SerializeToString()
            await self._cache.put(about, key, value, found.version, self._seconds)
            return value
        age = int(found.age_seconds)
        told = ("age", f"{age}") if call.protocol == "http" else ("cache", f"hit; age={age}")
        call.response_headers.append(told)
        return found.value
