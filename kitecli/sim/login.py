"""The login side of the simulated exchange: the page, its two steps, the redirect with a request token. Sans I/O.

::

    GET  /connect/login?v=3&api_key=K          302 to itself with a sess_id, then the page; a browser that has logged
                                               in already goes on at once
    POST /api/login   user_id, password        request_id
    POST /api/twofa   request_id, twofa_value  a cookie that stands for the web session
    GET  /connect/finish?api_key=K&sess_id=S   302 to the app's redirect URL with request_token, action, status

Source: kite-connect fact sheet, login flow and the error texts of password and code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from functools import partial
from html import escape
from typing import Final
from urllib.parse import parse_qsl, urlencode

from kitecli.clock import NS_PER_S
from kitecli.sim.calls import HTML, Call, Response, redirect, refuse, success
from kitecli.sim.sessions import MISSING_KEY, Refusal, Sessions

USER_ID: Final = "SIM001"
STEP_S: Final = 30
"""An authenticator's code changes this often; the one before and the one after are taken too."""
TRIES: Final = 5
"""Wrong passwords or codes in a row until the account is blocked."""
COOKIE: Final = "kf_session"

WRONG_APP: Final = Refusal(400, "Invalid `api_key`.", "InputException")
WRONG_PASSWORD: Final = Refusal(403, "Invalid username or password.", "UserException")
WRONG_CODE: Final = Refusal(403, "Invalid TOTP.", "TwoFAException")
NO_LOGIN: Final = Refusal(403, "Invalid session. Please login again.", "TwoFAException")
BLOCKED: Final = Refusal(403, "Your account is blocked. Reset your password to unblock it.", "UserException")


class LoginDesk:
    """One user's way in. ``mint``: makes a new name each time it is called."""

    def __init__(self, sessions: Sessions, mint: Callable[[], str]) -> None:
        self._sessions = sessions
        self._mint = mint
        self.password = mint()[:12]
        self.totp_secret = base64.b32encode(bytes.fromhex(mint())).decode().rstrip("=")
        self._visits: dict[str, str] = {}
        self._half_way: set[str] = set()
        self._browsers: set[str] = set()
        self._wrong = 0
        self.routes: dict[tuple[str, str], Callable[[Call], Response]] = {
            ("GET", "/connect/login"): self._page,
            ("GET", "/connect/finish"): self._finish,
            ("POST", "/api/login"): self._first_step,
            ("POST", "/api/twofa"): self._second_step,
        }

    def code(self, now_ns: int) -> str:
        """What the user's authenticator shows."""
        return totp(self.totp_secret, now_ns)

    def _page(self, call: Call) -> Response:
        if refusal := self._wrong_app(call):
            return refuse(refusal)
        visit = call.field("sess_id")
        if visit not in self._visits:
            visit = self._mint()
            self._visits[visit] = call.field("redirect_params")
            return redirect(f"/connect/login?{self._query(visit)}")
        if call.cookies.get(COOKIE) in self._browsers:
            return redirect(f"/connect/finish?{self._query(visit)}")
        return Response(200, HTML, self._form(visit, call.now_ns).encode())

    def _first_step(self, call: Call) -> Response:
        if self._wrong >= TRIES:
            return refuse(BLOCKED)
        right = call.field("user_id") == USER_ID and hmac.compare_digest(
            call.field("password").encode(), self.password.encode()
        )
        if not right:
            self._wrong += 1
            return refuse(WRONG_PASSWORD)
        request_id = self._mint()
        self._half_way.add(request_id)
        profile = {"user_name": "Simulated User", "user_shortname": "Simulated", "avatar_url": None}
        kinds = {"twofa_type": "totp", "twofa_types": ["totp", "app_code"], "twofa_status": "active"}
        return success({"user_id": USER_ID, "request_id": request_id, "profile": profile, **kinds})

    def _second_step(self, call: Call) -> Response:
        if self._wrong >= TRIES:
            return refuse(BLOCKED)
        if call.field("user_id") != USER_ID or call.field("request_id") not in self._half_way:
            return refuse(NO_LOGIN)
        near = (call.now_ns + steps * STEP_S * NS_PER_S for steps in (-1, 0, 1))
        if call.field("twofa_value") not in {self.code(at_ns) for at_ns in near}:
            self._wrong += 1
            return refuse(WRONG_CODE)
        self._wrong = 0
        self._half_way.discard(call.field("request_id"))
        browser = self._mint()
        self._browsers.add(browser)
        return success({"profile": {}}, ("Set-Cookie", f"{COOKIE}={browser}; Path=/; HttpOnly; SameSite=Lax"))

    def _finish(self, call: Call) -> Response:
        if refusal := self._wrong_app(call):
            return refuse(refusal)
        visit = call.field("sess_id")
        if visit not in self._visits or call.cookies.get(COOKIE) not in self._browsers:
            return redirect(f"/connect/login?{self._query(visit)}")
        echoed = parse_qsl(self._visits.pop(visit))
        token = self._sessions.new_request_token(call.now_ns)
        said = {"action": "login", "type": "login", "status": "success", "request_token": token}
        url = self._sessions.app.redirect_url
        return redirect(f"{url}{'&' if '?' in url else '?'}{urlencode([*said.items(), *echoed])}")

    def _wrong_app(self, call: Call) -> Refusal | None:
        if not call.field("api_key"):
            return MISSING_KEY
        return None if call.field("api_key") == self._sessions.api_key else WRONG_APP

    def _query(self, visit: str) -> str:
        return urlencode({"v": "3", "api_key": self._sessions.api_key, "sess_id": visit})

    def _form(self, visit: str, now_ns: int) -> str:
        facts = {"user": USER_ID, "password": self.password, "code": self.code(now_ns)}
        shown = _PAGE
        for name, value in facts.items():
            shown = shown.replace(f"[[{name}]]", escape(value))
        return shown.replace("[[next]]", json.dumps(f"/connect/finish?{self._query(visit)}"))


def totp(secret: str, now_ns: int) -> str:
    """RFC 6238 with SHA-1, six digits and steps of 30 s, from a base32 secret."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    step = now_ns // (STEP_S * NS_PER_S)
    digest = hmac.new(key, step.to_bytes(8, "big"), partial(hashlib.sha1, usedforsecurity=False)).digest()
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 1_000_000:06d}"


_PAGE: Final = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Log in to the simulated exchange</title>
<style>body{font:16px system-ui;max-width:24em;margin:4em auto}
input,button{font:inherit;width:100%;margin:.3em 0}</style>
<h1>Simulated exchange</h1>
<p>Nobody's account: the user is <b>[[user]]</b>, the password <b>[[password]]</b>, the code <b>[[code]]</b>
(for about a minute).</p>
<form id="first"><input id="user_id" placeholder="User ID" autocomplete="off" required>
<input id="password" type="password" placeholder="Password" required><button>Log in</button></form>
<form id="second" hidden><input id="code" placeholder="Code of your authenticator" inputmode="numeric" required>
<button>Continue</button></form>
<p id="refused" role="alert"></p>
<script>
const found = name => document.getElementById(name), value = name => found(name).value;
let request_id = "";
async function ask(path, fields) {
  const answer = await (await fetch(path, {method: "POST", body: new URLSearchParams(fields)})).json();
  found("refused").textContent = answer.message || "";
  return answer.status === "success" ? answer.data : null;
}
found("first").onsubmit = async event => {
  event.preventDefault();
  const data = await ask("/api/login", {user_id: value("user_id"), password: value("password")});
  if (!data) return;
  request_id = data.request_id;
  found("first").hidden = true;
  found("second").hidden = false;
};
found("second").onsubmit = async event => {
  event.preventDefault();
  const fields = {user_id: value("user_id"), request_id, twofa_value: value("code"), twofa_type: "totp"};
  if (await ask("/api/twofa", fields)) location.href = [[next]];
};
</script></html>
"""
