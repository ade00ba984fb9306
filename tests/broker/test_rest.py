from __future__ import annotations

import gzip
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kitecli.broker import rest
from kitecli.broker.rest import BrokerSession, MasterDownload, download_master, fetch_instruments, ltp, profile
from kitecli.errors import AuthError, BrokerError, BrokerUnavailable, NoMarketData, UsageError
from kitecli.market.book import InstrumentBook
from kitecli.market.instruments import parse_instruments
from kitecli.secret import Secret
from kitecli.sim.launcher import launch
from kitecli.sim.options import SimOptions

TOKEN = "t0psecret"
CSV = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,expiry,strike,tick_size,lot_size,"
    "instrument_type,segment,exchange\n" + "408065,1594,INFY,INFOSYS,0.0,,0.0,0.1,1,EQ,NSE,NSE\n" * 5000
)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    declared_length: int | None = None
    delay: Callable[[], object] = bool


@dataclass
class FakeBroker:
    """A real HTTP server on loopback that answers what the test tells it to, and keeps what it was asked."""

    server: ThreadingHTTPServer
    answer: Answer = field(default_factory=Answer)
    asked: list[tuple[str, list[tuple[str, str]], dict[str, str]]] = field(default_factory=list)

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def says(self, value: object, status: int = 200) -> None:
        self.answer = Answer(status, json.dumps(value).encode())

    def refuses(self, status: int, kind: str, message: str) -> None:
        self.says({"status": "error", "message": message, "error_type": kind, "data": None}, status)


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url, answer = urlsplit(self.path), fake.answer
            fake.asked.append((url.path, parse_qsl(url.query), {k.lower(): v for k, v in self.headers.items()}))
            answer.delay()
            self.send_response(answer.status)
            if answer.content_type:
                self.send_header("Content-Type", answer.content_type)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(answer.declared_length or len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        fake = FakeBroker(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield fake
        server.shutdown()


def session(broker: FakeBroker, **changes: object) -> BrokerSession:
    return BrokerSession(broker.root, "key", Secret(TOKEN), **changes)


@pytest.mark.parametrize("zipped", [False, True])
def test_the_instrument_master_comes_down_with_its_progress(broker: FakeBroker, zipped: bool):
    body = gzip.compress(CSV.encode()) if zipped else CSV.encode()
    broker.answer = Answer(200, body, "text/csv", {"Content-Encoding": "gzip"} if zipped else {})
    seen: list[tuple[int, int | None]] = []
    text = fetch_instruments(session(broker), progress=lambda done, total: seen.append((done, total)))
    assert text == CSV
    assert len(parse_instruments(text)) == 5000
    assert seen[-1] == (len(body), len(body))
    assert sorted(seen) == seen
    path, _, headers = broker.asked[0]
    assert path == "/instruments"
    assert "gzip" in headers["accept-encoding"]


def test_one_exchange_and_no_login_will_do(broker: FakeBroker):
    broker.answer = Answer(200, CSV.encode(), "text/csv")
    fetch_instruments(BrokerSession(broker.root + "/"), "NSE")
    path, _, headers = broker.asked[0]
    assert path == "/instruments/NSE"
    assert "authorization" not in headers


def test_a_download_cut_short_is_an_error(broker: FakeBroker):
    broker.answer = Answer(200, CSV.encode()[:-100], "text/csv", declared_length=len(CSV))
    with pytest.raises(BrokerError, match=r"broke off|ended early"):
        fetch_instruments(session(broker))


def test_a_garbled_compression_is_an_error(broker: FakeBroker):
    broker.answer = Answer(200, b"no gzip at all", "text/csv", {"Content-Encoding": "gzip"})
    with pytest.raises(BrokerError, match="broke off"):
        fetch_instruments(session(broker))


def test_the_master_must_be_csv(broker: FakeBroker):
    broker.answer = Answer(200, b"<html><head><title>Maintenance\n window</title></head></html>", "text/html")
    with pytest.raises(BrokerError) as refused:
        fetch_instruments(session(broker))
    assert "HTML page titled 'Maintenance window'" in refused.value.why


def test_the_profile_is_asked_for_as_documented(broker: FakeBroker):
    broker.says({"status": "success", "data": {"user_id": "AB1234", "exchanges": ["NSE"]}})
    assert profile(session(broker))["user_id"] == "AB1234"
    path, _, headers = broker.asked[0]
    assert path == "/user/profile"
    assert headers["authorization"] == f"token key:{TOKEN}"
    assert headers["x-kite-version"] == "3"


def test_the_sandbox_s_prefix_is_for_every_route_but_instruments(broker: FakeBroker):
    broker.says({"status": "success", "data": {}})
    profile(session(broker, route_prefix="/oms"))
    broker.answer = Answer(200, CSV.encode(), "text/csv")
    fetch_instruments(session(broker, route_prefix="/oms"))
    assert [path for path, _, _ in broker.asked] == ["/oms/user/profile", "/instruments"]


def test_last_prices_by_name(broker: FakeBroker):
    broker.says({"status": "success", "data": {"NSE:NIFTY 50": {"instrument_token": 256265, "last_price": 23406.85}}})
    assert ltp(session(broker), ["NSE:NIFTY 50", "NSE:M&M"]) == {"NSE:NIFTY 50": 23406.85}
    assert broker.asked[0][:2] == ("/quote/ltp", [("i", "NSE:NIFTY 50"), ("i", "NSE:M&M")])
    with pytest.raises(UsageError, match="1,001"):
        ltp(session(broker), ["NSE:INFY"] * 1001)


@pytest.mark.parametrize(
    ("said", "error", "hint"),
    [
        ((403, "TokenException", "Incorrect `api_key` or `access_token`."), AuthError, "KITE_ACCESS_TOKEN"),
        ((400, "InputException", "Invalid `api_key` or `access_token`."), AuthError, "KITE_ACCESS_TOKEN"),
        ((200, "TokenException", "Token is invalid or has expired."), AuthError, "KITE_ACCESS_TOKEN"),
        ((403, "PermissionException", "Insufficient permission for that call."), NoMarketData, "Connect plan"),
        ((429, "NetworkException", "Too many requests"), BrokerUnavailable, "wait a minute"),
        ((400, "InputException", "Missing `i`"), BrokerError, "KITE_DEBUG"),
        ((404, "GeneralException", "Route not found"), BrokerError, "endpoints"),
        ((503, "NetworkException", "OMS is down"), BrokerUnavailable, "try again"),
        ((200, "GeneralException", "odd"), BrokerError, "KITE_DEBUG"),
    ],
)
@pytest.mark.parametrize("call", [profile, fetch_instruments, lambda session: ltp(session, ["NSE:INFY"])])
def test_a_refusal_has_the_broker_s_words_and_the_next_step(
    broker: FakeBroker, call: Callable, said: tuple[int, str, str], error: type, hint: str
):
    status, _, message = said
    broker.refuses(*said)
    with pytest.raises((AuthError, BrokerError)) as refused:
        call(session(broker))
    assert type(refused.value) is error
    assert message in refused.value.why
    assert f"HTTP {status}" in refused.value.why
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    "answer",
    [
        Answer(502, b"<html><title>502 Bad Gateway</title></html>", "text/html"),
        Answer(200, b"<html>Log in to the hotel's network</html>", "text/html"),
        Answer(200, b"", None),
        Answer(200, b"[1, 2]"),
        Answer(200, b'{"status": "success"}'),
        Answer(200, b'{"status": "success", "data": [1]}'),
        Answer(200, b'{"status": "success", "data": {"NSE:INFY": 5}}'),
        Answer(500, b'{"status": "success", "data": {}}'),
        Answer(200, b"\xff\xfe\x00{"),
        Answer(302, b"", headers={"Location": "/elsewhere"}),
    ],
)
def test_an_answer_that_is_none_of_the_documented_is_an_error(broker: FakeBroker, answer: Answer):
    broker.answer = answer
    with pytest.raises(BrokerError) as refused:
        ltp(session(broker), ["NSE:INFY"])
    assert refused.value.hint
    assert len(broker.asked) == 1  # the redirect wasn't followed with our token


def test_nobody_there_is_an_error_with_the_address():
    with pytest.raises(BrokerError) as refused:
        profile(BrokerSession("http://127.0.0.1:9", "key", Secret(TOKEN)))
    assert "127.0.0.1:9 can't be reached" in refused.value.what
    assert "refused" in refused.value.why.lower()


def test_a_server_that_hangs_is_left(broker: FakeBroker):
    leave = threading.Event()
    broker.answer = Answer(200, b"{}", delay=lambda: leave.wait(10))
    start = time.monotonic()
    with pytest.raises(BrokerError, match="doesn't answer"):
        profile(session(broker, timeout_s=0.2))
    leave.set()
    assert time.monotonic() - start < 5


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(broker: FakeBroker, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    broker.says({"status": "success", "data": {}})
    assert profile(session(broker)) == {}


def test_a_netrc_entry_of_the_host_does_not_replace_the_token(
    broker: FakeBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr(rest, "LOOPBACK_HOSTS", frozenset())  # as a host of the network is treated
    broker.says({"status": "success", "data": {}})
    profile(session(broker))
    assert broker.asked[0][2]["authorization"] == f"token key:{TOKEN}"


def test_a_certificate_nobody_vouches_for_is_refused_before_the_token_is_sent(broker: FakeBroker, tmp_path: Path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path / "own.pem"))
    broker.server.socket = context.wrap_socket(broker.server.socket, server_side=True)
    with pytest.raises(BrokerError, match="can't be trusted") as refused:
        profile(BrokerSession(broker.root.replace("http:", "https:"), "key", Secret(TOKEN)))
    assert "self-signed" in refused.value.why.replace(" ", "-")
    assert broker.asked == []


def self_signed(path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(hours=1))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + certificate.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


def test_no_error_shows_the_token(broker: FakeBroker):
    broker.refuses(403, "TokenException", "Incorrect `api_key` or `access_token`.")
    with pytest.raises(AuthError) as refused:
        profile(session(broker))
    assert TOKEN not in repr(refused.value) + str(refused.value) + repr(session(broker))


@pytest.mark.parametrize(
    ("key", "token"), [("key", "canary\n"), ("key", "canary\r\nx"), ("key", "canaryé"), ("k\n", "canary")]
)
def test_what_no_header_takes_is_refused_before_anything_is_sent(broker: FakeBroker, key: str, token: str):
    with pytest.raises(AuthError, match="can't be sent") as raised:
        profile(BrokerSession(broker.root, key, Secret(token)))
    assert "canary" not in str(raised.value)
    assert broker.asked == []


def test_a_feed_can_be_started_from_the_simulated_exchange():
    with launch(SimOptions()) as exchange:
        ours = BrokerSession(exchange.api_url, exchange.api_key, Secret(exchange.access_token))
        book = InstrumentBook(parse_instruments(fetch_instruments(ours)))
        name = next(iter(book)).key
        assert profile(ours)["user_id"]
        assert ltp(ours, [name, "NSE:NOSUCH"])[name] > 0
        with pytest.raises(AuthError, match="kite auth login"):
            profile(BrokerSession(exchange.api_url, exchange.api_key, Secret("expired")))


def test_importing_it_costs_nothing():
    code = (
        "import sys, kitecli.broker.rest as r; print(sorted({'requests', 'numpy', 'kiteconnect'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_a_master_is_asked_for_on_the_condition_that_it_is_newer(broker: FakeBroker):
    broker.answer = Answer(200, CSV.encode(), "text/csv", {"ETag": '"v1"', "Last-Modified": "Fri, 20 Nov 2026"})
    first = download_master(session(broker))
    assert first == MasterDownload(CSV.encode(), '"v1"', "Fri, 20 Nov 2026")
    broker.answer = Answer(304, b"", None)
    assert download_master(session(broker), first.etag, first.last_modified).body is None
    asked = [headers for _, _, headers in broker.asked]
    assert "if-none-match" not in asked[0]
    assert (asked[1]["if-none-match"], asked[1]["if-modified-since"]) == ('"v1"', "Fri, 20 Nov 2026")
    with pytest.raises(BrokerError):
        download_master(session(broker))  # 304 to a question without a condition is no answer


@pytest.mark.parametrize(("status", "passes"), [(502, True), (429, True), (503, True), (400, False), (404, False)])
def test_what_may_work_in_a_moment_is_told_apart(broker: FakeBroker, status: int, passes: bool):
    broker.answer = Answer(status, b"<html><title>Bad Gateway</title></html>", "text/html")
    with pytest.raises(BrokerError) as refused:
        download_master(session(broker))
    assert isinstance(refused.value, BrokerUnavailable) == passes


def test_an_answer_cut_short_and_a_server_that_is_away_may_work_in_a_moment(broker: FakeBroker):
    broker.answer = Answer(200, CSV.encode()[:100], "text/csv", declared_length=len(CSV))
    with pytest.raises(BrokerUnavailable):
        download_master(session(broker, timeout_s=1))
    with pytest.raises(BrokerUnavailable):
        download_master(BrokerSession("http://127.0.0.1:9", "key", Secret(TOKEN)))
