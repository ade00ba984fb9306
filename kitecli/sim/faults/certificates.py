"""Servers that can prove who they are, and six kinds that can't: certificates made anew for each run.

Keys never stay on disk: OpenSSL reads them from a file, which is removed at once. What stays is the certificate of the
authority that signed the good ones, for clients to trust, in a folder that only its owner can read.
"""

from __future__ import annotations

import shutil
import ssl
import tempfile
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

LIFE: Final = timedelta(days=2)
HOSTS: Final = ("localhost", "127.0.0.1")
ELSEWHERE: Final = ("ws.example.com",)


@dataclass(frozen=True, slots=True)
class _Paper:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: EllipticCurvePrivateKey


class Certificates:
    """``ca_file``: what a client must trust to accept the form ``good``, and no other form."""

    def __init__(self, now_s: float) -> None:
        self._now = datetime.fromtimestamp(now_s, UTC)
        self._folder = Path(tempfile.mkdtemp(prefix="kite-sim-tls-"))  # 0700
        self._authority = _make("kite sim authority", None, (), self._now, authority=True)
        self._contexts: dict[str, ssl.SSLContext] = {}
        self.ca_file = self._folder / "ca.pem"
        self.ca_file.write_bytes(_pem(self._authority.certificate))

    def context(self, form: str) -> ssl.SSLContext:
        """A server's side of ``form``, any of TLS_FORMS but plaintext_redirect, which speaks no TLS."""
        if form not in self._contexts:
            self._contexts[form] = self._tls_1_1() if form == "tls_1_1" else self._serving(self._paper(form))
        return self._contexts[form]

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _paper(self, form: str) -> _Paper:
        now = self._now
        match form:
            case "self_signed":
                return _make("127.0.0.1", None, HOSTS, now)
            case "wrong_host":
                return _make(ELSEWHERE[0], self._authority, ELSEWHERE, now)
            case "expired":
                return _make("127.0.0.1", self._authority, HOSTS, now - 2 * LIFE)
            case "unknown_ca":
                stranger = _make("unknown authority", None, (), now, authority=True)
                return _make("127.0.0.1", stranger, HOSTS, now)
            case _:
                return _make("127.0.0.1", self._authority, HOSTS, now)

    def _serving(self, paper: _Paper) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".pem", delete=False) as file:
            file.write(_pem(paper.key) + _pem(paper.certificate))
        try:
            context.load_cert_chain(file.name)
        finally:
            Path(file.name).unlink()
        return context

    def _tls_1_1(self) -> ssl.SSLContext:
        context = self._serving(self._paper("good"))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")  # at level 1 OpenSSL 3 doesn't speak it at all
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # deprecated, which is the point
            context.minimum_version = ssl.TLSVersion.TLSv1_1
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context


def _make(
    name: str, issuer: _Paper | None, hosts: tuple[str, ...], now: datetime, *, authority: bool = False
) -> _Paper:
    """Valid for a day before ``now`` and LIFE after; signed by itself where there is no ``issuer``."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    signer = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(issuer.certificate.subject if issuer else _named(name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + LIFE)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(authority=authority), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
    return _Paper(builder.sign(signer, hashes.SHA256()), key)


def _usage(*, authority: bool) -> x509.KeyUsage:
    """Python 3.13 checks strictly: an authority must say that it signs certificates."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _named(name: str) -> x509.Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _host(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(thing: x509.Certificate | EllipticCurvePrivateKey) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    if isinstance(thing, x509.Certificate):
        return thing.public_bytes(serialization.Encoding.PEM)
    return thing.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
