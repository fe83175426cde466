"""The folder of a certificate, and the authority that fills it."""

from __future__ import annotations

import itertools
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from allocctl.authority import SERVICES, Authority, AuthorityRefused
from allocctl.commands.certs import app
from allocctl.failures import Failure
from chassis.identity import Certificates, CertificatesUnusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Authority(tmp_path / "tls").init(["localhost", "127.0.0.1", "::1"])
    return tmp_path / "tls"


def held(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def test_everything_is_made_once(folder: Path) -> None:
    before = held(folder)
    assert Authority(folder).init(["other.example.org"]) == []
    assert held(folder) == before
    assert set(before) == {"authority/key.pem", "authority/cert.pem", "authority/ca.pem"} | {
        f"{service}/{name}.pem"
        for service in (*SERVICES, "public")
        for name in ("ca", "cert", "key")
    }
    for key in folder.rglob("key.pem"):
        assert key.stat().st_mode & 0o777 == 0o600


def test_what_is_missing_is_made_without_touching_the_rest(folder: Path) -> None:
    before = held(folder)
    (folder / "broker" / "cert.pem").unlink()
    assert Authority(folder).init([]) == ["broker"]
    changed = {name for name, text in held(folder).items() if before.get(name) != text}
    assert changed == {"broker/cert.pem", "broker/key.pem"}


def test_a_certificate_says_whose_it_is_and_for_how_long(folder: Path) -> None:
    found = x509.load_pem_x509_certificate((folder / "broker" / "cert.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["broker", "spiffe://allocator/broker"]
    assert timedelta(days=89) < found.not_valid_after_utc - datetime.now(UTC) < timedelta(days=90)
    found = x509.load_pem_x509_certificate((folder / "public" / "cert.pem").read_bytes())
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    found = x509.load_pem_x509_certificate((folder / "authority" / "cert.pem").read_bytes())
    assert found.not_valid_after_utc - datetime.now(UTC) > timedelta(days=3649)


def test_what_ends_within_a_third_of_its_life_is_renewed(folder: Path) -> None:
    for days, due in ((59, []), (61, sorted([*SERVICES, "public"]))):
        then = datetime.now(UTC) + timedelta(days=days)
        assert sorted(Authority(folder, then).renew()) == due
    names = [one.names for one in Authority(folder).shown() if one.name == "public"]
    assert names == [("localhost", "127.0.0.1", "::1")]


def test_steps_out_of_order_are_refused(folder: Path) -> None:
    authority = Authority(folder)
    with pytest.raises(AuthorityRefused, match="begin with `rotate-ca add`"):
        authority.rotate_reissue()
    with pytest.raises(AuthorityRefused, match="no former authority"):
        authority.rotate_drop()
    authority.rotate_add()
    with pytest.raises(AuthorityRefused, match="has begun"):
        authority.rotate_add()
    with pytest.raises(AuthorityRefused, match="rotate-ca reissue"):
        authority.rotate_drop()
    authority.rotate_reissue()
    authority.rotate_reissue()
    authority.issue("feed_svc")
    authority.rotate_drop()
    assert len(authority.authorities()) == 1
    assert len({one.signed_by for one in authority.shown()}) == 1


def test_a_rotation_that_was_cut_off_can_go_on(folder: Path) -> None:
    authority = Authority(folder)
    authority.rotate_add()
    own = folder / "authority"
    (own / "next-key.pem").replace(own / "key.pem")
    authority.rotate_reissue()
    authority.rotate_drop()
    assert Certificates(folder / "broker").service == "broker"


@pytest.mark.parametrize("name", ["authority", "", "../x", "Broker", "a b", "a/b"])
def test_only_what_can_be_a_service_gets_a_certificate(folder: Path, name: str) -> None:
    with pytest.raises(AuthorityRefused, match="is no service"):
        Authority(folder).issue(name)


def followed(folder: Path) -> Certificates:
    return Certificates(folder, monotonic=itertools.count(0.0, 10.0).__next__)


def test_what_is_written_in_part_is_not_taken_over(folder: Path) -> None:
    own = folder / "broker"
    certificates = followed(own)
    first = certificates.current()
    context = certificates.http_context()
    certificate = (own / "cert.pem").read_bytes()
    Authority(folder).renew(everything=True)
    renewed = (own / "cert.pem").read_bytes()
    for text in (certificate, b"", b"-----BEGIN CERTIFICATE-----\nnonsense"):
        (own / "cert.pem").write_bytes(text)
        assert certificates.current() is first
        assert context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_side=True)
    (own / "cert.pem").unlink()
    assert certificates.current() is first
    (own / "cert.pem").write_bytes(renewed)
    assert certificates.current() is not first
    assert certificates.current() is certificates.current()


def test_the_certificate_of_another_service_is_not_taken_over(folder: Path) -> None:
    certificates = followed(folder / "broker")
    for name in ("cert.pem", "key.pem"):
        (folder / "broker" / name).write_bytes((folder / "edge" / name).read_bytes())
    assert certificates.current().service == "broker"
    assert followed(folder / "broker").service == "edge"


def test_a_folder_that_cannot_be_used_says_why(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CertificatesUnusable, match="allocctl certs init"):
        Certificates(tmp_path / "none")
    with pytest.raises(CertificatesUnusable, match="names no service"):
        Certificates(folder / "public")
    (folder / "broker" / "key.pem").write_bytes((folder / "edge" / "key.pem").read_bytes())
    with pytest.raises(CertificatesUnusable, match="do not fit together"):
        Certificates(folder / "broker")
    (folder / "edge" / "ca.pem").write_text("nothing")
    with pytest.raises(CertificatesUnusable, match="no certificates"):
        Certificates(folder / "edge")


def test_one_that_should_have_been_renewed_says_so(folder: Path) -> None:
    now = datetime.now(UTC).timestamp()
    certificates = Certificates(folder / "broker", clock=lambda: now)
    assert certificates.problem() is None
    now += 77 * 86400
    assert "allocctl certs renew" in (certificates.problem() or "")


def test_the_key_is_never_shown(folder: Path) -> None:
    assert b"PRIVATE" in Certificates(folder / "broker").current().key
    assert "PRIVATE" not in repr(Certificates(folder / "broker").current())


def test_the_command_says_what_it_has_done(tmp_path: Path) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, [*arguments, "--dir", str(tmp_path / "tls")])
        if done.exception is not None:
            raise done.exception
        return done.output

    with pytest.raises(Failure, match="certs init"):
        run("show")
    assert "made: authority, user_svc" in run("init", "--names", "example.org")
    assert run("init") == "nothing was missing\n"
    assert run("renew") == "none is due\n"
    assert run("issue", "feed_svc", "--days", "1") == "made: feed_svc\n"
    assert "spiffe://allocator/feed_svc" in run("show")
    assert "example.org" in run("show")
    run("rotate-ca", "add")
    assert run("show").count("authority ") == 2
    run("rotate-ca", "reissue")
    assert "trusted no more" in run("rotate-ca", "drop")
    with pytest.raises(Failure, match="no former authority"):
        run("rotate-ca", "drop")
