"""The command `otpconv`: its sub-commands, and how errors become one line and an exit code."""

import importlib.util
import os
import sys
from typing import Annotated

import typer
from typer.core import TyperGroup

from otpconv import __version__
from otpconv.cli import (
    access,
    bench,
    consume,
    doctor,
    export,
    forget,
    keys,
    ledger,
    policies,
    rates,
    report,
    roles,
    serve,
    sign_in_link,
    spool,
    users,
)
from otpconv.cli.characters import visible
from otpconv.cli.demo.command import demo
from otpconv.cli.importing.command import import_file
from otpconv.cli.manual import add
from otpconv.errors import Misconfigured, OtpconvError, Unavailable

#: What exit codes mean: 0 done, 1 refused, 2 wrong usage or settings, 3 try again later, 130 interrupted.
_REFUSED, _MISCONFIGURED, _UNAVAILABLE, _INTERRUPTED = 1, 2, 3, 130

#: Raised by typer for wrong usage. Which module has the class depends on typer's version.
_UsageError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError"
)
_ORDER = (
    "serve",
    "sign-in-link",
    "keys",
    "users",
    "policies",
    "roles",
    "access",
    "report",
    "spool",
    "consume",
    "rates",
    "import",
    "export",
    "forget",
    "ledger",
    "demo",
    "bench",
    "doctor",
)


class _Commands(TyperGroup):
    """The sub-commands in the order in which a new user needs them."""

    def list_commands(self, ctx: object) -> list[str]:  # type: ignore[explicit-override]
        """Return their names."""
        del ctx
        return [name for name in _ORDER if name in self.commands]


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 refused, 2 wrong usage or settings, 3 try again later, 130 interrupted.",
)
add(app, "serve", serve.serve)
add(app, "sign-in-link", sign_in_link.sign_in_link)
for _group in (keys, users, policies, roles, access, spool, ledger):
    app.add_typer(_group.app, name=_group.__name__.rpartition(".")[2])
add(app, "report", report.report)
add(app, "consume", consume.consume)
add(app, "rates", rates.rates)
add(app, "import", import_file)
add(app, "export", export.export)
add(app, "forget", forget.forget)
add(app, "demo", demo)
add(app, "bench", bench.bench)
add(app, "doctor", doctor.doctor)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"otpconv {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Which of the one-time passwords we paid for were actually used?

    Send reports of requested and verified messages, and get conversion rates by country, carrier, provider
    and template.
    """


def run() -> None:
    """Run the command line of this process and exit."""
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except OtpconvError as error:
        codes = {Misconfigured: _MISCONFIGURED, Unavailable: _UNAVAILABLE}
        code = _fail(error.text, codes.get(type(error), _REFUSED))
    except _UsageError as error:
        code = _explain(error)
    except ModuleNotFoundError as error:
        if importlib.util.find_spec("granian") is not None:
            raise
        hint = f"this command needs the server's libraries ({error.name} is missing)"
        code = _fail(f"{hint}: pip install 'otpconv[server]'", _MISCONFIGURED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; nothing is left to be flushed at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = _REFUSED
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _fail(text: str, code: int) -> int:
    print(f"otpconv: {visible(text)}", file=sys.stderr)
    return code


def _explain(error: Exception) -> int:
    """Show the mistake in the command line, and where to find help; a bare command shows its help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        return _MISCONFIGURED
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "otpconv"
    what = " ".join(getattr(error, "format_message", error.__str__)().split())
    return _fail(f"{what.rstrip('.')}: see {path} --help", _MISCONFIGURED)
