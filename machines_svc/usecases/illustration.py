"""The pictures of machines: icons and banners."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from chassis.clock import Clock
from chassis.identity.caller import Caller
from machines_svc.domain.facts import MachineUpdated
from machines_svc.domain.faults import PictureNotFound, PicturesExhausted, no_machine
from machines_svc.domain.machine import Machine, Picture, PictureKind
from machines_svc.domain.pictures import picture_of
from machines_svc.ports import KeptPicture, MachineStore, PictureStore
from machines_svc.usecases.changing import change, check_may_change, read, sees

MOST_KEPT = 20
"""How many pictures a machine may have had within the hour: former ones stay that long."""

_STAY = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture for a browser.

    Attributes:
        picture: what it is.
        content: its bytes.
        is_open: whether everybody may see it.
    """

    picture: Picture
    content: bytes
    is_open: bool


class Illustration:
    """Gives machines pictures, and shows them."""

    def __init__(self, store: MachineStore, pictures: PictureStore, clock: Clock) -> None:
        """Works on stores.

        Args:
            store: where the machines are.
            pictures: where the bytes are.
            clock: tells when.
        """
        self._store = store
        self._pictures = pictures
        self._clock = clock

    async def give(
        self, name: str, kind: PictureKind, content: bytes, version: int | None, caller: Caller
    ) -> Machine:
        """Gives a machine a picture, in place of the one that it has.

        The bytes are kept before the machine says that it has them; former ones stay for an hour, for
        pages that still show them.

        Args:
            name: `machines/{machine}`.
            kind: what it is for.
            content: its bytes.
            version: the one that was read; None for whatever is there.
            caller: who gives it.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineNotDraft: it is the caller's own, and no draft any more.
            MachineChanged: it is of another version.
            PictureInvalid: it is not one that is taken.
            PicturesExhausted: its pictures were changed too often within the hour.
        """
        machine = await read(self._store, name, version)
        check_may_change(caller, machine)
        picture = picture_of(kind, content)
        used = [other.digest for other in machine.pictures.values()]
        await self._pictures.sweep(machine.uid, used, self._clock.now() - _STAY)
        if await self._pictures.count(machine.uid) >= MOST_KEPT:
            raise PicturesExhausted(
                f"The pictures of {name} were changed {MOST_KEPT} times within the hour; try again "
                "in an hour.",
                retry_after=_STAY.total_seconds(),
                machine=name,
            )
        kept = KeptPicture(picture.media_type, content)
        await self._pictures.keep(machine.uid, picture.digest, kept)
        return await self._pictured(name, kind, picture, version, caller)

    async def take_away(
        self, name: str, kind: PictureKind, version: int | None, caller: Caller
    ) -> Machine:
        """Takes a picture of a machine away.

        Args:
            name: `machines/{machine}`.
            kind: which one.
            version: the one that was read; None for whatever is there.
            caller: who takes it away.

        Raises:
            MachineNotFound: there is none of the name, or it is somebody else's.
            MachineNotDraft: it is the caller's own, and no draft any more.
            MachineChanged: it is of another version.
            PictureNotFound: it has none.
        """
        machine = await read(self._store, name, version)
        check_may_change(caller, machine)
        if kind not in machine.pictures:
            raise _no_picture(name, kind)
        return await self._pictured(name, kind, None, version, caller)

    async def show(self, name: str, kind: PictureKind, digest: str, caller: Caller) -> Shown:
        """Shows a picture.

        Args:
            name: `machines/{machine}`.
            kind: which one.
            digest: of the picture that is wanted; empty for the one that it has. Whoever knows it has
                seen the machine, and may see the picture.
            caller: who looks.

        Raises:
            MachineNotFound: there is none, or the caller may not see it.
            PictureNotFound: it has none, or no such one any more.
        """
        machine = await self._store.get(name)
        if machine is None:
            raise no_machine(name)
        picture = machine.pictures.get(kind)
        knows = picture is not None and bool(digest) and digest == picture.digest
        if not knows and not sees(caller, machine):
            raise no_machine(name)
        if picture is None or (digest and not knows):
            raise _no_picture(name, kind)
        kept = await self._pictures.get(machine.uid, picture.digest)
        if kept is None:
            raise _no_picture(name, kind)
        return Shown(picture, kept.content, is_open=knows or sees(Caller(), machine))

    async def _pictured(
        self,
        name: str,
        kind: PictureKind,
        picture: Picture | None,
        version: int | None,
        caller: Caller,
    ) -> Machine:
        def alter(machine: Machine) -> Machine:
            check_may_change(caller, machine)
            return machine.pictured(kind, picture, self._clock.now(), by_admin=caller.is_admin)

        return await change(self._store, name, version, alter, MachineUpdated)


def _no_picture(name: str, kind: PictureKind) -> PictureNotFound:
    return PictureNotFound(
        f"{name} has no such {kind.value}; read the machine: it says which pictures it has.",
        machine=name,
    )
