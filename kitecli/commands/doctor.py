"""``kite doctor``: does this machine have what kite needs?"""

from __future__ import annotations

import typer

from kitecli.commands._shared import JsonOption, print_json, print_rows, settings_of


def doctor(context: typer.Context, as_json: JsonOption = False) -> None:
    """Check this machine: Python, packages, the compiled pass, shared memory, TLS, clock, configuration.

    Ends with 0 when kite can work here (warnings allowed), otherwise with 8.

    Examples:

      kite doctor

      kite doctor --json
    """
    from dataclasses import asdict

    from kitecli.errors import EnvironmentProblem
    from kitecli.machine import check_machine, usable

    checks = check_machine(lambda: settings_of(context))
    if as_json:
        print_json({"usable": usable(checks), "checks": [asdict(check) for check in checks]})
    else:
        print_rows(("", "check", "found", "what to do"), [(c.state, c.name, c.found, c.advice) for c in checks])
    if not usable(checks):
        raise typer.Exit(EnvironmentProblem.exit_code)
