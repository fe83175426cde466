"""Machines as YAML documents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib import resources

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from allocctl.machine_schema import machine_schema
from chassis.faults import Invalid
from machines_svc.domain.health import HttpProbe, Liveness, Probe, RestartPolicy
from machines_svc.domain.machine import (
    Machine,
    MachineSpec,
    Money,
    Port,
    Protocol,
    State,
    StopSignal,
    Variable,
    Volume,
)
from machines_svc.transport.definition import read, written

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SCHEMA = jsonschema.Draft202012Validator(machine_schema())
FULL = MachineSpec(
    title="no: yes # 12:30",
    description="# Markdown\n\n    code  \n\ttab\r\nend",
    image="redis:7",
    command=("sh", "-c", "echo a\n\nexec b\n", ""),
    needs_image=True,
    ports=(Port(80, Protocol.TCP, "web", "http"), Port(53, Protocol.UDP)),
    variables=(Variable("A", choices=("no", "1", "null"), default_value="no"), Variable("B", secret=True, generated_length=20)),
    resource_class="small",
    probe=Probe(HttpProbe(80, "/"), timedelta(seconds=5), Liveness(restart=True, period=timedelta(seconds=2.5), failures=5)),
    price_per_hour=Money("EUR", 10**15),
    stock=3,
    labels={"team": "1e3"},
    run_as="1000:1000",
    stop_grace=timedelta(seconds=2.5),
    stop_signal=StopSignal.SIGINT,
    restart_policy=RestartPolicy.ON_FAILURE,
    volumes=(Volume("/data", 1024, "files: all"), Volume("/var/lib/x", 10485760)),
    category="web",
    tags=("a", "b+"),
)  # fmt: skip


def machine(spec: MachineSpec) -> Machine:
    return Machine("machines/redis", "uid", spec, State.ACTIVE, "users/a", 7, NOW, NOW)


def test_what_is_written_is_read_again() -> None:
    document = written(machine(FULL))
    assert read(document) == ("machines/redis", FULL)
    SCHEMA.validate(yaml.safe_load(document))


@given(TEXT, TEXT)
def test_any_text_is_read_as_it_was_written(title: str, description: str) -> None:
    spec = MachineSpec(title=title or "t", description=description, image="i")
    assert read(written(machine(spec))) == ("machines/redis", spec)


def test_the_starter_catalogue_fits_the_schema() -> None:
    files = list(resources.files("machines_svc.catalogue").iterdir())
    documents = [f.read_text() for f in files if f.name.endswith(".yaml")]
    assert len(documents) >= 8
    for document in documents:
        SCHEMA.validate(yaml.safe_load(document))
        json.dumps(yaml.safe_load(document))


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ("", "DEFINITION_INVALID"),
        ("- a", "DEFINITION_INVALID"),
        ("a: [", "DEFINITION_INVALID"),
        ("a: 1\nb: 2\n---\nc: 3", "DEFINITION_INVALID"),
        ("a: &x 1\nb: *x", "DEFINITION_INVALID"),
        ("a: !!python/object/apply:os.system ['true']", "DEFINITION_INVALID"),
        ("a: !!binary aGk=", "DEFINITION_INVALID"),
        ("title: a\ntitle: b", "DEFINITION_INVALID"),
        ("1: a", "DEFINITION_INVALID"),
        ("? {a: b}\n: c", "DEFINITION_INVALID"),
        ("a: " + "[" * 50 + "]" * 50, "DEFINITION_INVALID"),
        ("<<: {a: b}", "DEFINITION_INVALID"),
        ("title: t\nimage: i", "DEFINITION_INVALID"),
        ("name: users/x\ntitle: t\nimage: i", "DEFINITION_INVALID"),
        ("name: machines/x\ntitle: t\nimage: i\nstate: ACTIVE", "DEFINITION_INVALID"),
        ("name: machines/x\ntitle: t\nimage: i\nversion: 3", "DEFINITION_INVALID"),
        ("name: machines/x\ntitle: t\nimage: i\nunknown: 3", "DEFINITION_INVALID"),
        ("name: machines/x\ntitle: [t]\nimage: i", "DEFINITION_INVALID"),
        ("name: machines/x\ntitle: t\nimage: i\nstock: 1e9999", "DEFINITION_INVALID"),
        ("name: machines/X\ntitle: t\nimage: i", "REQUEST_INVALID"),
        ("name: machines/x\ntitle: t", "REQUEST_INVALID"),
        ("name: machines/x\nimage: i", "REQUEST_INVALID"),
        ("#" * 300_000, "DEFINITION_INVALID"),
        (r'{"\uda3b": null}', "DEFINITION_INVALID"),
        (r'{"name": "machines/x", "image": "i", "title": "\uda3b"}', "DEFINITION_INVALID"),
    ],
)
def test_what_describes_no_machine_is_refused(document: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        read(document.encode())
    assert refused.value.reason == reason
    assert refused.value.fields
    assert refused.value.message.encode()
    assert all(one.message.encode() for one in refused.value.fields)


@given(st.binary(max_size=60))
def test_no_bytes_break_the_reader(document: bytes) -> None:
    with pytest.raises(Invalid):
        read(document)


def test_words_of_yaml_1_1_are_text() -> None:
    _, spec = read(
        b"name: machines/x\ntitle: no\nimage: 'on'\nlabels: {a: 12:30, b: 2026-03-01, c: 1_0}"
    )
    assert spec.title == "no"
    assert spec.labels == {"a": "12:30", "b": "2026-03-01", "c": "1_0"}
