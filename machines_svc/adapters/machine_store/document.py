"""Machines as documents: plain dicts that every document store keeps as they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chassis.clock import instant_of, millis_of
from machines_svc.domain.health import (
    HttpProbe,
    Liveness,
    LogProbe,
    Probe,
    RestartPolicy,
    TcpProbe,
)
from machines_svc.domain.machine import (
    Lineage,
    Machine,
    MachineSpec,
    Money,
    Picture,
    PictureKind,
    Port,
    Protocol,
    Standing,
    State,
    StopSignal,
    Submission,
    Variable,
    Volume,
)

_MICROSECOND = timedelta(microseconds=1)


def document_of(machine: Machine) -> dict[str, Any]:
    """The document of a machine: times in milliseconds since 1970, spans in microseconds.

    What is empty is left out, so that documents of former releases read as if they had the field.
    """
    spec = machine.spec
    written: dict[str, Any] = {
        "title": spec.title,
        "description": spec.description,
        "image": spec.image,
        "command": list(spec.command),
        "needs_image": spec.needs_image,
        "ports": [
            {"number": p.number, "protocol": p.protocol.value, "title": p.title, "scheme": p.scheme}
            for p in spec.ports
        ],
        "variables": [_variable(variable) for variable in spec.variables],
        "resource_class": spec.resource_class,
        "probe": None if spec.probe is None else _probe(spec.probe),
        "price_per_hour": None
        if spec.price_per_hour is None
        else [spec.price_per_hour.currency_code, spec.price_per_hour.minor_units],
        "stock": spec.stock,
        "labels": dict(spec.labels),
        "run_as": spec.run_as,
        "stop_grace": _micros(spec.stop_grace),
        "stop_signal": None if spec.stop_signal is None else spec.stop_signal.value,
        "volumes": [[volume.path, volume.size_mib, volume.title] for volume in spec.volumes],
        "restart_policy": None if spec.restart_policy is None else spec.restart_policy.value,
        "category": spec.category,
        "tags": list(spec.tags),
    }
    document = {
        "name": machine.name,
        "uid": machine.uid,
        "spec": {
            key: value for key, value in written.items() if value not in (None, "", 0, [], {})
        },
        "state": machine.state.value,
        "publisher": machine.publisher,
        "version": machine.version,
        "create_time": millis_of(machine.create_time),
        "update_time": millis_of(machine.update_time),
    }
    if machine.pictures:
        document["pictures"] = {
            kind.value: {
                "media_type": picture.media_type,
                "digest": picture.digest,
                "width": picture.width,
                "height": picture.height,
                "size_bytes": picture.size_bytes,
            }
            for kind, picture in machine.pictures.items()
        }
    if machine.forked_from is not None:
        document["forked_from"] = [machine.forked_from.machine, machine.forked_from.version]
    if machine.submission is not None:
        document["submission"] = _submission(machine.submission)
    return document


def machine_of(document: Mapping[str, Any], standing: Standing | None = None) -> Machine:
    """The machine of a document; what others make of it stands beside its document."""
    spec = document["spec"]
    price = spec.get("price_per_hour")
    probe = spec.get("probe")
    forked_from = document.get("forked_from")
    submission = document.get("submission")
    return Machine(
        name=document["name"],
        uid=document["uid"],
        spec=MachineSpec(
            title=spec.get("title", ""),
            description=spec.get("description", ""),
            image=spec.get("image", ""),
            command=tuple(spec.get("command", ())),
            needs_image=spec.get("needs_image", False),
            ports=tuple(
                Port(p["number"], Protocol(p["protocol"]), p["title"], p["scheme"])
                for p in spec.get("ports", ())
            ),
            variables=tuple(_variable_of(variable) for variable in spec.get("variables", ())),
            resource_class=spec.get("resource_class", ""),
            probe=None if probe is None else _probe_of(probe),
            price_per_hour=None if price is None else Money(price[0], price[1]),
            stock=spec.get("stock", 0),
            labels=spec.get("labels", {}),
            run_as=spec.get("run_as", ""),
            stop_grace=_span(spec.get("stop_grace")),
            stop_signal=StopSignal(spec["stop_signal"]) if "stop_signal" in spec else None,
            volumes=tuple(Volume(*volume) for volume in spec.get("volumes", ())),
            restart_policy=RestartPolicy(spec["restart_policy"])
            if "restart_policy" in spec
            else None,
            category=spec.get("category", ""),
            tags=tuple(spec.get("tags", ())),
        ),
        state=State(document["state"]),
        publisher=document["publisher"],
        version=document["version"],
        create_time=instant_of(document["create_time"]),
        update_time=instant_of(document["update_time"]),
        pictures={
            PictureKind(kind): Picture(**picture)
            for kind, picture in document.get("pictures", {}).items()
        },
        forked_from=None if forked_from is None else Lineage(*forked_from),
        submission=None if submission is None else _submission_of(submission),
        standing=standing or Standing(),
    )


def _submission(submission: Submission) -> dict[str, Any]:
    rejected = submission.reject_time
    return {
        "submit_time": millis_of(submission.submit_time),
        "reject_time": None if rejected is None else millis_of(rejected),
        "rejection": submission.rejection,
    }


def _submission_of(written: Mapping[str, Any]) -> Submission:
    rejected = written["reject_time"]
    return Submission(
        instant_of(written["submit_time"]),
        None if rejected is None else instant_of(rejected),
        written["rejection"],
    )


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "key": variable.key,
        "title": variable.title,
        "description": variable.description,
        "required": variable.required,
        "default_value": variable.default_value,
        "secret": variable.secret,
        "choices": list(variable.choices),
        "pattern": variable.pattern,
        **({"generated_length": variable.generated_length} if variable.generated_length else {}),
    }


def _variable_of(written: Mapping[str, Any]) -> Variable:
    return Variable(**{**written, "choices": tuple(written["choices"])})


def _probe(probe: Probe) -> dict[str, Any]:
    written: dict[str, Any] = {"timeout": _micros(probe.timeout)}
    match probe.check:
        case TcpProbe(port=port):
            written["tcp"] = {"port": port}
        case HttpProbe(port=port, path=path):
            written["http"] = {"port": port, "path": path}
        case LogProbe(pattern=pattern):
            written["log"] = {"pattern": pattern}
        case None:
            pass
    if probe.liveness is not None:
        live = probe.liveness
        written["liveness"] = [live.restart, _micros(live.period), live.failures]
    return written


def _probe_of(written: Mapping[str, Any]) -> Probe:
    check: TcpProbe | HttpProbe | LogProbe | None = None
    if "tcp" in written:
        check = TcpProbe(**written["tcp"])
    elif "http" in written:
        check = HttpProbe(**written["http"])
    elif "log" in written:
        check = LogProbe(**written["log"])
    live = written.get("liveness")
    liveness = None if live is None else Liveness(live[0], _span(live[1]), live[2])
    return Probe(check, _span(written["timeout"]), liveness)


def _micros(span: timedelta | None) -> int | None:
    return None if span is None else span // _MICROSECOND


def _span(micros: int | None) -> timedelta | None:
    return None if micros is None else timedelta(microseconds=micros)
