"""The Typer app and the one error boundary.

Whatever a command raises ends in :class:`Boundary`: a :class:`~kitecli.errors.KiteError` becomes three lines on stderr
(what, why, next) and its exit code, Ctrl-C 130, a reader that went away 141, output that can't be written 8, a defect
of ours three lines and 70.
stdout carries data only, so with ``--json`` an error is one JSON line on stderr. docs/cli.md has the table.
"""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, cast

import typer
from typer.core import TyperGroup

from kitecli.commands._shared import JSON_ASKED, LOG_KEPT, GlobalOptions, say
from kitecli.commands.alerts import app as alerts_app
from kitecli.commands.audit_bars import audit_bars
from kitecli.commands.auth import app as auth_app
from kitecli.commands.bars import EPILOG as BARS_EXAMPLES
from kitecli.commands.bars import bars
from kitecli.commands.calendar import EPILOG as CALENDAR_EPILOG
from kitecli.commands.calendar import calendar
from kitecli.commands.config import app as config_app
from kitecli.commands.creds import app as creds_app
from kitecli.commands.data import app as data_app
from kitecli.commands.decode import decode
from kitecli.commands.demo import demo
from kitecli.commands.doctor import doctor
from kitecli.commands.feed import EPILOG as FEED_EXAMPLES
from kitecli.commands.feed import feed
from kitecli.commands.init import init
from kitecli.commands.instruments import app as instruments_app
from kitecli.commands.loadtest import EPILOG as LOADTEST_EXAMPLES
from kitecli.commands.loadtest import loadtest
from kitecli.commands.logs import EPILOG as LOGS_EXAMPLES
from kitecli.commands.logs import logs
from kitecli.commands.record import EPILOG as RECORD_EXAMPLES
from kitecli.commands.record import record
from kitecli.commands.replay import EPILOG as REPLAY_EXAMPLES
from kitecli.commands.replay import replay
from kitecli.commands.sim import sim
from kitecli.commands.stats import EPILOG as STATS_EXAMPLES
from kitecli.commands.stats import stats
from kitecli.commands.status import status
from kitecli.commands.stop import stop
from kitecli.errors import EnvironmentProblem, KiteError, UsageError
from kitecli.secret import MASK, redacted

EXIT_INTERRUPTED: Final = 128 + 2
EXIT_BROKEN_PIPE: Final = 128 + 13  # what a program killed by SIGPIPE answers
EXIT_DEFECT: Final = 70  # EX_SOFTWARE of sysexits.h
_FAILED_WRITES: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

# ClickException. Typer exports only its descendants, and `import click` is another copy of it since Typer 0.29.
_PARSER_ERROR: Final = cast(type[Exception], typer.BadParameter.__mro__[2])
_SECRET_PARAMETER: Final = re.compile(r"\b(access_token|api_key|api_secret|enctoken|password|request_token)=[^&\s'\"]+")


class Defect(KiteError):
    """An exception nobody foresaw, dressed for :func:`_report`."""

    exit_code = EXIT_DEFECT
    reference = "defect"


class Boundary(TyperGroup):
    """The root command: runs the verb, and turns whatever it raises into a message and an exit code."""

    # Any: the context's class is click's before Typer 0.29 and Typer's own since.
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Completing a verb needs none of the global options, and Typer 0.29 loads pydantic (150 ms) to read them."""
        if not ctx.resilient_parsing or (args and args[0].startswith("-")):
            return super().parse_args(ctx, args)
        options, self.params, self.add_help_option = self.params, [], False
        try:
            return super().parse_args(ctx, args)
        finally:
            self.params, self.add_help_option = options, True

    def invoke(self, ctx: Any) -> Any:
        try:
            return self._invoke(ctx)
        finally:
            if log := ctx.meta.get(LOG_KEPT):
                log.end()

    def _invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()  # a reader that went away is noticed here, not in the interpreter's last breath
        except (typer.Exit, typer.Abort, _PARSER_ERROR):
            raise
        except KeyboardInterrupt:
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except BrokenPipeError:
            _discard_stdout()
            raise typer.Exit(EXIT_BROKEN_PIPE) from None
        except Exception as raised:  # noqa: BLE001 - the boundary is the one place that may
            error = raised if isinstance(raised, KiteError) else _lost_output(raised) or _defect(raised)
            if log := ctx.meta.get(LOG_KEPT):
                log.failed(error, defect=isinstance(error, Defect))
            _report(error, as_json=bool(ctx.meta.get(JSON_ASKED)))
            raise typer.Exit(error.exit_code) from None
        return result


def _report(error: KiteError, *, as_json: bool) -> None:
    if os.environ.get("KITE_DEBUG") == "1":
        say(_without_secrets(traceback.format_exc().rstrip()))
    if as_json:
        say(_without_secrets(json.dumps(error.as_dict(), ensure_ascii=False)))
        return
    for label, text in (("kite:", error.what), ("  why: ", error.why), ("  next:", error.hint)):
        if text:
            say(_without_secrets(f"{label} {text}"))


def _defect(raised: Exception) -> Defect:
    frame = traceback.extract_tb(raised.__traceback__)[-1]
    return Defect(
        f"unexpected {type(raised).__name__} at {Path(frame.filename).name}:{frame.lineno}",
        why=str(raised),
        hint="this is a defect of kite: run the command again with KITE_DEBUG=1 for the traceback, and report it",
    )


def _without_secrets(text: str) -> str:
    """Exceptions of other packages may quote a URL, a header or an environment variable."""
    from kitecli.settings.schema import SECRET_VARIABLES

    for variable in SECRET_VARIABLES:
        if value := os.environ.get(variable):
            text = text.replace(value, MASK)
    return _SECRET_PARAMETER.sub(rf"\1={MASK}", redacted(text))


def _lost_output(raised: Exception) -> EnvironmentProblem | None:
    """An error for output that can't be written, as on a full disk; None if ``raised`` is about something else.

    The error of a failed write names no file. Whatever else of ours writes says so itself, in an error of its own.
    """
    if not isinstance(raised, OSError) or raised.errno not in _FAILED_WRITES or raised.filename is not None:
        return None
    _discard_stdout()
    return _no_stdout(raised.strerror or str(raised))


def _no_stdout(why: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        "stdout can't be written", why=why, hint="Free space where it goes, or send it somewhere else"
    )


def _discard_stdout() -> None:
    """So that the interpreter's flush at exit finds somewhere to write."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _print_version(asked: bool) -> None:
    if asked:
        from kitecli import __version__

        typer.echo(f"kite {__version__}")
        raise typer.Exit


def _override(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(
            f"--set {text} has no value", hint="write --set KEY=VALUE, as in --set performance.buffer_size=1000"
        )
    return key.strip(), value.strip()


app = typer.Typer(
    name="kite",
    cls=Boundary,
    help="Market data for Zerodha's Kite Connect, with a simulated exchange built in.",
    epilog="No account is needed for `kite demo` and `kite feed --sim`. Not advice; not affiliated with Zerodha.",
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich's help would cost as much as everything else together
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,  # locals hold tokens
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def kite(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option(help="The configuration file (otherwise: kite config path).")] = None,
    profile: Annotated[str | None, typer.Option(help="A ready profile, as maximum-speed.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="One setting: KEY=VALUE; repeatable.")] = None,
    version: Annotated[  # noqa: ARG001 - its callback prints and leaves
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    context.obj = GlobalOptions(config, profile, dict(_override(text) for text in overrides or ()))


app.command(short_help="See ticks stream, with no account.", epilog="Example: kite demo --seconds 60")(demo)
app.command(short_help="Stream live ticks.", epilog=FEED_EXAMPLES)(feed)
app.command(short_help="Show bars: a chart, a table or lines.", epilog=BARS_EXAMPLES)(bars)
app.command(name="audit-bars", short_help="Explain where bars differ from the broker's candles.")(audit_bars)
app.command(short_help="Record everything the feed receives.", epilog=RECORD_EXAMPLES)(record)
app.command(short_help="Play a recorded day as if live.", epilog=REPLAY_EXAMPLES)(replay)
app.command(short_help="Show the running feeds.")(status)
app.command(short_help="Show a feed's figures, live.", epilog=STATS_EXAMPLES)(stats)
app.command(short_help="End a running feed.")(stop)
app.command(short_help="Show what kite has written down.", epilog=LOGS_EXAMPLES)(logs)
app.command(short_help="Run a simulated exchange on this machine.")(sim)
app.command(short_help="Measure and judge this machine under a known load.", epilog=LOADTEST_EXAMPLES)(loadtest)
app.command(short_help="Print the ticks of captured messages.")(decode)
app.command(short_help="Show the market's sessions and holidays.", epilog=CALENDAR_EPILOG)(calendar)
app.command(short_help="Write a configuration file to edit.")(init)
app.command(short_help="Check what kite needs of this machine.")(doctor)
app.add_typer(instruments_app, name="instruments", short_help="Fetch, search, show and compare the instruments.")
app.add_typer(data_app, name="data", short_help="Recordings, and historical candles.")
app.add_typer(auth_app, name="auth", short_help="Log in at the broker, once a day.")
app.add_typer(creds_app, name="creds", short_help="Keep credentials in an encrypted vault.")
app.add_typer(alerts_app, name="alerts", short_help="Have yourself told of outages.")
app.add_typer(config_app, name="config", short_help="Show the settings and where each came from.")


def main() -> None:
    """The console script ``kite``."""
    as_json = "--json" in sys.argv
    # Python's answer to `kite … >&-`; the next file opened would be taken for stdout. (Type stubs deny it.)
    if cast(object, sys.stdout) is None:
        _end(_no_stdout("it is closed"), as_json=as_json)
    try:
        app()
    except OSError as raised:  # --help and --version print before there is a command to invoke
        _end(_lost_output(raised) or _defect(raised), as_json=as_json)


def _end(error: KiteError, *, as_json: bool) -> NoReturn:
    _report(error, as_json=as_json)
    sys.exit(error.exit_code)
