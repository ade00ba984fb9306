"""Papers of servers: who must be trusted for which, and that no key is left behind. Against clients: test_proxy.py."""

from __future__ import annotations

import ssl
import stat
import sys
import time
from pathlib import Path

import pytest

from kitecli.sim.faults.certificates import Certificates
from kitecli.sim.faults.kinds import TLS_FORMS


@pytest.fixture
def papers():
    made = Certificates(time.time())
    yield made
    made.close()
    assert not made.ca_file.parent.exists()


def shake(papers: Certificates, form: str, client: ssl.SSLContext) -> str:
    """A handshake in memory; returns the client's error, nothing where it trusts."""
    ins, outs = [ssl.MemoryBIO() for _ in range(2)], [ssl.MemoryBIO() for _ in range(2)]
    ends = [
        client.wrap_bio(ins[0], outs[0], server_hostname="127.0.0.1"),
        papers.context(form).wrap_bio(ins[1], outs[1], server_side=True),
    ]
    for _ in range(4):
        for at, end in enumerate(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            ins[1 - at].write(outs[at].read())
    return ""


def test_only_the_good_one_is_trusted_and_only_with_its_authority(papers: Certificates):
    client = ssl.create_default_context(cafile=str(papers.ca_file))
    assert shake(papers, "good", client) == ""
    assert "unable to get local issuer" in shake(papers, "good", ssl.create_default_context())
    assert "self-signed" in shake(papers, "self_signed", client)
    assert "mismatch" in shake(papers, "wrong_host", client)
    assert "expired" in shake(papers, "expired", client)
    assert "unable to get local issuer" in shake(papers, "unknown_ca", client)


def test_the_strict_checks_of_newer_pythons_pass_too(papers: Certificates):
    client = ssl.create_default_context(cafile=str(papers.ca_file))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    assert shake(papers, "good", client) == ""


def test_no_key_stays_on_disk_and_nobody_else_may_look(papers: Certificates):
    for form in TLS_FORMS:
        if form != "plaintext_redirect":
            papers.context(form)
    folder = papers.ca_file.parent
    assert list(folder.iterdir()) == [papers.ca_file]
    assert b"PRIVATE" not in papers.ca_file.read_bytes()
    if sys.platform != "win32":
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_each_run_has_its_own(papers: Certificates):
    other = Certificates(time.time())
    assert Path(other.ca_file).read_bytes() != papers.ca_file.read_bytes()
    assert other.context("good") is other.context("good")
    other.close()
