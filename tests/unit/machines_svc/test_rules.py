"""What a machine may say of itself."""

from __future__ import annotations

import posixpath
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines_svc.domain.faults import SpecInvalid, VariableInvalid, VolumeInvalid
from machines_svc.domain.health import HttpProbe, LogProbe, Probe, TcpProbe
from machines_svc.domain.machine import MachineSpec, Port, Protocol, Variable, Volume
from machines_svc.domain.rules import check_spec


def spec(**parts: Any) -> MachineSpec:
    return MachineSpec(**{"title": "t", "image": "i", "ports": (Port(80),), **parts})


@pytest.mark.parametrize(
    "good",
    [
        spec(),
        spec(image="", command=("x",)),
        spec(command=("x", ""), needs_image=True),
        spec(ports=(Port(53), Port(53, Protocol.UDP))),
        spec(ports=(), probe=Probe(LogProbe("begins"))),
        spec(ports=(), probe=Probe()),
        spec(probe=Probe(TcpProbe())),
        spec(ports=(Port(53, Protocol.UDP), Port(80)), probe=Probe(HttpProbe(80, "/"))),
        spec(variables=(Variable("A", default_value="x", choices=("x", "y"), pattern="[xy]"),)),
        spec(variables=(Variable("A", secret=True, required=True, pattern=".{8,}"),)),
        spec(volumes=(Volume("/data", 1), Volume("/data-2", 1), Volume("/var/lib/data", 1))),
        spec(volumes=(Volume("/etc/tool", 1), Volume("/usr/share/x", 1), Volume("/.a/..b", 1))),
        spec(variables=(Variable("PATHS"), Variable("a"), Variable("A"), Variable("REPORT"))),
    ],
)
def test_a_good_machine_is_accepted(good: MachineSpec) -> None:
    check_spec(good)


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (spec(image=""), "machine.image"),
        (spec(command=(" ",)), "machine.command[0]"),
        (spec(command=("x", "a\0b")), "machine.command[1]"),
        (spec(needs_image=True), "machine.needs_image"),
        (spec(image="", command=("x",), needs_image=True), "machine.needs_image"),
        (spec(image="", command=("x",), run_as="1000"), "machine.run_as"),
        (spec(ports=(Port(80), Port(81), Port(80))), "machine.ports[2].number"),
        (spec(ports=(), probe=Probe(TcpProbe())), "machine.probe.tcp"),
        (spec(ports=(), probe=Probe(HttpProbe(80))), "machine.probe.http"),
        (spec(probe=Probe(TcpProbe(81))), "machine.probe.tcp.port"),
        (spec(probe=Probe(HttpProbe(81))), "machine.probe.http.port"),
        (spec(ports=(Port(53, Protocol.UDP),), probe=Probe(TcpProbe())), "machine.probe.tcp.port"),
        (spec(probe=Probe(LogProbe("("))), "machine.probe.log.pattern"),
    ],
)
def test_what_contradicts_itself_is_named(bad: MachineSpec, field: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        check_spec(bad)
    assert [violation.field for violation in caught.value.fields] == [field]
    assert caught.value.reason == "REQUEST_INVALID"


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        *(
            (Variable(key), "key")
            for key in (
                "PATH",
                "HOME",
                "IFS",
                "PORT",
                "PORT_8080",
                "LD_PRELOAD",
                "LD_LIBRARY_PATH",
                "DYLD_INSERT_LIBRARIES",
                "PYTHONPATH",
                "PYTHONSTARTUP",
                "BASH_ENV",
                "ENV",
                "PS4",
                "ALLOCATOR_BIND_ADDRESS",
                "GLIBC_TUNABLES",
                "NODE_OPTIONS",
                "PERL5OPT",
                "ld_preload",
            )
        ),
        (Variable("A", pattern="(a+)+"), "pattern"),
        (Variable("A", default_value="z", choices=("x", "y")), "default_value"),
        (Variable("A", default_value="z", pattern="[xy]"), "default_value"),
        (Variable("A", default_value="xx", pattern="x"), "default_value"),
        (Variable("A", default_value="x", secret=True), "default_value"),
        (Variable("A", default_value="x\0"), "default_value"),
        (Variable("A", choices=("x", "x")), "choices"),
        (Variable("A", choices=("x", "")), "choices[1]"),
        (Variable("A", choices=("x", "z"), pattern="[xy]"), "choices[1]"),
    ],
)
def test_a_bad_variable_is_named(variable: Variable, part: str) -> None:
    with pytest.raises(VariableInvalid) as caught:
        check_spec(spec(variables=(Variable("FIRST"), variable)))
    assert [v.field for v in caught.value.fields] == [f"machine.variables[1].{part}"]
    assert caught.value.reason == "VARIABLE_INVALID"


def test_a_key_stands_once() -> None:
    with pytest.raises(VariableInvalid) as caught:
        check_spec(spec(variables=(Variable("A"), Variable("A"))))
    assert [v.field for v in caught.value.fields] == ["machine.variables[1].key"]


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SpecInvalid) as caught:
        check_spec(spec(image="", variables=(Variable("PATH"), Variable("A", pattern="("))))
    assert [v.field for v in caught.value.fields] == [
        "machine.image",
        "machine.variables[0].key",
        "machine.variables[1].pattern",
    ]


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/etc", "/usr/bin", "/proc", "/proc/x", "/sys/fs", "/dev/shm"),
        *("/a/", "//a", "/a//b", "/a/./b", "/a/../b", "/.."),
        *("/data", "/data/in", "/deep"),
    ],
)
def test_a_bad_volume_is_named(path: str) -> None:
    good = (Volume("/data", 1), Volume("/deep/er", 1))
    with pytest.raises(VolumeInvalid) as caught:
        check_spec(spec(volumes=(*good, Volume(path, 1))))
    assert caught.value.reason == "VOLUME_INVALID"
    assert {problem.field for problem in caught.value.fields} == {"machine.volumes[2].path"}


def test_a_bad_volume_and_a_bad_variable_are_both_named() -> None:
    with pytest.raises(SpecInvalid) as caught:
        check_spec(spec(volumes=(Volume("/etc", 1),), variables=(Variable("PATH"),)))
    fields = [problem.field for problem in caught.value.fields]
    assert fields == ["machine.volumes[0].path", "machine.variables[0].key"]


PARTS = st.lists(st.sampled_from(["", ".", "..", "a", "b", "proc", "etc"]), min_size=1, max_size=3)


@given(st.lists(PARTS.map(lambda parts: "/" + "/".join(parts)), max_size=4))
def test_volumes_that_are_taken_are_apart_and_of_no_system(paths: list[str]) -> None:
    try:
        check_spec(spec(volumes=tuple(Volume(path, 1) for path in paths)))
    except VolumeInvalid:
        return
    for path in paths:
        assert posixpath.normpath(path) == path
        assert path not in ("/", "/etc")
        assert posixpath.commonpath([path, "/proc"]) != "/proc"
    for one, other in combinations(paths, 2):
        assert posixpath.commonpath([one, other]) not in (one, other)
