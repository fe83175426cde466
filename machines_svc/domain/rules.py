"""What a machine may say of itself, beyond what the contract can express."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from string import ascii_letters, digits

from chassis.faults import FieldViolation
from machines_svc.domain.expressions import ExpressionRefused, compiled
from machines_svc.domain.faults import (
    CommandAdminsOnly,
    SpecInvalid,
    VariableInvalid,
    VolumeInvalid,
)
from machines_svc.domain.health import HttpProbe, LogProbe, TcpProbe
from machines_svc.domain.machine import MachineSpec, Protocol, Variable

_RESERVED_PREFIXES = ("LD_", "DYLD_", "PYTHON", "BASH_", "ALLOCATOR_", "MALLOC_", "KUBERNETES_")
_OF_THE_SHELL = {
    "PATH", "HOME", "IFS", "ENV", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "SHLVL",
    "CDPATH", "SHELLOPTS", "BASHOPTS", "GLOBIGNORE", "PROMPT_COMMAND", "PS0", "PS1", "PS2",
    "PS3", "PS4"
}  # fmt: skip
_OF_THE_C_LIBRARY = {
    "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "HOSTALIASES", "LOCALDOMAIN",
    "RES_OPTIONS", "RESOLV_HOST_CONF", "GETCONF_DIR", "TZDIR", "TMPDIR", "HOSTNAME"
}  # fmt: skip
_OF_INTERPRETERS = {
    "PERL5LIB", "PERL5OPT", "PERLLIB", "RUBYLIB", "RUBYOPT", "NODE_OPTIONS", "NODE_PATH",
    "CLASSPATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "LUA_PATH",
    "LUA_CPATH", "LUA_INIT"
}  # fmt: skip
_RESERVED = frozenset({"PORT"} | _OF_THE_SHELL | _OF_THE_C_LIBRARY | _OF_INTERPRETERS)
_OF_THE_SYSTEM = {
    "/", "/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/run", "/sbin", "/usr",
    "/usr/bin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/sbin", "/var", "/var/run"
}  # fmt: skip
_OF_THE_KERNEL = ("/proc", "/sys", "/dev")
_PORT_OF = re.compile(r"PORT_[0-9]+")


def check_spec(spec: MachineSpec) -> None:
    """Makes sure that a machine can be offered as it says.

    Args:
        spec: what keeps the rules of the contract already.

    Raises:
        VariableInvalid: only variables are wrong; each field is named.
        VolumeInvalid: only volumes are wrong; each field is named.
        SpecInvalid: something else is, or several; each field is named.
    """
    found = {
        SpecInvalid: list(_other_problems(spec)),
        VolumeInvalid: list(_volume_problems(spec)),
        VariableInvalid: list(_variable_problems(spec)),
    }
    problems = [problem for kind in found.values() for problem in kind]
    if not problems:
        return
    message = f"The machine is not valid: {'; '.join(f'{p.field}: {p.message}' for p in problems)}."
    kinds = [fault for fault, kind in found.items() if kind]
    raise (kinds[0] if len(kinds) == 1 else SpecInvalid)(message, fields=problems)


def check_by_people(spec: MachineSpec, kept: MachineSpec | None) -> MachineSpec:
    """Makes sure that somebody who is no admin may offer a machine that is so.

    Theirs run in containers only, as their image says: a command is an admin's, or one that was taken
    over with a fork and never changed.

    Args:
        spec: how it shall be.
        kept: how it is, or what it is forked from; None for one that is made from nothing.

    Returns:
        The spec; one with a command says that it needs its image.

    Raises:
        CommandAdminsOnly: they may not.
    """
    if not spec.image:
        raise CommandAdminsOnly(
            "Only admins offer machines without an image; name the image that it runs.",
            fields=[FieldViolation("machine.image", "name an image")],
        )
    if spec.command and (kept is None or spec.command != kept.command):
        raise CommandAdminsOnly(
            "Only admins say what command a machine runs; leave it out, so that the image runs what "
            "it runs by itself.",
            fields=[FieldViolation("machine.command", "leave it out")],
        )
    return replace(spec, needs_image=bool(spec.command))


def _other_problems(spec: MachineSpec) -> Iterator[FieldViolation]:
    if not spec.image and not spec.command:
        yield FieldViolation("machine.image", "give an image, a command, or both")
    if spec.command and not spec.command[0].strip():
        yield FieldViolation("machine.command[0]", "name the program; it cannot be empty")
    for place, part in enumerate(spec.command):
        if "\0" in part:
            yield FieldViolation(f"machine.command[{place}]", "it cannot hold a NUL character")
    if spec.needs_image and not (spec.image and spec.command):
        yield FieldViolation(
            "machine.needs_image", "it is for machines with both an image and a command"
        )
    if spec.run_as and not spec.image:
        yield FieldViolation("machine.run_as", "only a machine with an image runs as another user")
    taken: set[tuple[int, Protocol]] = set()
    for place, port in enumerate(spec.ports):
        if (port.number, port.protocol) in taken:
            yield FieldViolation(
                f"machine.ports[{place}].number",
                f"{port.number}/{port.protocol.value} stands in the list already",
            )
        taken.add((port.number, port.protocol))
    yield from _probe_problems(spec)


def _probe_problems(spec: MachineSpec) -> Iterator[FieldViolation]:
    check = spec.probe.check if spec.probe else None
    match check:
        case TcpProbe(port=number):
            path = "machine.probe.tcp"
        case HttpProbe(port=number):
            path = "machine.probe.http"
        case LogProbe(pattern=pattern):
            try:
                compiled(pattern)
            except ExpressionRefused as problem:
                yield FieldViolation("machine.probe.log.pattern", str(problem))
            return
        case None:
            return
    if not spec.ports:
        yield FieldViolation(
            path, "the machine has no ports; look at its log instead, or leave the probe out"
        )
        return
    looked_at = [p for p in spec.ports if p.number == number] if number else [spec.ports[0]]
    if not looked_at:
        yield FieldViolation(f"{path}.port", f"{number} is not among the machine's ports")
    elif not any(port.protocol is Protocol.TCP for port in looked_at):
        yield FieldViolation(
            f"{path}.port", f"{looked_at[0].number} is a UDP port, which cannot be probed"
        )


def _volume_problems(spec: MachineSpec) -> Iterator[FieldViolation]:
    for place, volume in enumerate(spec.volumes):
        path, field = volume.path, f"machine.volumes[{place}].path"
        if path != "/" and {"", ".", ".."} & set(path.split("/")[1:]):
            yield FieldViolation(field, "write it without `.`, `..`, `//` and a `/` at its end")
        elif path in _OF_THE_SYSTEM or any(_holds(one, path) for one in _OF_THE_KERNEL):
            yield FieldViolation(field, f"{path} belongs to the system; use a folder of its own")
        for other in spec.volumes[:place]:
            if _holds(other.path, path) or _holds(path, other.path):
                yield FieldViolation(field, f"it overlaps {other.path}, a volume before it")


def _holds(folder: str, path: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _variable_problems(spec: MachineSpec) -> Iterator[FieldViolation]:
    keys: set[str] = set()
    for place, variable in enumerate(spec.variables):
        path = f"machine.variables[{place}]"
        key = variable.key.upper()
        if key in _RESERVED or _PORT_OF.fullmatch(key) or key.startswith(_RESERVED_PREFIXES):
            yield FieldViolation(
                f"{path}.key", f"{variable.key} means something to the shell, the loader or us"
            )
        if variable.key in keys:
            yield FieldViolation(f"{path}.key", f"{variable.key} stands in the list already")
        keys.add(variable.key)
        yield from _value_problems(path, variable)


def _value_problems(path: str, variable: Variable) -> Iterator[FieldViolation]:
    pattern: re.Pattern[str] | None = None
    if variable.pattern:
        try:
            pattern = compiled(variable.pattern)
        except ExpressionRefused as problem:
            yield FieldViolation(f"{path}.pattern", str(problem))
    if len(set(variable.choices)) < len(variable.choices):
        yield FieldViolation(f"{path}.choices", "a choice stands there twice")
    for place, choice in enumerate(variable.choices):
        if not choice or "\0" in choice:
            yield FieldViolation(
                f"{path}.choices[{place}]", "it cannot be empty or hold a NUL character"
            )
        elif pattern and not pattern.fullmatch(choice):
            yield FieldViolation(f"{path}.choices[{place}]", "it does not match the pattern")
    yield from _generation_problems(path, variable, pattern)
    default = variable.default_value
    if not default:
        return
    if variable.secret:
        yield FieldViolation(
            f"{path}.default_value", "a secret has no default: everybody could read it"
        )
    if "\0" in default:
        yield FieldViolation(f"{path}.default_value", "it cannot hold a NUL character")
    if variable.choices and default not in variable.choices:
        yield FieldViolation(f"{path}.default_value", "it is not among the choices")
    if pattern and not pattern.fullmatch(default):
        yield FieldViolation(f"{path}.default_value", "it does not match the pattern")


def _generation_problems(
    path: str, variable: Variable, pattern: re.Pattern[str] | None
) -> Iterator[FieldViolation]:
    length = variable.generated_length
    if not length:
        return
    path = f"{path}.generated_length"
    if not variable.secret:
        yield FieldViolation(path, "only secret variables have a value made for them")
    if variable.choices:
        yield FieldViolation(path, "what is made is no choice; leave the choices out")
    # What is made is any row of letters and digits: if these fit, hardly anything does not.
    samples = (ascii_letters + digits, "a", "Z", "0", "9a", "Zz9")
    if pattern and not all(pattern.fullmatch((s * length)[:length]) for s in samples):
        yield FieldViolation(
            path, f"{length} letters and digits do not always match the pattern; widen it"
        )
