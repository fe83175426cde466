"""Which entries of an archive may become part of a volume, or leave it."""

from __future__ import annotations

import tarfile

from docker_svc.domain.faults import ArchiveInvalid, ArchiveUnsafe

LEFT_OUT = ".allocator-left-out.txt"
"""The file in an archive of ours that names what was left out; it never becomes part of a volume."""

_MOST_LINKS = 100_000
_MOST_ENTRIES = 2_000_000
_LONGEST_NAME = 4096
_LONGEST_PART = 255
_PERMISSIONS = 0o777


class SafeEntries:
    """Looks at the entries of one archive, one after another.

    Safe is: a regular file, a folder, or a link that stays in the volume, by a name that does. A target
    may begin with `..` as often as that stays inside, and have none after that: the names before it may
    be links themselves. Nothing may be put where a link leads, so the order of entries does not matter.
    """

    def __init__(self) -> None:
        """Knows of no entry yet."""
        self._links: set[str] = set()
        self._count = 0

    def checked(self, entry: tarfile.TarInfo) -> tarfile.TarInfo:
        """The entry with its name made plain: `a/b`, or `.` for the volume itself.

        Raises:
            ArchiveUnsafe: it leads out of the volume, or is no file, folder or link.
            ArchiveInvalid: there are too many.
        """
        self._count += 1
        if self._count > _MOST_ENTRIES:
            raise ArchiveInvalid(f"The archive has more than {_MOST_ENTRIES} entries.")
        parts = self._parts(entry.name, entry.name)
        name = "/".join(parts)
        for depth in range(1, len(parts)):
            if "/".join(parts[:depth]) in self._links:
                raise _unsafe(entry.name, "is behind a link")
        if name in self._links:
            raise _unsafe(entry.name, "is there twice, once as a link")
        if not parts and not entry.isdir():
            raise _unsafe(entry.name, "has no name")
        if entry.issym():
            self._check_target(entry, len(parts) - 1)
            self._remember(name)
        elif entry.islnk():
            entry.linkname = "/".join(self._parts(entry.linkname, entry.name))
            if entry.linkname in self._links or not entry.linkname:
                raise _unsafe(entry.name, "is the same as a link or a folder")
        elif not (entry.isreg() or entry.isdir()):
            raise _unsafe(entry.name, "is a device, a pipe or a socket")
        entry.name = name or "."
        # Nobody becomes somebody else by a file that came in an archive.
        entry.mode &= _PERMISSIONS
        entry.uname = entry.gname = ""
        entry.mtime = max(0, int(entry.mtime))
        return entry

    @staticmethod
    def _parts(name: str, shown: str) -> list[str]:
        if name.startswith("/"):
            raise _unsafe(shown, "begins with a slash")
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise _unsafe(shown, "leads out by `..`")
        if len(name) > _LONGEST_NAME or any(len(part) > _LONGEST_PART for part in parts):
            raise _unsafe(shown, "has too long a name")
        if "\0" in name:
            raise _unsafe(shown, "has a zero in its name")
        return parts

    @staticmethod
    def _check_target(entry: tarfile.TarInfo, depth: int) -> None:
        target = entry.linkname
        parts = [part for part in target.split("/") if part not in ("", ".")]
        ups = 0
        while ups < len(parts) and parts[ups] == "..":
            ups += 1
        if not target or target.startswith("/") or ups > depth or ".." in parts[ups:]:
            raise _unsafe(entry.name, f"is a link that leads out, to {target[:200]!r}")
        if "\0" in target or len(target) > _LONGEST_NAME:
            raise _unsafe(entry.name, "is a link to nowhere")

    def _remember(self, name: str) -> None:
        if len(self._links) >= _MOST_LINKS:
            raise ArchiveInvalid(f"The archive has more than {_MOST_LINKS} links.")
        self._links.add(name)


def _unsafe(name: str, why: str) -> ArchiveUnsafe:
    return ArchiveUnsafe(
        f"{name[:200]!r} {why}; leave it out and send the archive again.", entry=name[:200]
    )
