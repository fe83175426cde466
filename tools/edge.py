"""Makes the edge's routes and refusals, and the pages that it serves, from the contracts.

`python tools/edge.py` writes `nginx/routes.conf` (which path belongs to which service) and
`nginx/refusals.conf` (what nginx says by itself, as a problem document or a gRPC status); with
`--check` it fails where one differs. `--site FOLDER` writes what the edge serves of the contracts: the
OpenAPI document of the whole surface, the page to try it, and the pages that explain the reasons.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from allocator.reasons.v1 import reason_pb2

from chassis.faults import (
    DeadlineExceeded,
    Exhausted,
    Fault,
    Forbidden,
    Internal,
    Invalid,
    Unavailable,
    Unimplemented,
)
from chassis.rest import SECURITY_HEADERS, problem_of
from chassis.rest.binding import bindings_of
from chassis.rest.openapi import document_bytes
from chassis.rest.pages import document_routes
from chassis.rest.problem import PROBLEM_JSON, BodyTooLarge, NoSuchPage, NoSuchVerb, problem_headers
from chassis.rest.templates import ONE
from chassis.rpc.contract import Method, public_methods
from chassis.rpc.status import DETAILS_KEY, status_of

ROOT = Path(__file__).resolve().parent.parent
MADE = "# Made by tools/edge.py: do not edit.\n"

OWNERS: Mapping[str, str] = {
    "allocator.access.v1": "user_svc",
    "allocator.allocations.v1": "allocation_svc",
    "allocator.consoles.v1": "interact_svc",
    "allocator.containers.v1": "docker_svc",
    "allocator.directory.v1": "broker",
    "allocator.feed.v1": "feed_svc",
    "allocator.machines.v1": "machines_svc",
    "allocator.notifications.v1": "notifier",
    "allocator.timeline.v1": "broker",
    "allocator.users.v1": "user_svc",
}
"""Which service serves what a package declares."""

SOCKETS: Mapping[str, str] = {
    "/interact/": "interact_svc",
    "/v1/allocations/*/console": "interact_svc",
}
"""WebSockets, which no contract has."""

DOCUMENTS: Mapping[str, str] = {"/.well-known/jwks.json": "user_svc"}
"""What else a service serves for everybody."""

PREFIXES = ("user", "machine", "allocation", "feed")
"""`/user/v1/users/me` is another way to say `/v1/users/me`."""

REFLECTION = {"grpc.reflection.v1alpha.ServerReflection": "user_svc"}
"""Every service tells the edge about all public ones; one is asked."""


def owner_of(method: Method) -> str:
    """The service that serves a method.

    Raises:
        SystemExit: the table does not say.
    """
    package = method.descriptor.containing_service.file.package
    if package not in OWNERS:
        sys.exit(f"tools/edge.py does not say which service owns {package}: add it to OWNERS")
    return OWNERS[package]


# routes


@dataclass(frozen=True, slots=True)
class Rest:
    """A path of the surface.

    Attributes:
        template: `/v1/allocations/*:start`.
        owner: the service that serves it.
        kind: `stream` where it answers with a stream, `upload` where its body may be of any length;
            empty for all others.
    """

    template: str
    owner: str
    kind: str

    @property
    def collection(self) -> str:
        """What it begins with: `/v1/allocations`."""
        return "/".join(self.template.split("/")[:3]).partition(":")[0]


def kind_of(method: Method) -> str:
    """What the edge has to know of a method: `stream`, `upload`, or nothing."""
    return "upload" if method.takes_stream else "stream" if method.streams else ""


def rest_paths(methods: Sequence[Method]) -> list[Rest]:
    """The paths of the methods' HTTP rules, each once.

    Raises:
        SystemExit: two services share a path.
    """
    found: dict[str, Rest] = {}
    for method in methods:
        for binding in bindings_of(method):
            verb = f":{binding.template.verb}" if binding.template.verb else ""
            template = f"/{'/'.join(binding.template.segments)}{verb}"
            before = found.get(template)
            path = Rest(template, owner_of(method), kind_of(method))
            if before is not None and before.owner != path.owner:
                sys.exit(f"{template} is of {before.owner} and of {path.owner}")
            if before is None or path.kind:
                found[template] = path
    return [found[template] for template in sorted(found)]


def routes() -> str:
    """The locations that lead to services."""
    methods = public_methods()
    paths = rest_paths(methods)
    owners = {one.collection: _owner_of_collection(one.collection, paths) for one in paths}
    apart = [one for one in paths if one.kind or one.owner != owners[one.collection]]
    with_patterns = {one.collection for one in apart if ONE in one.template}
    with_patterns |= {Rest(path, owner, "socket").collection for path, owner in SOCKETS.items()}
    made = [MADE]
    made += ["# gRPC: public services; calls that stream have more time.\n"]
    made += _grpc_locations(methods)
    made += ["# REST: what streams, and what another service than its collection's serves.\n"]
    made += [_location(_match(o.template), o.owner, o.kind) for o in apart]
    made += ["# WebSockets.\n"]
    made += [_location(_match(path), owner, "socket") for path, owner in SOCKETS.items()]
    made += ["# REST: everything else of a collection.\n"]
    for collection, owner in owners.items():
        # Where all of it is one service's, no regular expression need be tried.
        last = "" if collection in with_patterns else "^~ "
        made.append(_location(f"{last}{collection}", owner))
    made += ["# Documents that a service makes.\n"]
    made += [_location(f"= {path}", owner) for path, owner in DOCUMENTS.items()]
    made += ["# The same below the prefixes; `$edge_path` is without them.\n"]
    made += [
        f"location ~ ^/(?:{'|'.join(PREFIXES)})/v1/ {{\n"
        "    rewrite ^/[a-z]+(/v1/.*)$ $1 last;\n"
        "}\n"
    ]
    return "\n".join(made)


def _owner_of_collection(collection: str, paths: Sequence[Rest]) -> str:
    """The service that lists the collection; the one with the most paths where none does."""
    mine = [one for one in paths if one.collection == collection]
    for one in mine:
        if one.template == collection:
            return one.owner
    owners = [one.owner for one in mine]
    return max(sorted(set(owners)), key=owners.count)


def _match(template: str) -> str:
    if ONE not in template:
        return f"= {template}"
    pattern = "[^/]+".join(literal.replace(".", r"\.") for literal in template.split(ONE))
    return f"~ ^{pattern}$"


def _location(match: str, owner: str, kind: str = "") -> str:
    more = f"    include {kind}.conf;\n" if kind else ""
    return (
        f"location {match} {{\n{more}"
        f"    proxy_ssl_name {owner};\n"
        f"    proxy_pass https://{owner}_http$edge_path;\n"
        "}\n"
    )


def _grpc_locations(methods: Sequence[Method]) -> list[str]:
    services = {method.service: owner_of(method) for method in methods} | REFLECTION
    matches = [(f"^~ /{name}/", owner, "") for name, owner in sorted(services.items())]
    matches += [
        (f"= {path}", owner, f"    include {kind}.conf;\n")
        for path, owner, kind in sorted((m.path, owner_of(m), kind_of(m)) for m in methods)
        if kind
    ]
    return [
        f"location {match} {{\n{more}"
        f"    grpc_ssl_name {owner};\n"
        f"    grpc_pass grpcs://{owner}_grpc;\n"
        "}\n"
        for match, owner, more in matches
    ]


# what nginx says by itself


class Unreadable(Invalid):
    """The request is no HTTP that can be read."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class HostUnknown(Forbidden):
    """The request is for a host that is not ours."""

    reason = "HOST_UNKNOWN"


class TooManyRequests(Exhausted):
    """An address asks for more than one may."""

    reason = "TOO_MANY_REQUESTS"


class TooMuchAtOnce(Exhausted):
    """A message is larger than the server takes."""

    reason = "BODY_TOO_LARGE"


class NoSuchCall(Unimplemented):
    """No public service has the method."""

    reason = "NO_SUCH_METHOD"


_AWAY = Unavailable("The service is away at the moment; try again.", retry_after=1)
_TOO_MANY = TooManyRequests("Too much is asked from this address; wait a moment.", retry_after=1)
_BUG = Internal(
    "Something went wrong here; tell an admin the request id $edge_request_id.",
    request_id="$edge_request_id",
)
_LATE = DeadlineExceeded("The service has not answered in time; look whether it was done.")

HTTP: Mapping[tuple[int, ...], Fault] = {
    (400,): Unreadable("The request cannot be read; send HTTP as RFC 9110 has it."),
    (403,): HostUnknown("This server has another name; use the address that you were given."),
    (404,): NoSuchPage("There is nothing at this path; look it up in the API reference at /docs."),
    (405,): NoSuchVerb("Only GET and HEAD are possible here.", "GET, HEAD"),
    (413,): BodyTooLarge("The body is larger than the server takes; send less at once."),
    (414,): Unreadable("The address of the request is too long.", 414),
    (494,): Unreadable("The headers of the request are too large.", 431),
    (497,): Unreadable("This port speaks https; use an address that begins with https://."),
    (429,): _TOO_MANY,
    (500, 501, 505): _BUG,
    (502, 503): _AWAY,
    (504,): _LATE,
}
"""What is said over HTTP where nginx itself ends a request, by the statuses that it would have sent. A
502 is a 503: nginx does not tell a service that is away from one that went away in between."""

GRPC: Mapping[tuple[int, ...], Fault] = {
    (400, 414, 494, 497): Invalid("The call cannot be read."),
    (403,): HTTP[403,],
    (404, 405): NoSuchCall("No public service has this method."),
    (413,): TooMuchAtOnce("The message is larger than the server takes; send less at once."),
    (429,): _TOO_MANY,
    (500, 501, 505): _BUG,
    (502, 503): _AWAY,
    (504,): _LATE,
}
"""The same for gRPC."""


def refusals() -> str:
    """The locations that say what went wrong, and which of them each status leads to."""
    made = [MADE]
    for statuses in HTTP:
        codes = " ".join(str(status) for status in statuses)
        made.append(f"error_page {codes} = /_edge/$edge_kind/{statuses[0]};")
    made.append("")
    made += [_problem(statuses[0], fault) for statuses, fault in HTTP.items()]
    by_status = {status: fault for statuses, fault in GRPC.items() for status in statuses}
    made += [_grpc_refusal(statuses[0], by_status[statuses[0]]) for statuses in HTTP]
    return "\n".join(made)


def _problem(status: int, fault: Fault) -> str:
    problem = problem_of(fault, "$edge_instance")
    # Where $ stands for something, nginx puts it in; both variables are safe inside JSON.
    text = json.dumps(problem, separators=(",", ":")).replace("'", r"\'")
    headers = "".join(
        f"    add_header {name.decode()} {_quoted(value.decode())} always;\n"
        for name, value in problem_headers(fault)
    )
    return (
        f"location = /_edge/http/{status} {{\n"
        "    internal;\n"
        f"    default_type {PROBLEM_JSON};\n"
        "    include refused.conf;\n"
        f"{headers}"
        f"    return {problem['status']} '{text}';\n"
        "}\n"
    )


def _grpc_refusal(status: int, fault: Fault) -> str:
    made = status_of(fault)
    details = base64.b64encode(made.SerializeToString()).decode().rstrip("=")
    # A request id inside base64 cannot be put in: there the message says it.
    plain = "$" not in made.message
    return (
        f"location = /_edge/grpc/{status} {{\n"
        "    internal;\n"
        "    default_type application/grpc;\n"
        "    include refused.conf;\n"
        f"    add_header grpc-status {made.code} always;\n"
        f"    add_header grpc-message {_quoted(made.message.replace('%', '%25'))} always;\n"
        + (f"    add_header {DETAILS_KEY} {details} always;\n" if plain else "")
        + '    return 200 "";\n'
        "}\n"
    )


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def page_headers() -> str:
    """The headers of the pages of the web console and the reference, as services send them."""
    lines = [
        f"add_header {name.decode().title()} {_quoted(value.decode())} always;"
        for name, value in SECURITY_HEADERS.items()
    ]
    return "\n".join([MADE, *lines, ""])


# what the edge serves of the contracts


async def site() -> Mapping[str, bytes]:
    """The files, by their path."""
    import httpx2
    from starlette.applications import Starlette

    document = document_bytes(
        public_methods(), title="The allocator", version=metadata.version("allocator")
    )
    pages = httpx2.ASGITransport(app=Starlette(routes=document_routes(lambda: document)))
    static = sorted(
        one.name
        for one in resources.files("chassis.rest").joinpath("static").iterdir()
        if one.is_file()
    )
    reasons = [value.name for value in reason_pb2.Reason.DESCRIPTOR.values if value.number]
    wanted = {
        "openapi.json": "/openapi.json",
        "errors/index.html": "/errors",
        **{f"docs/{name}": f"/docs/{name}" for name in static},
        **{f"errors/{name}.html": f"/errors/{name}" for name in reasons},
    }
    made: dict[str, bytes] = {}
    async with httpx2.AsyncClient(transport=pages, base_url="http://edge") as client:
        for file, path in wanted.items():
            answer = await client.get(path)
            answer.raise_for_status()
            made[file] = answer.content
    return made


def main() -> None:
    """Writes or checks."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    options.add_argument("--site", type=Path, metavar="FOLDER")
    chosen = options.parse_args()
    if chosen.site:
        for name, content in asyncio.run(site()).items():
            file = chosen.site / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        return
    made = {
        "routes.conf": routes(),
        "refusals.conf": refusals(),
        "page-headers.conf": page_headers(),
    }
    stale = []
    for name, text in made.items():
        file = ROOT / "nginx" / name
        if not chosen.check:
            file.write_text(text, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != text:
            stale.append(f"nginx/{name} is stale: run `make stubs`")
    if stale:
        sys.exit("\n".join(stale))


if __name__ == "__main__":
    main()
