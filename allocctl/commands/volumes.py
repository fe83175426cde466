"""What allocations keep: volumes, and all that there is of an allocation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocctl.names import full_name
from allocctl.output import Format, Output

if TYPE_CHECKING:
    from allocator.allocations.v1 import volume_pb2, volume_service_pb2

app = typer.Typer(
    help="What allocations keep: lists, fetches, brings and removes it.", no_args_is_help=True
)

_Volume = Annotated[str, typer.Argument(help="The volume: volumes/7f3k2m9q-v1, or the last part.")]
_Target = Annotated[
    str, typer.Argument(help="Where to: a file, a folder, - for standard output; here by default.")
]


@app.command("list")
def list_volumes(
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Of all people: admins only.")
    ] = False,
    filter_: Annotated[
        str,
        typer.Option("--filter", help='Which ones: state = DETACHED, machine = "machines/redis".'),
    ] = "",
    output: Output = Format.TABLE,
) -> None:
    """Lists volumes, also those that no allocation has."""
    from allocator.allocations.v1 import volume_service_pb2

    from allocctl.output import age, print_json, print_table

    listed: list[volume_pb2.Volume] = []
    request = volume_service_pb2.ListVolumesRequest(
        parent="users/-" if everybody else "", filter=filter_, page_size=1000
    )
    while True:
        page = _call("ListVolumes", request)
        listed += page.volumes
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    if output is Format.JSON:
        print_json(listed)
        return
    print_table(
        ("NAME", "CALLED", "STATE", "HOLDS", "PATH", "ALLOCATION", "AGE")
        + (("OWNER",) if everybody else ()),
        (
            (
                _short(one),
                one.display_name,
                _state(one),
                _held(one),
                one.path,
                one.allocation.removeprefix("allocations/") or "-",
                age(one.create_time),
                *([one.owner] if everybody else []),
            )
            for one in listed
        ),
        "There are none.",
    )


@app.command("download")
def download(
    volume: _Volume,
    target: _Target = "",
    compress: Annotated[bool, typer.Option("--gzip", "-z", help="Packed with gzip.")] = False,
) -> None:
    """Fetches what is in a volume, as a tar archive."""
    from allocator.allocations.v1 import volume_service_pb2

    from allocctl.transfers import receive

    request = volume_service_pb2.DownloadVolumeRequest(name=_full(volume))
    if compress:
        request.compression = volume_service_pb2.DownloadVolumeRequest.GZIP
    default = f"{_full(volume).removeprefix('volumes/')}.tar{'.gz' if compress else ''}"
    _said(receive(_stream("DownloadVolume", request), target, default))


@app.command("upload")
def upload(
    archive: Annotated[
        str, typer.Argument(help="A tar archive, plain or gzip; - for standard input.")
    ],
    name: Annotated[str, typer.Option(help="Your own name for the volume.")] = "",
    path: Annotated[str, typer.Option(help="Where a program is meant to find it: /data.")] = "",
    output: Output = Format.TABLE,
) -> None:
    """Makes a volume from an archive, for `allocctl allocate --volume`."""
    from allocator.allocations.v1 import volume_service_pb2

    from allocctl.output import print_json
    from allocctl.transfers import TRANSFER_SECONDS, pieces

    opened = pieces(archive)

    def requests() -> Iterator[volume_service_pb2.UploadVolumeRequest]:
        request = volume_service_pb2.UploadVolumeRequest(display_name=name, path=path)
        for piece in opened:
            request.archive.data = piece
            yield request
            request = volume_service_pb2.UploadVolumeRequest()

    made = _call("UploadVolume", requests(), TRANSFER_SECONDS)
    if output is Format.JSON:
        print_json(made)
    else:
        sys.stdout.write(f"{made.name} holds {_held(made)}\n")


@app.command("rename")
def rename(volume: _Volume, name: Annotated[str, typer.Argument(help="Your name for it.")]) -> None:
    """Gives a volume another name of yours."""
    from allocator.allocations.v1 import volume_pb2, volume_service_pb2
    from google.protobuf import field_mask_pb2

    request = volume_service_pb2.UpdateVolumeRequest(
        volume=volume_pb2.Volume(name=_full(volume), display_name=name),
        update_mask=field_mask_pb2.FieldMask(paths=["display_name"]),
    )
    changed = _call("UpdateVolume", request)
    sys.stdout.write(f"{changed.name} is called {changed.display_name}\n")


@app.command("delete")
def delete(
    volumes: Annotated[
        list[str], typer.Argument(help="Which volumes; no allocation may have them.")
    ],
) -> None:
    """Removes volumes with all that is in them, for good."""
    from allocator.allocations.v1 import volume_service_pb2

    for volume in volumes:
        _call("DeleteVolume", volume_service_pb2.DeleteVolumeRequest(name=_full(volume)))
        sys.stdout.write(f"{_full(volume)} is deleted\n")


def archive(
    name: Annotated[str, typer.Argument(help="Which allocation: its name, or what you call it.")],
    target: _Target = "",
) -> None:
    """Fetches all that there is of an allocation as a zip: volumes, log, the report of its use."""
    from allocator.allocations.v1 import allocation_service_pb2, allocation_service_pb2_grpc

    from allocctl import session
    from allocctl.transfers import TRANSFER_SECONDS, receive

    full = full_name(name)
    call = session.stub(allocation_service_pb2_grpc.AllocationServiceStub).DownloadArchive(
        allocation_service_pb2.DownloadArchiveRequest(name=full),
        timeout=TRANSFER_SECONDS,
        metadata=session.signed_in(),
    )
    _said(receive(call, target, f"{full.removeprefix('allocations/')}.zip"))


def _said(written: str) -> None:
    from allocctl.transfers import STANDARD

    if written != STANDARD:
        sys.stderr.write(f"written to {written}\n")


def _call(method: str, request: Any, seconds: float | None = None) -> Any:
    from allocator.allocations.v1 import volume_service_pb2_grpc

    from allocctl import session

    stub = session.stub(volume_service_pb2_grpc.VolumeServiceStub)
    return getattr(stub, method)(
        request, timeout=seconds or session.CALL_SECONDS, metadata=session.signed_in()
    )


def _stream(method: str, request: Any) -> Any:
    from allocctl.transfers import TRANSFER_SECONDS

    return _call(method, request, TRANSFER_SECONDS)


def _full(volume: str) -> str:
    return f"volumes/{volume.removeprefix('volumes/')}"


def _short(volume: volume_pb2.Volume) -> str:
    return volume.name.removeprefix("volumes/")


def _state(volume: volume_pb2.Volume) -> str:
    return type(volume).State.Name(volume.state).lower().replace("_", " ")


def _held(volume: volume_pb2.Volume) -> str:
    from allocctl.spans import bytes_text

    held = bytes_text(volume.size_bytes) if volume.HasField("measure_time") else "?"
    return f"{held} of {bytes_text(volume.size_limit_mib << 20)}" if volume.size_limit_mib else held
