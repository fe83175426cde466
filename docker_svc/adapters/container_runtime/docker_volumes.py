"""The volumes of containers: volumes of the engine with our labels, which outlast containers."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath

from aiodocker import Docker
from aiodocker.containers import DockerContainer
from aiodocker.exceptions import DockerError

from docker_svc.adapters.container_runtime.docker_config import (
    LABEL_INSTALLATION,
    ContainerPolicy,
)
from docker_svc.adapters.container_runtime.docker_engine import asked, start_fault
from docker_svc.domain import EngineRefused, InstanceKey, InstanceSpec, volume_ids

_SECONDS = 60.0
_FIRST_BYTES = 16384
_ROOT = ("", "0", "root")


class NamedVolumes:
    """Makes volumes for instances, and gives them to their users; touches none without our label.

    Args:
        docker: the engine.
        policy: for names and labels.
    """

    def __init__(self, docker: Docker, policy: ContainerPolicy) -> None:
        self._docker = docker
        self._policy = policy

    async def provide(self, key: InstanceKey, spec: InstanceSpec) -> None:
        """Makes the volumes that are not there.

        Raises:
            EngineRefused: somebody else has one of that name, or the engine does not make it.
            EngineUnavailable: the engine does not answer.
        """
        for identity, volume in zip(
            volume_ids(key.allocation, spec.volumes), spec.volumes, strict=True
        ):
            config = self._policy.volume_config(key, identity, volume)
            try:
                async with asked(_SECONDS):
                    made = await self._docker.volumes.create(config)  # type: ignore[no-untyped-call]
                    labels = (await made.show())["Labels"] or {}
            except DockerError as error:
                raise start_fault(error) from error
            # Whose of ours it is may have changed since it was made; labels cannot.
            if labels.get(LABEL_INSTALLATION) != self._policy.installation:
                raise EngineRefused(
                    f"The engine has a volume {config['Name']} that is not ours. Rename or remove it."
                )

    async def hand_over(self, container: DockerContainer) -> None:
        """Gives the volumes of a container that never ran to the user that its program runs as.

        The engine gives a new volume the owner of the image's folder at that path. Where there is no
        such folder, or it is root's, somebody else could not write there.

        Raises:
            DockerError: the engine says no.
            EngineUnavailable: the engine does not answer.
        """
        async with asked(_SECONDS):
            shown = await container.show()
            user = shown["Config"]["User"] or ""
            if user.partition(":")[0] in _ROOT:
                return
            for mount in shown["HostConfig"]["Mounts"]:
                there = await self._entry(container, mount["Target"])
                if there.uid == 0:
                    there.uid, there.gid = await self._ids(container, user)
                    await self._put(container, PurePosixPath(mount["Target"]), there)

    async def _entry(self, container: DockerContainer, path: str) -> tarfile.TarInfo:
        """What the engine says of a folder; the rest of its archive is not waited for."""
        async with self._docker._query(  # noqa: SLF001 - the client reads archives as a whole
            f"containers/{container.id}/archive", params={"path": path}
        ) as response:
            began = b""
            while len(began) < _FIRST_BYTES and (
                chunk := await response.content.read(_FIRST_BYTES)
            ):
                began += chunk
        # Long enough for one entry and what may stand before it, whatever comes after.
        with tarfile.open(fileobj=io.BytesIO(began), mode="r:", ignore_zeros=True) as archive:
            entry = archive.next()
        if entry is None:
            raise DockerError(500, f"the engine says nothing of {path}")
        return entry

    async def _put(
        self, container: DockerContainer, path: PurePosixPath, entry: tarfile.TarInfo
    ) -> None:
        entry.name = path.name
        entry.uname = entry.gname = ""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(entry)
        await container.put_archive(str(path.parent), packed.getvalue())  # type: ignore[no-untyped-call]

    async def _ids(self, container: DockerContainer, user: str) -> tuple[int, int]:
        """The numbers of a user, `redis:redis` or `1000`, by the files of the image."""
        name, _, group = user.partition(":")
        rows = await self._rows(container, "passwd")
        row = next((row for row in rows if name in (row[0], row[2])), ["", "", name, "0"])
        if not group:
            return _number(row[2], user), _number(row[3], user)
        if not group.isdecimal():
            rows = await self._rows(container, "group")
            group = next((row[2] for row in rows if row[0] == group), group)
        return _number(row[2], user), _number(group, user)

    async def _rows(self, container: DockerContainer, name: str) -> list[list[str]]:
        try:
            archive = await container.get_archive(f"/etc/{name}")
        except DockerError as error:
            if error.status != 404:
                raise
            return []
        file = archive.extractfile(name)
        text = file.read().decode("utf-8", "replace") if file is not None else ""
        return [row for line in text.splitlines() if len(row := line.split(":")) > 3]


def _number(text: str, user: str) -> int:
    if not text.isdecimal():
        # The engine would say the same a moment later.
        raise DockerError(400, f"unable to find user {user}")
    return int(text)
