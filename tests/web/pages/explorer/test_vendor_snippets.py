"""The code that the explorer shows is that of the how-tos."""

import ast
import re
from pathlib import Path

import pytest
from msgspec import structs

from dialects.vendor_cases import CASES, name_of
from otpconv.dialects.tutor.operation import Operation, Signer, Way
from otpconv.dialects.tutor.pasted import Pasted, parse_pasted
from otpconv.dialects.tutor.vendor import Vendor, walk
from otpconv.dialects.vendors import VENDORS
from otpconv.web.pages.explorer.vendor_snippets import VendorSnippets
from otpconv.web.pages.layout import Layout
from otpconv.web.pages.static import StaticFiles

URL = "https://otpconv.example.com"
PAGES = Path(__file__).resolve().parents[4] / "docs/how-to/vendors"
SNIPPETS = VendorSnippets(Layout(StaticFiles()), URL)
#: What the code reads from variables, the how-tos have as words.
WORDS = {
    'os.environ["OTPCONV_ACCESS_KEY_ID"]': '"ACCESS_KEY_ID"',
    'os.environ["OTPCONV_ACCESS_KEY_SECRET"]': '"ACCESS_KEY_SECRET"',
    'os.environ["OTPCONV_ENDPOINT"]': f'"{URL}"',
    "sms_api_token=token": 'sms_api_token="ACCESS_KEY_ID:ACCESS_KEY_SECRET"',
    ", api_key, rest_endpoint": ', "API_KEY", rest_endpoint',
}
#: Statements that the code has because it reads variables, or that show the result of a question.
OWN = ("import os", "import base64", "token = ", "api_key = ", "attempt = ", "print(attempt.sid")
#: The how-tos compute times, which the explorer has as text or not at all.
TIMES = {"timestamp", "date_created_after"}
#: Ways that the how-tos only name.
NAMED_ONLY = {"HmacSHA256", "HmacSHA1", "sig"}


def blocks(vendor: Vendor, language: str) -> str:
    page = (PAGES / f"{vendor.name}.md").read_text(encoding="utf-8")
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```", page, re.MULTILINE | re.DOTALL))


def statements(code: str) -> list[str]:
    """Return the statements of code, in one spelling."""
    for written, meant in WORDS.items():
        code = code.replace(written, meant)
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [each for each in node.keywords if each.arg not in TIMES]
    return [ast.unparse(statement) for statement in tree.body]


def filled(operation: Operation) -> dict[str, str]:
    """Return the values that the how-tos have."""
    optional = {"metadata.correlation_id", "Country", "Status"} | (
        {"recipients"} if operation.name == "SendDeliveryFeedback" else set()
    )
    if operation.name == "ListVerificationAttempts":
        optional.discard("Country")
    return {
        each.name: each.example for each in operation.parameters if each.mandatory or each.name in optional
    }


@pytest.mark.parametrize(("vendor", "operation", "way"), CASES, ids=name_of)
def test_every_statement_of_the_python_code_is_one_of_the_how_to(
    vendor: Vendor, operation: Operation, way: Way
) -> None:
    given = filled(operation)
    if way.name == "Project":
        given["recipients"] = ""
    known = statements(blocks(vendor, "python"))
    for snippet in SNIPPETS.of(vendor, operation, way, given):
        if (
            snippet.key == "node"
            or way.name in NAMED_ONLY
            or (vendor.name, way.name) == ("telesign", "Basic")
        ):
            continue
        values = {"MessageIDs": "b69aeb31-byteplus"} if snippet.key == "byteplus" else given
        (code,) = (
            each.code for each in SNIPPETS.of(vendor, operation, way, values) if each.key == snippet.key
        )
        unknown = [line for line in statements(code) if line not in known and not line.startswith(OWN)]
        assert unknown == []
        for line in snippet.install.splitlines():
            if line.startswith("export "):
                said = line.replace("$OTPCONV_", "").replace('"', "")
                assert said in blocks(vendor, "console")


@pytest.mark.parametrize("name", ["didit", "infobip"])
def test_the_command_is_that_of_the_how_to(name: str) -> None:
    vendor = VENDORS[name]
    (operation,) = vendor.operations
    signer = Signer("ID", "SECRET", "otpconv.example.com", 0, "")
    request = walk(vendor, operation, operation.ways[0], filled(operation), signer).shown
    command = SNIPPETS.curl(request, operation.ways[0]).code.replace("$OTPCONV_", "")

    def plain(text: str) -> Pasted:
        pasted = parse_pasted(text)
        return structs.replace(pasted, body=pasted.body.replace(b" ", b""))

    assert plain(command) == plain(blocks(vendor, "console").replace("-sS ", ""))
