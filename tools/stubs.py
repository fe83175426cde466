"""Makes everything that is generated from the contracts: Python stubs, comments, the descriptor set.

`python tools/stubs.py` writes into `protos/gen`; with `--check` it writes into a temporary folder
instead and fails, naming the files, when what is committed differs. With `--image FILE` it also
writes one descriptor set with source information, which buf reads.

The contracts of others come from the installed packages: google.api from googleapis-common-protos,
buf.validate from protovalidate, which ships no .proto but its descriptor.
"""

from __future__ import annotations

import argparse
import filecmp
import json
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "protos"
STUBS = CONTRACTS / "gen"


def validation_rules() -> descriptor_pb2.FileDescriptorSet:
    """The descriptors of buf/validate/validate.proto and of what it imports."""
    from google.protobuf import duration_pb2, field_mask_pb2, timestamp_pb2
    from protovalidate._gen.buf.validate import validate_pb

    found = descriptor_pb2.FileDescriptorSet()
    for module in (descriptor_pb2, duration_pb2, field_mask_pb2, timestamp_pb2):
        module.DESCRIPTOR.CopyToProto(found.file.add())
    found.file.add().MergeFromString(validate_pb.desc().proto.to_binary())
    return found


def contracts() -> list[str]:
    """The paths of our own contracts, relative to the folder of contracts."""
    return sorted(str(p.relative_to(CONTRACTS)) for p in CONTRACTS.glob("allocator/**/*.proto"))


def compile_into(folder: Path, image: Path | None = None) -> None:
    """Compiles every contract: stubs into `folder`, descriptors into `image`.

    Raises:
        SystemExit: the compiler has found an error, which it has printed.
    """
    site = Path(str(resources.files("google") / "api")).parent.parent
    well_known = Path(str(resources.files("grpc_tools") / "_proto"))
    plugins = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as scratch:
        rules = Path(scratch) / "validate.binpb"
        rules.write_bytes(validation_rules().SerializeToString())
        first_pass = Path(scratch) / "everything.binpb"
        run(
            f"--descriptor_set_in={rules}",
            f"-I{CONTRACTS}",
            f"-I{site}",
            f"-I{well_known}",
            "--include_imports",
            "--include_source_info",
            f"--descriptor_set_out={image or first_pass}",
            *contracts(),
        )
        run(
            f"--plugin=protoc-gen-mypy={plugins / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={plugins / 'protoc-gen-mypy_grpc'}",
            f"--descriptor_set_in={image or first_pass}",
            f"--python_out={folder}",
            f"--grpc_python_out={folder}",
            f"--mypy_out=quiet,readable_stubs:{folder}",
            f"--mypy_grpc_out=quiet:{folder}",
            *contracts(),
        )
        write_comments(image or first_pass, folder / "allocator" / "comments.json")
    (folder / "allocator" / "py.typed").touch()


def write_comments(image: Path, file: Path) -> None:
    """Writes the comment of each element of our contracts, by the element's full name.

    Stubs carry no comments, and the OpenAPI document is made from them.
    """
    found: dict[str, str] = {}
    descriptors = descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes())
    for contract in descriptors.file:
        if not contract.name.startswith("allocator/"):
            continue
        for location in contract.source_code_info.location:
            text = location.leading_comments or location.trailing_comments
            name = element_name(contract, list(location.path))
            if text and name:
                lines = (line.removeprefix(" ").rstrip() for line in text.splitlines())
                found[name] = "\n".join(lines).strip()
    file.write_text(json.dumps(found, indent=0, sort_keys=True, ensure_ascii=False) + "\n")


def element_name(contract: descriptor_pb2.FileDescriptorProto, path: list[int]) -> str:
    """The full name of the element at a path of source information.

    Values of an enum are named inside it: `allocator.users.v1.User.State.ACTIVE`. Empty for what
    is no element, such as an option; the package itself for its own line.
    """
    parts = [contract.package]
    if path == [2]:
        return contract.package
    at: Any = contract
    for number, index in zip(path[::2], path[1::2], strict=False):
        field = at.DESCRIPTOR.fields_by_number.get(number)
        if field is None or field.message_type is None or not field.is_repeated:
            return ""
        at = getattr(at, field.name)[index]
        if not hasattr(at, "name"):
            return ""
        parts.append(at.name)
    return ".".join(parts) if path and len(path) % 2 == 0 else ""


def run(*arguments: str) -> None:
    """Runs protoc with the arguments."""
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit("the contracts do not compile")


def differences(fresh: Path, committed: Path) -> list[str]:
    """The names of generated files that differ, are missing, or are too many."""
    made = {p.relative_to(fresh) for p in fresh.rglob("*") if p.is_file()}
    kept = {
        p.relative_to(committed)
        for p in (committed / "allocator").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    return sorted(
        str(p)
        for p in made | kept
        if p not in made
        or p not in kept
        or not filecmp.cmp(fresh / p, committed / p, shallow=False)
    )


def main() -> None:
    """Reads the command line and does it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    options.add_argument("--image", type=Path)
    chosen = options.parse_args()
    if not chosen.check:
        compile_into(STUBS, chosen.image)
        return
    with tempfile.TemporaryDirectory() as scratch:
        compile_into(Path(scratch), chosen.image)
        stale = differences(Path(scratch), STUBS)
    if stale:
        sys.exit("stale stubs, run `make stubs`:\n  " + "\n  ".join(stale))


if __name__ == "__main__":
    main()
