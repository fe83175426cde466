"""A program and its device in plain words, from what it says of itself."""

from __future__ import annotations

import ipaddress
import re

UNKNOWN = "unknown program"
_LONGEST = 40

# In this order: a browser also names those that it wants to be taken for.
_BROWSERS = (
    ("Edge", re.compile(r"\bEdg(?:e|A|iOS)?/")),
    ("Opera", re.compile(r"\b(?:OPR|Opera)/")),
    ("Samsung Internet", re.compile(r"\bSamsungBrowser/")),
    ("Firefox", re.compile(r"\b(?:Firefox|FxiOS)/")),
    ("Chrome", re.compile(r"\b(?:Chrome|CriOS|Chromium|HeadlessChrome)/")),
    ("Safari", re.compile(r"\bVersion/\S+ .*Safari/")),
)
_SYSTEMS = (
    ("Android", re.compile(r"\bAndroid\b")),
    ("iPhone", re.compile(r"\biPhone\b")),
    ("iPad", re.compile(r"\biPad\b")),
    ("Windows", re.compile(r"\bWindows\b")),
    ("ChromeOS", re.compile(r"\bCrOS\b")),
    ("macOS", re.compile(r"\bMac ?OS X\b|\bMacintosh\b")),
    ("Linux", re.compile(r"\bLinux\b|\bX11\b")),
)
_PROGRAM = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*")


def device_of(user_agent: str) -> str:
    """Such as `Firefox on Linux`, `allocctl`, `curl`; never empty, at most 40 characters.

    Versions are left out: an update makes no new device.
    """
    browser = _first(_BROWSERS, user_agent)
    system = _first(_SYSTEMS, user_agent)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = _PROGRAM.match(user_agent.strip())
    name = program[0].partition(" ")[0][:_LONGEST] if program else ""
    if not name or name == "Mozilla":
        return f"{UNKNOWN} on {system}" if system else UNKNOWN
    return name


def network_of(address: str) -> str:
    """Where an address is: itself, or of IPv6, whose hosts change theirs each day, its first half."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def _first(names: tuple[tuple[str, re.Pattern[str]], ...], text: str) -> str:
    return next((name for name, pattern in names if pattern.search(text)), "")
