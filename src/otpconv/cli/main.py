"""The command `otpconv`: its sub-commands, and how errors become one line and an exit code."""

import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping
from pkgutil import resolve_name
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup
from typer.main import get_group

from otpconv import __version__
from otpconv.cli.characters import visible
from otpconv.cli.manual import EXIT_CODES, add
from otpconv.errors import Misconfigured, OtpconvError, Unavailable

#: What they mean is in `EXIT_CODES`.
_REFUSED, _MISCONFIGURED, _UNAVAILABLE, _INTERRUPTED = 1, 2, 3, 130

#: Raised by typer for wrong usage. Which module has the class depends on typer's version.
_UsageError: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError"
)
#: How help texts are written.
_MARKUP: Final = "markdown"

#: The sub-commands in the order in which a new user needs them, and where each is defined.
_DEFINED_IN: Final = {
    "serve": "otpconv.cli.serve:serve",
    "sign-in-link": "otpconv.cli.sign_in_link:sign_in_link",
    "keys": "otpconv.cli.keys:app",
    "users": "otpconv.cli.users:app",
    "policies": "otpconv.cli.policies:app",
    "roles": "otpconv.cli.roles:app",
    "access": "otpconv.cli.access:app",
    "vendors": "otpconv.cli.vendors:app",
    "relay": "otpconv.cli.relay:app",
    "report": "otpconv.cli.report:report",
    "spool": "otpconv.cli.spool:app",
    "consume": "otpconv.cli.consume:consume",
    "rates": "otpconv.cli.rates:rates",
    "prices": "otpconv.cli.prices:app",
    "message": "otpconv.cli.message:message",
    "advice": "otpconv.cli.advice:advice",
    "alerts": "otpconv.cli.alerts:app",
    "ranges": "otpconv.cli.ranges:ranges",
    "annotate": "otpconv.cli.annotations:annotate",
    "annotations": "otpconv.cli.annotations:app",
    "import": "otpconv.cli.importing.command:import_file",
    "export": "otpconv.cli.export:export",
    "forget": "otpconv.cli.forget:forget",
    "ledger": "otpconv.cli.ledger:app",
    "nodes": "otpconv.cli.nodes:nodes",
    "demo": "otpconv.cli.demo.command:demo",
    "bench": "otpconv.cli.bench:bench",
    "doctor": "otpconv.cli.doctor:doctor",
}


class _Commands(Mapping[str, Any]):
    """The sub-commands. Each is imported when it is used, so the libraries of the others cost it nothing."""

    def __getitem__(self, name: str) -> Any:  # type: ignore[explicit-override]  # noqa: ANN401 - of typer's click
        defined = resolve_name(_DEFINED_IN[name])
        alone = typer.Typer(rich_markup_mode=_MARKUP)
        if isinstance(defined, typer.Typer):
            alone.add_typer(defined, name=name)
        else:
            add(alone, name, defined)
        return get_group(alone).commands[name]

    def __iter__(self) -> Iterator[str]:  # type: ignore[explicit-override]
        return iter(_DEFINED_IN)

    def __len__(self) -> int:  # type: ignore[explicit-override]
        return len(_DEFINED_IN)


class _Group(TyperGroup):
    """The command `otpconv` itself."""

    def __init__(self, **given: Any) -> None:  # noqa: ANN401 - as typer gives them
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]  # nobody adds to it

    def list_commands(self, ctx: object) -> list[str]:  # type: ignore[explicit-override]
        """Return their names, in order."""
        del ctx
        return [*self.commands]


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=_MARKUP,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


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
