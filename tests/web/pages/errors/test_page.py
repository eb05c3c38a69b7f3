"""The error centre: no code that anybody can be answered with is missing in it."""

import ast
import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx
import pytest

import otpconv
from otpconv.cli.local_server import LocalServer
from otpconv.errors import OtpconvError
from otpconv.web.pages.errors.codes import REMEDIES, catalogue
from web.wire import NO_TLS

SOURCES = sorted(Path(otpconv.__file__).parent.rglob("*.py"))
PAGE = {"accept": "text/html"}
#: What makes a code of a name: the function, and what it puts before it.
MAKERS = {
    "GatewayError": "",
    "CredentialsError": "",
    "ErrorCode": "",
    "missing": "Missing",
    "invalid": "Invalid",
}


@pytest.fixture(scope="module")
def centre(server: LocalServer) -> Iterator[httpx.Client]:
    """Asks for pages."""
    with httpx.Client(base_url=server.url, headers=PAGE, verify=NO_TLS) as client:
        yield client


def literals(node: ast.expr) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value:
            yield part.value


def named_in(syntax: ast.Module) -> Iterator[str]:
    """The codes that a module of ours names as texts."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in MAKERS:
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant):
                yield MAKERS[node.func.id] + first.value
        elif isinstance(node, ast.ClassDef):
            for line in node.body:
                target = line.targets[0] if isinstance(line, ast.Assign) else getattr(line, "target", None)
                if isinstance(target, ast.Name) and target.id == "code" and getattr(line, "value", None):
                    yield from literals(line.value)
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.target) in {"_PRODUCT", "_GATEWAY"}:
            assert isinstance(node.value, ast.Dict)
            for value in node.value.values:
                yield from literals(value)


@pytest.fixture(scope="module")
def named() -> set[str]:
    """The codes that the source names."""
    texts = (source.read_text(encoding="utf-8") for source in SOURCES)
    return {code for text in texts for code in named_in(ast.parse(text))} - {"OK"}


def kinds(kind: type[OtpconvError] = OtpconvError) -> Iterator[type[OtpconvError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from kinds(child)


def test_the_source_names_many_codes(named: set[str]) -> None:
    assert {"MissingAction", "InvalidVersion", "SignatureDoesNotMatch", "ForeignForm", "NotFound"} <= named
    assert len(named) > 50


def test_every_code_that_the_source_names_or_makes_is_in_the_centre(named: set[str]) -> None:
    assert named - set(catalogue()) == set()
    assert {kind.code for kind in kinds()} - set(catalogue()) == set()


def test_every_code_of_the_native_api_has_a_remedy_and_no_other_has_one() -> None:
    codes = {kind.code for kind in kinds()}
    assert codes == set(REMEDIES)


@pytest.mark.parametrize("code", catalogue())
def test_every_code_has_a_page_with_cause_remedy_and_an_answer_that_has_it(
    centre: httpx.Client, code: str
) -> None:
    entry = catalogue()[code]
    page = centre.get(f"/errors/{code}")
    assert page.status_code == 200
    assert f"<h1>{code}</h1>" in page.text
    assert entry.cause
    assert entry.remedy
    answers = [
        json.loads(unescape(each))
        for each in re.findall(r"<pre[^>]*><code>(.*?)</code>", page.text, re.DOTALL)
    ]
    assert answers
    for answer in answers:
        assert code in {answer.get("Code"), answer.get("ResponseCode"), answer.get("code")}
        link = answer.get("Recommend") or answer.get("type")
        assert link == f"{str(centre.base_url).rstrip('/')}/errors/{code}" or entry.status == 200


def test_the_centre_is_open_to_all_and_lists_every_code(centre: httpx.Client) -> None:
    text = centre.get("/errors").text
    assert [code for code in catalogue() if f'href="/errors/{code}"' not in text] == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("SignatureDoesNotMatch", {"SignatureDoesNotMatch"}),
        ("signature nonce USED", {"SignatureNonceUsed"}),
        ("429", {"Throttled"}),
        ("no such code", set()),
    ],
)
def test_a_search_finds_codes_by_each_word(centre: httpx.Client, wanted: str, found: set[str]) -> None:
    text = centre.get("/errors", params={"q": wanted}).text
    assert set(re.findall(r'<a href="/errors/([^"/]+)"><code>', text)) == found


def test_what_is_searched_for_is_no_part_of_the_page(centre: httpx.Client) -> None:
    text = centre.get("/errors", params={"q": '"><script>alert(1)</script>'}).text
    assert "<script>alert" not in text


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("MissingAction", "The body was not read: its Content-Type is application/json."),
        (
            "MissingAction",
            "reads parameters from the query and from a body of application/x-www-form-urlencoded",
        ),
        (
            "InvalidTimeStamp.Expired",
            "The request is 17 min 3 s behind the server's time (2012-10-01T02:02:03Z",
        ),
        ("SignatureNonceUsed", "behind the server's time ("),
        ("InvalidSecurityToken.Expired", "expired at 2012-10-01T01:45:00Z"),
    ],
)
def test_the_page_of_a_code_shows_the_whole_message(centre: httpx.Client, code: str, says: str) -> None:
    assert says in unescape(centre.get(f"/errors/{code}").text)
