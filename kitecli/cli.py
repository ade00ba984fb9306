"""The Typer app and the one error boundary.

Whatever a command raises ends in :class:`Boundary`: a :class:`~kitecli.errors.KiteError` becomes three lines on stderr
(what, why, next) and its exit code, Ctrl-C 130, a reader that went away 141, output that can't be written 8, a defect
of ours three lines and 70.
stdout carries data only, so with ``--json`` an error is one JSON line on stderr. docs/cli.md has the table.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import re
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, cast

import typer
from typer.core import TyperGroup
from typer.main import get_group

from kitecli.commands._shared import JSON_ASKED, LOG_KEPT, GlobalOptions, say
from kitecli.errors import EnvironmentProblem, KiteError, UsageError
from kitecli.secret import MASK, redacted
from kitecli.verbs import VERBS

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
        """Completing needs none of the global options, and Typer 0.29 loads pydantic (150 ms) to read them."""
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


class Verbs(Boundary):
    """The root with its verbs. One is imported when it is asked for: to read the options of all costs Typer 0.3 s."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*VERBS, *(name for name in super().list_commands(ctx) if name not in VERBS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in VERBS and cmd_name not in self.commands:
            self.add_command(_verb(cmd_name))
        return super().get_command(ctx, cmd_name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in VERBS:
            for name in VERBS:  # one that is nearly the name is proposed, of those that are loaded
                self.get_command(ctx, name)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - as Typer calls it
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


def _verb(name: str) -> Any:
    """Typer's command or group of a verb."""
    attribute = name.replace("-", "_")
    module = importlib.import_module(f"kitecli.commands.{attribute}")
    alone = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    if group := getattr(module, "app", None):
        alone.add_typer(group, name=name, short_help=VERBS[name])
    else:
        alone.command(name, short_help=VERBS[name], epilog=getattr(module, "EPILOG", None))(getattr(module, attribute))
    return get_group(alone).commands[name]


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

    given = (os.environ.get(variable, "") for variable in SECRET_VARIABLES)
    return _SECRET_PARAMETER.sub(rf"\1={MASK}", redacted(text, *given))


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
    cls=Verbs,
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
