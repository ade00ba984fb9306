"""``kite alerts``: whether alerts arrive."""

from __future__ import annotations

import typer

from kitecli.commands._shared import JsonOption, print_json, say, settings_of

app = typer.Typer(help="Have yourself told of outages by Telegram or a webhook.", no_args_is_help=True)


@app.callback()
def alerts() -> None:
    """Have yourself told of outages by Telegram or a webhook."""  # without this Typer takes the verb for the group


@app.command(name="test", short_help="Send an alert now.")
def try_out(context: typer.Context, as_json: JsonOption = False) -> None:
    """Send an alert to each channel of alerts.channels, and say which it arrived at.

    Exit code 3 where a channel lacks its settings, 8 where one did not take it.

    Examples:

      kite --set alerts.channels=webhook alerts test

      kite alerts test --json
    """
    from kitecli.auth.reporting import alerts_of
    from kitecli.commands._alerts import send_test

    sent, failure = send_test(alerts_of(settings_of(context)))
    if as_json:
        print_json({"sent": sent})
    for channel in sent:
        say(f"Sent by {channel}.")
    if failure is not None:
        raise failure
