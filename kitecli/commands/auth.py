"""``kite auth``: the daily login, who is logged in, and the end of it."""

from __future__ import annotations

from typing import Annotated

import typer

from kitecli.commands import _auth
from kitecli.commands._shared import JsonOption, print_json, say, settings_of

app = typer.Typer(help="Log in at the broker, once a day.", no_args_is_help=True)

_Sim = Annotated[bool, typer.Option("--sim", help="At the simulated exchange.")]


@app.command(short_help="Begin the day's session.")
def login(
    context: typer.Context,
    paste: Annotated[bool, typer.Option("--paste", help="Show the address, take what the browser ended at.")] = False,
    totp: Annotated[bool, typer.Option("--totp", help="Without a browser, by stored password and code.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also where a session lasts; it ends.")] = False,
    retry: Annotated[bool, typer.Option("--retry", help="With --totp: what was refused is corrected.")] = False,
    sim: _Sim = False,
    as_json: JsonOption = False,
) -> None:
    """Begin the day's session: opens the broker's login page and takes over when you have logged in.

    Every running and later kite uses it, until 06:00 IST. Over SSH it is --paste by itself. The first time it says what
    to register at the broker.

    Examples:

      kite auth login

      kite auth login --paste

      kite auth login --totp

      kite auth login --sim
    """
    from kitecli.auth.authenticator import KiteAuthenticator
    from kitecli.terminal.qr import draw_qr

    settings, way = settings_of(context), _auth.way_named(paste=paste, totp=totp)
    with _auth.simulated(settings, sim=sim, start=True) as ready:
        auth = KiteAuthenticator(way, settings=settings, simulated=ready, say=say, draw=draw_qr, retry=retry)
        found = _auth.log_in(auth, settings, ready, again=again)
    _auth.show(found, as_json=as_json)


@app.command(short_help="Show whose session it is, and until when.")
def status(context: typer.Context, sim: _Sim = False, as_json: JsonOption = False) -> None:
    """Show whose session kite uses, until when, and whether the app may have market data; the broker is asked.

    Exit code 4 where nobody is logged in, 46 where there is no market data.

    Examples:

      kite auth status

      kite auth status --json | jq .remaining_s
    """
    settings = settings_of(context)
    with _auth.simulated(settings, sim=sim) as ready:
        _auth.show(_auth.stands(settings, ready), as_json=as_json)


@app.command(short_help="End the session.")
def logout(context: typer.Context, sim: _Sim = False, as_json: JsonOption = False) -> None:
    """End the session, at the broker and here. Kite in your browser stays logged in.

    Example:

      kite auth logout
    """
    from kitecli.auth.authenticator import KiteAuthenticator

    settings = settings_of(context)
    with _auth.simulated(settings, sim=sim) as ready:
        ended = KiteAuthenticator(settings=settings, simulated=ready, say=say).logout()
    say(f"Ended the session of {ended.user_id}.")
    if as_json:
        print_json({"user_id": ended.user_id, "ended": True})


@app.command(short_help="Print the access token, for scripts.")
def token(
    context: typer.Context,
    to_stdout: Annotated[bool, typer.Option("--stdout", help="Yes, print the secret on stdout.")] = False,
    sim: _Sim = False,
    as_json: JsonOption = False,
) -> None:
    """Print the day's access token; without --stdout only where it is kept.

    Examples:

      KITE_ACCESS_TOKEN=$(kite auth token --stdout) python my_script.py
    """
    from kitecli.auth.authenticator import KiteAuthenticator
    from kitecli.secret import MASK

    settings = settings_of(context)
    with _auth.simulated(settings, sim=sim) as ready:
        auth = KiteAuthenticator(settings=settings, simulated=ready, say=say)
        session = _auth.known(auth)
    shown = session.access_token.reveal() if to_stdout else MASK
    if as_json:
        print_json({"access_token": shown, "file": str(auth.place.session_file(session.api_key))})
    else:
        typer.echo(shown)
