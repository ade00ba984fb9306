"""What a shell is told at a press of a key: symbols as it wants them, in no time, and nothing of another market's."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from kitecli.cli import app
from kitecli.completion import GLOBAL_VALUES, INSTRUMENT_OPTIONS, LIMIT, TAKES_VALUE, answer, candidates
from kitecli.market.columns import index_of_rows
from kitecli.market.instruments import format_instruments
from kitecli.master.folder import instruments_dir
from kitecli.master.store import MasterStore
from kitecli.verbs import VERBS
from tests.market.masters import contract, share

ROWS = [
    share("NSE:INFY", 408065),
    share("NSE:INFIBEAM", 513),
    share("BSE:INFY", 500209 << 8 | 4),
    share("NSE:NIFTY 50", 256265),
    share("NSE:M&M", 519937),
    share("MCX:SILVER", 263),
    *(contract(f"NFO:NIFTY26FEB{k}CE", k << 8 | 2, "NIFTY", "2026-02-24", "CE", k) for k in range(20000, 30000, 50)),
]
DAY = date(2026, 2, 20)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KITE_DATA_DIR", str(tmp_path))
    MasterStore(Path(instruments_dir("api.kite.trade"))).keep(format_instruments(ROWS).encode(), DAY)
    MasterStore(Path(instruments_dir("sim"))).keep(format_instruments([share("NSE:SIMULATED", 257)]).encode(), DAY)
    return tmp_path


def bash(line: str) -> list[str] | None:
    """Bash's own cut of a line: a colon is a word, unless it is quoted."""
    words = [""]
    quoted = False
    for letter in line:
        quoted ^= letter == '"'
        if letter == " " and not quoted:
            words.append("")
        elif letter == ":" and not quoted:
            words += [":", ""]
        else:
            words[-1] += letter
    if line.endswith(":"):
        words.pop()
    words = [word for word in words[:-1] if word] + words[-1:]
    said = answer(
        {"_KITE_COMPLETE": "complete_bash", "COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)}
    )
    return None if said is None else said.split("\n") if said else []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("kite feed NSE:INF", ["INFIBEAM", "INFY"]),
        ("kite feed nse:inf", ["INFIBEAM", "INFY"]),
        ("kite feed INF", ["INFIBEAM", "INFY"]),
        ("kite feed NSE:INFY BSE:", ["INFY"]),
        ("kite feed NSE:NIF", ["NIFTY\\ 50"]),
        ('kite feed "NSE:NIFTY 5', ["NSE:NIFTY 50"]),
        ("kite feed NSE:M", ["M\\&M"]),
        ("kite feed MC", ["", "SILVER"]),
        ("kite feed NFO:NIFTY:we", ["weekly"]),
        ("kite feed NFO:NIFTY:near:ATM+-1", ["ATM+-10"]),
        ("kite instruments show INFI", ["INFIBEAM"]),
        ("kite instruments search --limit 3 INFI", ["INFIBEAM"]),
        ("kite --profile x --set a=b feed --mode full INFI", ["INFIBEAM"]),
        ("kite feed --universe INFI", ["INFIBEAM"]),
        ("kite feed --spin INFI", ["INFIBEAM"]),
        ("kite feed --sim ", ["", "SIMULATED"]),
        ("kite feed --sim NSE:I", []),
        ("kite feed XYZ", []),
        ("kite feed --mode INFI", None),
        ("kite feed --mo", None),
        ("kite fe", ["feed"]),
        ("kite --profile x --set a=b do", ["doctor"]),
        ("kite --profile ", None),
        ("kite --prof", None),
        ("kite nothing", []),
        ("kite instruments sh", None),
        ("kite config show INFI", None),
        ("kite ", list(VERBS)),
    ],
)
def test_bash_gets_what_goes_on_from_what_is_typed(line: str, said: list[str] | None):
    found = bash(line)
    assert (
        found and [word.removeprefix("MCX:").removeprefix("NSE:") if line[-1] in "C " else word for word in found]
    ) == said


def test_what_is_cut_short_is_cut_where_thousands_differ():
    found = candidates(index_of_rows(ROWS), "NFO:NIFTY26FEB2")
    assert 1 < len(found) <= LIMIT
    assert {word[: len("NFO:NIFTY26FEB2")] for word in found} == {"NFO:NIFTY26FEB2"}
    assert len({word[len("NFO:NIFTY26FEB2")] for word in found}) > 1


@pytest.mark.parametrize(
    ("shell", "typed", "said"),
    [
        ("zsh", "kite feed NSE:INFI", r"""_arguments '*: :(("NSE\\:INFIBEAM"))'"""),
        ("zsh", "kite feed XYZ", "_files"),
        ("fish", "kite feed NSE:INFI", "NSE:INFIBEAM"),
        ("fish", "kite feed NSE:INFY ", "NSE:\nBSE:\nMCX:\nNFO:"),
        ("pwsh", "kite feed 'NSE:NIFTY", "'NSE:NIFTY 50'::: "),
    ],
)
def test_other_shells_get_it_in_their_way(shell: str, typed: str, said: str):
    word = typed.rsplit(maxsplit=1)[-1] if shell == "pwsh" else ""
    asked = {
        "_KITE_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": word,
    }
    assert answer(asked) == said


def test_the_environment_may_be_a_simulated_exchange():
    asked = {"_KITE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "kite feed NSE:S"}
    assert answer({**asked, "KITE_ENVIRONMENT": "sim"}) == "NSE:SIMULATED"
    assert answer(asked) == ""


def test_a_damaged_index_or_none_says_nothing(data: Path):
    for path in data.rglob("*.index"):
        path.write_bytes(path.read_bytes()[:100])
    assert bash("kite feed INF") == []
    for path in data.rglob("*.index"):
        path.unlink()
    assert bash("kite feed INF") == []


def test_the_options_that_take_a_value_are_typer_s():
    root = get_command(app)
    commands = {name: root.get_command(None, name) for name in VERBS}
    verbs = {
        **{name: commands[name] for name in ("feed", "bars", "audit-bars", "record", "replay")},
        **{f"instruments {n}": commands["instruments"].commands[n] for n in ("show", "search")},
    }
    for verb, command in verbs.items():
        options = [p for p in command.params if p.param_type_name == "option" and not p.is_flag and p.name != "help"]
        assert {name for option in options for name in option.opts} == TAKES_VALUE[verb]
    globals_ = [p for p in root.params if p.param_type_name == "option" and not p.is_flag]
    assert {name for option in globals_ for name in option.opts} >= GLOBAL_VALUES
    assert set().union(*TAKES_VALUE.values()) >= INSTRUMENT_OPTIONS
    taking = {name for name, command in commands.items() if any(p.name == "symbols" for p in command.params)}
    assert taking <= set(TAKES_VALUE)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
@pytest.mark.parametrize("typed", ["kite ", "kite re", "kite xyz"])
def test_verbs_are_said_as_typer_says_them(shell: str, typed: str):
    word = typed.partition(" ")[2]
    asked = {
        "_KITE_COMPLETE": f"complete_{shell}",
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": word,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "COMP_WORDS": typed,
        "COMP_CWORD": "1",
    }
    theirs = CliRunner().invoke(app, [], env=asked, prog_name="kite").stdout
    assert answer(asked) == theirs.removesuffix("\n")


def test_the_program_answers_by_itself_and_leaves_options_to_typer(run_kite):
    asked = {"_KITE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert run_kite(env={**asked, "_TYPER_COMPLETE_ARGS": "kite feed NSE:INF"}).stdout == "NSE:INFIBEAM\nNSE:INFY\n"
    run = "import sys; sys.argv[0] = 'kite'; from kitecli.__main__ import main; main()"
    env = {**os.environ, **asked, "_TYPER_COMPLETE_ARGS": "kite feed --spi"}
    assert (
        subprocess.run([sys.executable, "-c", run], env=env, capture_output=True, text=True, check=True).stdout
        == "--spin\tBusy-wait for ticks: less latency for a whole core.\n"
    )


@pytest.mark.timing
def test_a_press_of_a_key_costs_little_more_than_python_itself():
    """CPU seconds of the best of five, so that a busy machine doesn't count."""
    env = {**os.environ, "_KITE_COMPLETE": "complete_fish", "_TYPER_COMPLETE_ARGS": "kite feed NSE:INF"}

    def cost(*command: str) -> float:
        import resource

        times = []
        for _ in range(5):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *command], env=env, capture_output=True, check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        return min(times)

    assert cost("-m", "kitecli") < cost("-c", "pass") + 0.15  # 0.04 measured
