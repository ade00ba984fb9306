"""``kite doctor``: does this machine have what kite needs?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kitecli.commands._shared import JsonOption, print_json, print_rows, settings_of

if TYPE_CHECKING:
    from kitecli.machine import Check
    from kitecli.settings import Settings


def doctor(
    context: typer.Context,
    online: Annotated[bool, typer.Option("--online", help="Ask the broker and the network, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Check this machine: Python, packages, the compiled pass, shared memory, TLS, clock, configuration.

    With --online also session, clock against the broker's, network, egress IP and the broker's certificate.

    Ends with 0 when kite can work here (warnings allowed), otherwise with 8.

    Examples:

      kite doctor

      kite doctor --online

      kite doctor --json
    """
    from dataclasses import asdict

    from kitecli.errors import EnvironmentProblem
    from kitecli.machine import check_machine, usable

    checks = check_machine(lambda: settings_of(context))
    if online:
        checks += _online(settings_of(context, quietly=True))
    if as_json:
        print_json({"usable": usable(checks), "checks": [asdict(check) for check in checks]})
    else:
        print_rows(("", "check", "found", "what to do"), [(c.state, c.name, c.found, c.advice) for c in checks])
    if not usable(checks):
        raise typer.Exit(EnvironmentProblem.exit_code)


def _online(settings: Settings) -> list[Check]:
    from kitecli.commands._auth import stands
    from kitecli.online import check_online
    from kitecli.settings.endpoints import load_endpoints

    ends = load_endpoints(settings.kite)
    return list(check_online(ends, settings.kite.static_ips, lambda: stands(settings, None)))
