"""The pages for people: server-rendered, nothing from the internet, and of use without scripts."""

from otpconv.web.pages.routes import Pages
from otpconv.web.pages.sign_in.links import OneTimeLinks

__all__ = ["OneTimeLinks", "Pages"]
