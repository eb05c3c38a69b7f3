"""What all pages have in common: templates, navigation, and the headers that keep a browser on our side."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from otpconv import __version__
from otpconv.web.pages.countries import country_name
from otpconv.web.pages.figures import FILTERS
from otpconv.web.pages.forms import TOKEN
from otpconv.web.pages.sections import NAVIGATION
from otpconv.web.pages.static import StaticFiles
from otpconv.web.pages.visitors import Visitor

HOME: Final = NAVIGATION[0].path

# Scripts and styles are files of ours only; nothing is loaded, framed or sent anywhere else.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer a browser would say "Origin: null" of our own forms.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Link(NamedTuple):
    """A page of the explorer.

    Attributes:
        path: of the page.
        name: what it is called.
        summary: what can be done there.
    """

    path: str
    name: str
    summary: str


class Layout:
    """Renders the pages."""

    def __init__(
        self,
        static: StaticFiles,
        explorer: Sequence[tuple[str, Sequence[Link]]] = (),
        provider_host: str = "",
    ) -> None:
        """Create the layout.

        Args:
            static: the files.
            explorer: what there is to explore, in groups.
            provider_host: the host of the identity provider, if people can sign in there.
        """
        self._templates = Environment(
            loader=PackageLoader("otpconv.web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters.update(FILTERS, country_name=country_name)
        self._templates.globals.update(
            static=static.url,
            explorer=explorer,
            navigation=NAVIGATION,
            home=HOME,
            provider_host=provider_host,
            version=__version__,
            token_name=TOKEN,
        )

    def page(
        self,
        template: str,
        path: str,
        visitor: Visitor | None,
        *,
        status: int = 200,
        **values: Any,  # noqa: ANN401
    ) -> HTMLResponse:
        """Return a page.

        Args:
            template: the name of its template.
            path: of the page, so that the navigation shows where one is.
            visitor: who is signed in, if anybody.
            status: the HTTP status.
            values: what the template needs.
        """
        text = self._templates.get_template(template).render(
            path=path, visitor=visitor, status=status, **values
        )
        return HTMLResponse(text, status_code=status, headers=HEADERS)

    def text(self, template: str, **values: Any) -> str:  # noqa: ANN401
        """Return what a template makes of values, as plain text: nothing is escaped."""
        plain = self._templates.overlay(autoescape=False)
        return plain.get_template(template).render(**values).strip() + "\n"
