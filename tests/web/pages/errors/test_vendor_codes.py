"""The pages of the other vendors' codes: no code is missing, and answers lead there."""

import json
import re
from collections.abc import Iterator
from html import unescape
from importlib import import_module
from typing import Any

import httpx
import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from campaigns import rounds
from otpconv.cli.local_server import LocalServer
from otpconv.dialects.dialect import HttpRequest, HttpResponse, LoginCall
from otpconv.dialects.tutor.operation import Operation, Signer
from otpconv.dialects.tutor.vendor import Vendor, walk
from otpconv.dialects.vendors import VENDORS
from otpconv.errors import OtpconvError, Refused
from otpconv.web.pages.errors.vendor_codes import VendorEntry, vendor_catalogue
from web.wire import NO_TLS

URL = "https://otp.example"
NOW = 1_795_729_896_000
ENTRIES = vendor_catalogue(URL)


def classes(kind: type[OtpconvError] = OtpconvError) -> Iterator[type[OtpconvError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from classes(child)


def page_of(vendor: Vendor, answer: HttpResponse) -> VendorEntry:
    """Return the entry of the code of an answer, and check that the answer names its page."""
    entry = ENTRIES[f"{vendor.name}/{answer.code}"]
    assert f"See {URL}/errors/{entry.path}" in answer.body.decode()
    assert str(answer.status) in entry.status.split(", ")
    return entry


def refused(vendor: Vendor, request: HttpRequest) -> tuple[Refused | None, HttpResponse | None]:
    """Return the refusal of a request by the dialect, as the endpoint would answer it."""
    call: Any = None
    try:
        call = vendor.dialect.read(request)
        if not isinstance(call, LoginCall):
            call.verify("secret")
        reports = vendor.dialect.reports(call, 1, NOW, lambda _, number: number, "")
        vendor.dialect.success(call, "ID", ["unchanged"] * len(reports), NOW)
    except Refused as error:
        return error, vendor.dialect.failure(error, "ID", request=request, call=call, public_url=URL)
    return None, None


@st.composite
def damaged(draw: st.DrawFn, vendor: Vendor) -> HttpRequest:
    """Return a call of an operation with other values, in which something is left out or changed."""
    operation: Operation = draw(st.sampled_from([each for each in vendor.operations if each.method != "GET"]))
    text = st.text(st.characters(min_codepoint=33, max_codepoint=0x17F), max_size=300)
    values = {each.name: draw(st.just(each.example) | text) for each in operation.parameters}
    signer = Signer("LTAIkey", draw(st.sampled_from(["secret", "wrong"])), "otp.example", NOW, "0")
    request = walk(
        vendor, operation, draw(st.sampled_from(operation.ways)), values, signer
    ).request.received()
    for _ in range(draw(st.integers(0, 2))):
        name = draw(st.sampled_from([*request.fields, b"", b"body", b"query", b"method", b"path"]))
        if name in request.fields:
            value = draw(st.sampled_from([b"", b"x", request.fields[name] + b"x", None]))
            fields = {known: each for known, each in request.fields.items() if known != name}
            request = structs.replace(request, fields=fields if value is None else fields | {name: value})
        elif name == b"body":
            bodies = [b"", b"{", b"[]", request.body + b"x", b"a=1&a=2", b"{}", b"x" * 70_000]
            request = structs.replace(request, body=draw(st.sampled_from(bodies)))
        elif name == b"query":
            request = structs.replace(request, query=draw(st.sampled_from([b"", b"a=1", b"a=1&a=2"])))
        elif name == b"method":
            request = structs.replace(request, method=draw(st.sampled_from(["GET", "POST", "DELETE"])))
        elif name == b"path":
            request = structs.replace(request, path=f"{request.path}/other")
    return request


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=rounds(500))
@given(data=st.data())
def test_every_refused_call_has_a_code_with_a_page_that_tells_its_cause(
    name: str, data: st.DataObject
) -> None:
    vendor = VENDORS[name]
    strange = import_module(f"dialects.{name}.requests").requests()
    request = data.draw(damaged(vendor) | strange)
    error, answer = refused(vendor, request)
    if error is not None and answer is not None:
        entry = page_of(vendor, answer)
        known = {
            vendor.dialect.failure(
                each.error, "ID", request=HttpRequest("POST", each.path, b"", {}), call=None, public_url=URL
            ).code
            for each in vendor.refusals
            if type(each.error) in type(error).__mro__[:-3]
        }
        assert entry.code in known, error


@pytest.mark.parametrize("name", VENDORS)
def test_every_error_of_the_server_has_a_page_in_every_dialect(name: str) -> None:
    vendor = VENDORS[name]
    for kind in classes():
        error = kind.__new__(kind)
        error.text, error.wait_ms = "What to do.", 250  # type: ignore[attr-defined]
        if hasattr(kind, "kind") or kind.__name__ in {"InvalidField", "HeaderError", "GatewayError"}:
            continue
        for path in {each.path for each in vendor.refusals}:
            request = HttpRequest("POST", path, b"", {})
            page_of(vendor, vendor.dialect.failure(error, "ID", request=request, call=None, public_url=URL))


def test_every_entry_says_why_and_what_to_do_and_shows_an_answer() -> None:
    assert len(ENTRIES) > 80
    for path, entry in ENTRIES.items():
        assert path == entry.path
        assert all(reason.cause and reason.remedy for reason in entry.reasons), path
        assert entry.code in entry.example or entry.code.startswith("-"), path
        json.loads(entry.example)
        assert f"{URL}/errors/{path}" in entry.example


def test_every_code_has_a_page_in_the_centre(server: LocalServer) -> None:
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, verify=NO_TLS) as centre:
        listed = set(re.findall(r'href="/errors/([^"]+/[^"]+)"', centre.get("/errors").text))
        assert listed == set(ENTRIES)
        for path, entry in ENTRIES.items():
            text = unescape(centre.get(f"/errors/{path}").text)
            assert f"<h1>{entry.code}</h1>" in text
            assert all(reason.cause in text and reason.remedy in text for reason in entry.reasons)
            assert entry.group in text
        assert centre.get("/errors/aws/Nonsense").status_code == 404
        assert centre.get("/errors/nobody/3").status_code == 404
        found = centre.get("/errors", params={"q": "telesign nonce"}).text
        assert set(re.findall(r'href="/errors/(telesign/[^"]+)"', found)) == {
            "telesign/-30011",
            "telesign/-30012",
        }
