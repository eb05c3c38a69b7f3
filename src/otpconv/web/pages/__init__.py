"""The pages for people: server-rendered, nothing from the internet, and of use without scripts."""

from otpconv.web.pages.routes import Pages

__all__ = ["Pages"]
