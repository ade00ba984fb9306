"""A browser without a window: logs in at the simulated exchange's page, by its forms, and follows the redirect.

``python fake_browser.py PAGE`` with ``user,password,totp_secret`` or nothing in SIM_LOGIN, as ``$BROWSER`` is
called. With
``--stop`` it prints the address it would end at instead of going there.
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
import urllib.request
from http.cookiejar import CookieJar
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin

import pyotp


class Stay(urllib.request.HTTPRedirectHandler):
    """Redirects are looked at, not followed."""

    def redirect_request(self, *_: object) -> None:
        return None


def browser() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar()), Stay()
    )


def get(http: urllib.request.OpenerDirector, url: str, form: dict[str, str] | None = None) -> tuple[str, str]:
    """The page, and where it redirects to."""
    try:
        with http.open(url, urlencode(form).encode() if form else None, timeout=10) as answer:
            return answer.read().decode(), ""
    except HTTPError as answer:
        with answer:
            where = urljoin(url, answer.headers["Location"]) if answer.code == 302 else ""
            return answer.read().decode(), where


def log_in(page: str, who: str) -> str:
    """Where the login ends: the redirect URL with what the broker adds. ``who`` empty: as the page itself says."""
    http = browser()
    text, where = get(http, page)
    while where:
        page = where
        text, where = get(http, page)
    if who:
        user_id, password, totp_secret = who.split(",")
        code = pyotp.TOTP(totp_secret).at(int(time.time()))
    else:
        user_id, password, code = re.findall(r"<b>(\w+)</b>", text)
    first, _ = get(http, urljoin(page, "/api/login"), {"user_id": user_id, "password": password})
    request_id = json.loads(first)["data"]["request_id"]
    form = {"user_id": user_id, "request_id": request_id, "twofa_value": code, "twofa_type": "totp"}
    get(http, urljoin(page, "/api/twofa"), form)
    finish = json.loads(re.search(r"location\.href = (\".*?\");", text)[1])
    return get(http, urljoin(page, finish))[1]


if __name__ == "__main__":
    stop = "--stop" in sys.argv
    assert not [name for name in os.environ if name.startswith("KITE_") and "SECRET" in name]
    end = log_in(sys.argv[-1], os.environ["SIM_LOGIN"])
    if stop:
        print(end)
    else:
        get(browser(), end)
