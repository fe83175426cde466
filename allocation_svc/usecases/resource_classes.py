"""Resource classes: the sizes in which machines are rented; admins define them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from allocation_svc.domain.faults import ResourceClassIsDefault, ResourceClassNotFound
from allocation_svc.domain.resource_class import ResourceClass, Size
from allocation_svc.ports.resource_class_store import ResourceClassStore
from chassis.clock import Clock
from chassis.faults import Conflict
from chassis.identity.caller import Caller
from chassis.listing import Once, next_token, page_of


class ResourceClasses:
    """Reads and changes resource classes."""

    def __init__(self, store: ResourceClassStore, clock: Clock) -> None:
        """Works on the store."""
        self._store = store
        self._clock = clock

    async def seed(self, sizes: Mapping[str, Size], default: str) -> None:
        """Defines the classes of the first start, where there is none yet.

        Args:
            sizes: by id.
            default: the id of the one for machines that name none.

        Raises:
            Unavailable: the store does not answer.
        """
        now = self._clock.now()
        await self._store.seed(
            [
                ResourceClass(
                    id=name,
                    title=name.capitalize(),
                    cpu_millis=size.cpu_millis,
                    memory_bytes=size.memory_bytes,
                    pids=size.pids,
                    disk_bytes=size.disk_bytes,
                    is_default=name == default,
                    create_time=now,
                    update_time=now,
                )
                for name, size in sizes.items()
            ]
        )

    async def one(self, class_id: str) -> ResourceClass:
        """One class.

        Raises:
            ResourceClassNotFound: there is none.
        """
        found = await self._store.find(class_id)
        if found is None:
            raise ResourceClassNotFound(f"resourceClasses/{class_id}")
        return found

    async def page(self, page_size: int, page_token: str) -> tuple[Sequence[ResourceClass], str]:
        """A page of classes, the smallest first, and the token of the next one.

        Raises:
            Invalid: PAGE_TOKEN_INVALID.
        """
        asked = page_of(page_size, page_token, "resourceClasses", key=(int, int, str))
        found = [
            each
            for each in await self._store.all()
            if asked.after is None or _key(each) > tuple(asked.after)
        ]
        shown = found[: asked.size]
        if len(found) <= asked.size:
            return shown, ""
        return shown, next_token(_key(shown[-1]), "resourceClasses")

    async def define(
        self,
        caller: Caller,
        class_id: str,
        size: Size,
        title: str,
        *,
        is_default: bool,
        request: str,
    ) -> ResourceClass:
        """Defines a class.

        Args:
            caller: an admin.
            class_id: the last part of its name.
            size: its amounts.
            title: what people read; empty for one made of the id.
            is_default: whether it is that of machines that name none, from now on.
            request: a UUID with which the request has one effect; empty for none.

        Raises:
            ResourceClassExists: there is one.
            Conflict: REQUEST_ID_REUSED.
        """
        now = self._clock.now()
        once = Once.of(
            caller.user,
            "CreateResourceClass",
            request,
            class_id,
            title,
            [size.cpu_millis, size.memory_bytes, size.pids, size.disk_bytes],
            is_default,
        )
        return await self._store.add(
            ResourceClass(
                id=class_id,
                title=title or class_id.capitalize(),
                cpu_millis=size.cpu_millis,
                memory_bytes=size.memory_bytes,
                pids=size.pids,
                disk_bytes=size.disk_bytes,
                is_default=is_default,
                create_time=now,
                update_time=now,
            ),
            once,
        )

    async def change(
        self, class_id: str, version: int | None, changes: Mapping[str, Any]
    ) -> ResourceClass:
        """Changes a class; what was rented keeps the amounts that it has.

        Args:
            class_id: which.
            version: that it must have; None for any.
            changes: the new values, by the names of the attributes of `ResourceClass`.

        Raises:
            ResourceClassNotFound: there is none.
            ResourceClassIsDefault: it is to be the default one no more, and no other is.
            Conflict: ETAG_STALE, it has another version.
        """
        found = await self.one(class_id)
        if version is not None and found.version != version:
            raise _stale(found)
        if found.is_default and changes.get("is_default") is False:
            raise ResourceClassIsDefault(found.name)
        after = replace(found, **changes)
        if after == found:
            return found
        title = after.title or class_id.capitalize()
        written = await self._store.replace(
            replace(after, title=title, update_time=self._clock.now())
        )
        if written is None:
            raise _stale(found)
        return written

    async def remove(self, class_id: str, version: int | None) -> None:
        """Removes a class; what was rented runs on.

        Raises:
            ResourceClassNotFound: there is none.
            ResourceClassIsDefault: it is that of machines that name none.
            Conflict: ETAG_STALE, it has another version.
        """
        found = await self.one(class_id)
        if version is not None and found.version != version:
            raise _stale(found)
        if found.is_default:
            raise ResourceClassIsDefault(found.name)
        if not await self._store.remove(class_id, version):
            raise _stale(found)


def _key(each: ResourceClass) -> tuple[int, int, str]:
    return each.memory_bytes, each.cpu_millis, each.id


def _stale(found: ResourceClass) -> Conflict:
    return Conflict(
        f"{found.name!r} was changed since it was read; read it again and send that etag.",
        resource_class=found.name,
    )
