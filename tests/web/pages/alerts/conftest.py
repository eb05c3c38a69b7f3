"""The browsers of the pages of administration."""

from web.pages.administration.conftest import admin, signed_in

__all__ = ["admin", "signed_in"]
