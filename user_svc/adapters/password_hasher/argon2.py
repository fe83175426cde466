"""Argon2id in a small pool of threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from user_svc.domain.faults import Overloaded

if TYPE_CHECKING:
    from argon2 import PasswordHasher as Argon2

T = TypeVar("T")


class Argon2PasswordHasher:
    """A PasswordHasher whose work is bounded: so many at once, so many more waiting.

    argon2 is imported at its first use, because a process that nobody logs in to needs it not.

    Args:
        memory_kib: memory of one hash, KiB.
        passes: how often it goes over that memory.
        threads: how many hashes are made at once.
        waiting: how many more may wait.
    """

    def __init__(self, memory_kib: int, passes: int, threads: int, waiting: int) -> None:
        self._memory_kib = memory_kib
        self._passes = passes
        self._most = threads + waiting
        self._busy = 0
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._argon2: Argon2 | None = None
        self._nobodys = ""

    async def hash(self, password: str) -> str:
        """A salted hash in the PHC format, some 100 characters."""
        return await self._run(lambda: self._hashing().hash(password))

    async def fits(self, password_hash: str, password: str) -> bool:
        """Whether it is the password; as slow, and False, with an empty hash."""
        return await self._run(lambda: self._fits(password_hash, password))

    def close(self) -> None:
        """Ends the threads once they have done what they are at; what waits is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _fits(self, password_hash: str, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        argon2 = self._hashing()
        try:
            argon2.verify(password_hash or self._nobodys, password)
        except (VerificationError, InvalidHashError):
            return False
        return bool(password_hash)

    def _hashing(self) -> Argon2:
        with self._lock:
            if self._argon2 is None:
                from argon2 import PasswordHasher as Argon2

                made = Argon2(time_cost=self._passes, memory_cost=self._memory_kib, parallelism=1)
                # What is compared with where there is no account, so that it takes as long.
                self._nobodys = made.hash("nobody's password")
                self._argon2 = made
            return self._argon2

    async def _run(self, work: Callable[[], T]) -> T:
        with self._lock:
            if self._busy >= self._most:
                raise Overloaded("Too many log in at once; try again in a moment.", retry_after=1.0)
            self._busy += 1
        future = self._pool.submit(work)
        # Also when whoever waited has gone: the thread goes on until the hash is made.
        future.add_done_callback(self._done)
        return await asyncio.wrap_future(future)

    def _done(self, _: Future[T]) -> None:
        with self._lock:
            self._busy -= 1
