"""`otpconv serve`."""

import logging
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from otpconv import __version__
from otpconv.cli.characters import as_json
from otpconv.cli.options import Data, Json, Ledger

if TYPE_CHECKING:
    from otpconv.config import Settings

_IN_CLEAR = (
    "plain HTTP on an address that others can reach: they may read secrets and reports on the way. Set "
    "tls_cert and tls_key. Or use a proxy with TLS, and set trusted_proxies to its address, and require_tls"
)


def serve(
    host: Annotated[
        str | None,
        typer.Option(
            help="Address to listen on. [env: OTPCONV_HOST; default: 127.0.0.1]", show_default=False
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            help="Port to listen on; 0 chooses a free one. [env: OTPCONV_PORT; default: 8080]",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    ledger: Ledger = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(
            help="Certificate with its chain, to serve HTTPS; PEM file. [env: OTPCONV_TLS_CERT]",
            show_default=False,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(help="Private key; PEM file. [env: OTPCONV_TLS_KEY]", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Run the server until Ctrl-C or SIGTERM.

    The first start creates the data folder, its sealing key, and an administrator's access key, which it
    writes to the file `first-key` in the folder. Settings come from options, from `OTPCONV_*` variables, and
    from `otpconv.toml`. With `--json` the server prints its address as one line of JSON as soon as it
    answers. On a terminal it also prints a one-time link to sign in to the pages.

    Examples:
        otpconv serve

        otpconv serve --host 0.0.0.0 --port 80 --data /var/lib/otpconv

        otpconv serve --host 0.0.0.0 --port 443 --tls-cert fullchain.pem --tls-key privkey.pem
    """
    given = {"host": host, "port": port, "data": data, "tls_cert": tls_cert, "tls_key": tls_key}
    _run(given, ledger, json=json)


def _run(given: Mapping[str, object], ledger: str | None, *, json: bool) -> None:
    """Load the settings, and run the server with them."""
    # The server's libraries are not there in a client's installation.
    from otpconv.cli.logs import log_to_stderr
    from otpconv.config import load
    from otpconv.service.engines import without_password

    settings = load(**given, ledger=without_password(ledger))
    log_to_stderr(settings.log_level)
    _serve(settings, json=json)


def _serve(settings: "Settings", *, json: bool) -> None:
    from otpconv.access.sign_in_links import SignInLinks, url_of_link
    from otpconv.audit import AuditLog
    from otpconv.config import unknown_variables
    from otpconv.service.compose import Service
    from otpconv.web.app import App
    from otpconv.web.front.gate import Gate
    from otpconv.web.front.server import listening_socket, run_server
    from otpconv.web.front.tls import is_exposed, own_tls

    tls = own_tls(settings)
    bound = listening_socket(settings.host, settings.port)
    service = Service(settings)
    key_file = service.first_key_file()
    port = bound.getsockname()[1]
    url = listening_url(settings.host, port, secure=tls is not None)
    log = logging.getLogger(__name__)
    if is_exposed(settings):
        log.warning(_IN_CLEAR)
    for variable in unknown_variables():
        log.warning("the variable %s is not a setting of otpconv: ignored", variable)

    public_url = settings.public_url or url
    service.announce(public_url, port)

    def started() -> None:
        if json:
            fields = {"url": url, "data": str(settings.data), "key_file": key_file and str(key_file)}
            typer.echo(as_json(fields))
            return
        typer.echo(_welcome(url, settings.data, key_file))
        # On a terminal only: what goes into a file or a journal is read by others, and later.
        if sys.stdout.isatty() and key_file is not None:
            access_key_id = key_file.read_text(encoding="utf-8").partition(":")[0]
            token = SignInLinks(service.sealer).issue(access_key_id, service.clock())
            typer.echo(
                "One-time link to sign in to the pages, valid for an hour:\n\n"
                f"  {url_of_link(public_url, token)}\n"
            )

    gate = Gate(settings, AuditLog(settings.data))
    app = App(service, gate, public_url)
    run_server(app, service, gate, tls=tls, bound=bound, started=started)


def listening_url(host: str, port: int, *, secure: bool) -> str:
    """Return the URL of a server on this address, with brackets around an IPv6 address."""
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _welcome(url: str, data: Path, key_file: Path | None) -> str:
    if key_file is None:
        user, hint = (
            "$OTPCONV_ACCESS_KEY_ID:$OTPCONV_ACCESS_KEY_SECRET",
            (f"Access keys: otpconv keys create NAME --data {shlex.quote(str(data))}\n"),
        )
    else:
        user, hint = (
            f"$(cat {shlex.quote(str(key_file))})",
            f"An administrator's access key is in {key_file}\n",
        )
    json = "-H 'content-type: application/json' -d"
    return (
        f"otpconv {__version__} listens on {url}, data in {data}\n{hint}"
        "First calls to paste: report a message, report that it was verified, and query the rate.\n\n"
        f'  curl -u "{user}" {url}/v1/messages {json} \\\n'
        """    '{"messages": [{"message_id": "1008030300", "to": "+4915112345678", "provider": "acme"}]}'\n"""
        f'  curl -u "{user}" {url}/v1/conversions {json} \\\n'
        """    '{"conversions": [{"message_id": "1008030300", "delivered": true}]}'\n"""
        f'  curl -u "{user}" "{url}/v1/rates?by=country,provider"\n'
    )
