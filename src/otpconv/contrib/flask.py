"""Flask: `Otpconv(app)`, and in a view `current_reporter`."""

from typing import cast

from flask import Flask, current_app
from werkzeug.local import LocalProxy

from otpconv.contrib.unconfigured import disabled_without_endpoint
from otpconv.reporter import Reporter


class Otpconv:
    """The extension: gives an application its reporter.

    Its configuration holds arguments of `Reporter`, such as OTPCONV_ENDPOINT; missing ones are read from
    the environment. Where neither names an endpoint the reporter is disabled, and the log says so once. The
    reporter flushes at the end of the process.
    """

    def __init__(self, app: Flask | None = None) -> None:
        """Initialize the application if it is given; otherwise call `init_app` later."""
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Make the application's reporter.

        Raises:
            TypeError: the configuration has an OTPCONV_ name that is not an argument of `Reporter`.
            ValueError: the settings are wrong or incomplete.
        """
        options = disabled_without_endpoint(app.config.get_namespace("OTPCONV_"))
        app.extensions["otpconv"] = Reporter(**options)


#: The reporter of the application that serves the request.
current_reporter = cast(Reporter, LocalProxy(lambda: current_app.extensions["otpconv"]))
