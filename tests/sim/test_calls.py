"""Requests taken apart and answers put together."""

from __future__ import annotations

from kitecli.sim.calls import Request, redirect, success, taken_apart


def test_query_form_and_cookies_are_told_apart():
    headers = {"content-type": "application/x-www-form-urlencoded", "cookie": "kf_session=a; other=b=c"}
    call = taken_apart(Request("POST", "/a%20b/?x=1&y=", headers, b"x=2&z=3"), 7)
    assert (call.path, call.field("x"), call.field("y"), call.field("z"), call.field("w")) == ("/a b", "2", "", "3", "")
    assert call.cookies == {"kf_session": "a", "other": "b=c"}
    assert taken_apart(Request("GET", "/"), 7).cookies.get("kf_session") is None


def test_headers_go_with_the_answer():
    assert success({}, ("Set-Cookie", "a=b")).headers == (("Set-Cookie", "a=b"),)
    sent = redirect("/there")
    assert (sent.status, sent.headers) == (302, (("Location", "/there"),))
