"""The explorer in a browser: every operation by both signatures, called, and its code run."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from browser.photographs import inspect, photograph
from campaigns import CAMPAIGN, parameters
from otpconv.access.keys import AccessKey
from otpconv.cli.local_server import LocalServer
from otpconv.config import environment, load
from otpconv.dialects.alibaba import OPERATIONS
from otpconv.dialects.vendors import VENDORS
from otpconv.service.opening import open_directory
from web.wire import v1

Open = Callable[..., Page]

ACTIONS = [operation.action for operation in OPERATIONS]
#: Runs each code of a list in one process, since the SDKs take long to import.
PYTHON = "import json, sys\nfor code in json.load(sys.stdin):\n    exec(compile(code, 'snippet', 'exec'), {})"
NODE = "for (const code of JSON.parse(require('fs').readFileSync(0))) new Function('require', code)(require);"


@pytest.fixture
def role(server: LocalServer, key: AccessKey) -> str:
    """The ARN of a role of the test's own account."""
    with closing(open_directory(load(data=server.data))) as directory:
        directory.create_role(key.account_name, "Reporter", 3_600)
        directory.attach("role", key.account_name, "Reporter", "OtpconvReportOnly")
    return f"acs:ram::{key.account}:role/Reporter"


def fill(page: Page, action: str, signature: str, role: str) -> None:
    """Fill in the form of an operation, so that every parameter is there."""
    page.goto(f"/explorer/{action}")
    if action == "AssumeRole":
        page.get_by_label("RoleArn").fill(role)
        page.get_by_label("DurationSeconds").fill("900")
    elif action.startswith("ConversionData"):
        page.get_by_label("ReportTime").fill("1700000000000")
    else:
        page.get_by_label("MessageId").fill("explored:1/a.b-c")
        page.get_by_label("ConversionTime").fill("1700000000001")
    page.get_by_label(signature, exact=False).check()
    if action != "AssumeRole":
        in_the_own_account(page)


def in_the_own_account(page: Page) -> None:
    """Choose to call where it counts, not in the sandbox."""
    page.locator("input[name=where][value=own]").check()


def code(page: Page, language: str) -> str:
    return page.locator(f"#code-{language}").inner_text()


def shown(page: Page, language: str) -> str:
    """Choose a language, and give the code that is shown then."""
    page.get_by_label(language, exact=True).check(force=True)
    found = page.locator(".snippet:visible pre").last
    expect(found).to_be_visible()
    return found.inner_text()


@pytest.mark.parametrize("signature", parameters(["V3", "V1"], ["V3"], "by the older signature"))
@pytest.mark.long("each operation in each language")
def test_every_operation_is_called_and_its_code_does_the_same(  # noqa: PLR0917 - fixtures
    open_page: Open,
    key: AccessKey,
    own: httpx.Client,
    role: str,
    node_modules: Path,
    eventually: Callable[[Callable[[], object], object], None],
    signature: str,
) -> None:
    page = open_page(key=key)
    python, node, curl = [], [], []
    for action in ACTIONS:
        fill(page, action, signature, role)
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#answer")).to_be_visible()
        expect(page.locator(".badge")).to_have_text("HTTP 200")
        reply = json.loads(page.locator("#reply").inner_text())
        if action != "AssumeRole":
            assert "OK" in {reply.get("ResponseCode"), reply.get("Code")}
        assert key.secret not in page.content()
        python.append(shown(page, "Python"))
        node.append(shown(page, "Node.js"))
        curl.append(shown(page, "curl"))
        assert ("v2" in python[-1]) == (signature == "V1")
    for output in (
        output_of([sys.executable, "-c", PYTHON], python, key),
        output_of(["node", "-e", NODE], node, key, NODE_PATH=str(node_modules)),
    ):
        assert sorted(each == "OK" for each in output) == [False, True, True, True, True], output
        assert any(each.startswith("20") and each.endswith("Z") for each in output)
    for command in curl:
        answer = json.loads(output_of(["bash", "-c", f"{command.strip()} -s"], [], key)[0])
        assert "OK" in {answer.get("ResponseCode"), answer.get("Code")} or "Credentials" in answer
    eventually(
        lambda: own.get("/v1/messages/explored:1/a.b-c").json().get("delivered_true_first"), 1700000000001
    )


def output_of(command: list[str], codes: list[str], key: AccessKey, **variables: str) -> list[str]:
    """Run codes by a command and give the lines they print."""
    keys = {"OTPCONV_ACCESS_KEY_ID": key.access_key_id, "OTPCONV_ACCESS_KEY_SECRET": key.secret}
    done = subprocess.run(  # noqa: S603 - our own words, and the code of our own page
        command,
        input=json.dumps(codes),
        env=environment() | keys | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1] if codes else [done.stdout]


def test_signing_alone_reports_nothing(open_page: Open, key: AccessKey, own: httpx.Client) -> None:
    page = open_page(key=key)
    page.goto("/explorer/SmsConversion")
    page.get_by_label("MessageId").fill("only-signed")
    page.get_by_role("button", name="Only sign").click()
    expect(page.get_by_role("heading", name="Steps of the signature")).to_be_visible()
    expect(page.locator("#reply")).to_have_count(0)
    titles = page.locator(".steps h3").all_inner_texts()
    assert titles == ["Hash of the body", "Canonical request", "String to sign", "Signature", "Sent"]
    assert own.get("/v1/messages/only-signed").status_code == 404


def test_without_scripts_it_is_called_and_coded_all_the_same(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, scripts=False)
    page.goto("/explorer/SmsConversion")
    page.get_by_role("button", name="Send").click()
    assert "OK" in page.locator("#reply").inner_text()
    page.get_by_label("Go", exact=True).check(force=True)
    assert page.locator("#code-go").is_visible()
    assert not page.locator("#code-python").is_visible()


def test_a_refused_call_is_shown_with_its_code_and_the_form_keeps_what_was_filled_in(
    open_page: Open, key: AccessKey
) -> None:
    page = open_page(key=key)
    page.goto("/explorer/SmsConversion")
    page.get_by_label("MessageId").fill("no id: <b>&\"'")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".badge")).to_have_text("HTTP 400")
    expect(page.locator("#reply")).to_contain_text("InvalidMessageId")
    expect(page.get_by_label("MessageId")).to_have_value("no id: <b>&\"'")


def test_who_may_not_call_is_told_before_and_refused_then(
    open_page: Open, make_key: Callable[..., AccessKey]
) -> None:
    page = open_page(key=make_key("OtpconvReadOnly"))
    page.goto("/explorer/SmsConversion")
    expect(page.locator(".notice")).to_contain_text("dysms:SmsConversion")
    in_the_own_account(page)
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#reply")).to_contain_text("NoPermission")


def test_languages_are_chosen_by_the_arrow_keys(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key)
    page.goto("/explorer/SmsConversion")
    page.get_by_label("Python", exact=True).focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#code-java")).to_be_visible()
    expect(page.locator("#code-python")).to_be_hidden()


@pytest.mark.rounds
def test_a_called_operation_can_be_read_by_all(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key)
    for place, signature in enumerate(("V3", "V1")):
        fill(page, "SmsConversion", signature, "")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#reply")).to_be_visible()
        photograph(page, f"called-{signature}", place)


# The native API.

#: So many of the answers, which all look alike, are checked for accessibility in `make test`.
PHOTOGRAPHED = 2

NATIVE = {
    "recordMessages": (
        {"message_id": "native", "to": "+4915112345678", "provider": "acme", "attempt": "1"},
        "recorded",
    ),
    "recordConversions": ({"message_id": "native"}, "recorded"),
    "getMessage": ({"message_id": "native"}, "verified"),
    "getRates": ({"by": "country,provider", "interval": "1d"}, "rows"),
    "searchMessages": ({"to": "+4915112345678"}, "messages"),
    "getAdvice": ({"country": "DE"}, "seed"),
    "getRanges": ({"country": "DE"}, "start"),
    "checkNumber": ({"to": "+4915112345678"}, "risk"),
    "replayAlerts": ({}, "budget"),
    "createAnnotation": ({"text": "Release 2.4"}, "id"),
    "listAnnotations": ({}, "annotations"),
    "deleteAnnotation": ({"annotation_id": "ID"}, "deleted"),
}


#: Calls that need a vendor account, an alert or its target, or are made in the same way; their forms are
#: tested without a browser.
OTHERS = {
    *("deleteVendor", "getRelay", "listDeadLetters", "listVendors", "pauseRelay"),
    *("resumeRelay", "retryDeadLetters", "testVendor"),
    *("listAlerts", "getAlert", "getAlertTicket", "acknowledgeAlert", "snoozeAlert"),
    *("listAlertTargets", "getAlertTarget", "testAlertTarget", "retryAlertTarget", "deleteAlertTarget"),
}


@pytest.mark.campaign(
    "the operations of the RPC endpoint are called in the browser; these forms are in test_native_calls.py"
)
@pytest.mark.long("each call, and then its command in a shell")
def test_every_native_call_is_made_and_its_command_does_the_same(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key)
    page.goto("/explorer")
    links = page.locator(".cards a[href^='/explorer/v1/']").all()
    assert {str(link.get_attribute("href")).rpartition("/")[2] for link in links} == set(NATIVE) | OTHERS
    annotation = ""
    for place, (name, (fields, member)) in enumerate(NATIVE.items()):
        page.goto(f"/explorer/v1/{name}")
        for field, value in fields.items():
            box = page.locator(f"#p-{field}")
            box.select_option(value) if field == "interval" else box.fill(value.replace("ID", annotation))
        if name == "recordConversions":
            page.locator("#p-delivered").select_option("true")
        if "Annotation" not in name:  # these have no other account
            in_the_own_account(page)
        page.get_by_role("button", name="Send").click()
        expect(page.locator(".badge")).to_have_text(re.compile("HTTP 20[01]"))
        reply = json.loads(page.locator("#reply").inner_text())
        assert reply[member]
        if name == "createAnnotation":
            annotation = str(reply["id"])
        if name == "deleteAnnotation":
            continue  # a second time there is none
        command = page.locator("#code-curl").inner_text()
        again = json.loads(output_of(["bash", "-c", f"{command.strip()} -s"], [], key)[0])
        assert set(again) == set(reply)
        assert key.secret not in page.content()
        if CAMPAIGN or place < PHOTOGRAPHED:
            photograph(page, f"called-{name}", place)


def test_a_refused_native_call_is_shown(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key)
    page.goto("/explorer/v1/getRates")
    page.locator("#p-start").fill("nonsense")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".badge")).to_have_text("HTTP 400")
    expect(page.locator("#reply")).to_contain_text("InvalidRequest")
    page.goto("/explorer/v1/recordMessages")
    page.locator("#p-attempt").fill("many")
    page.get_by_role("button", name="Send").click()
    expect(page.locator("#reply")).to_contain_text("attempt")


# The other vendors.

VENDOR_PAGES = [
    f"/explorer/{vendor.name}/{operation.name}"
    for vendor in VENDORS.values()
    for operation in vendor.operations
]


@pytest.mark.rounds
@pytest.mark.parametrize(
    "address", parameters(VENDOR_PAGES, ["/explorer/tencent/ReportConversion"], "the same for other vendors")
)
def test_a_vendors_operation_is_called_with_the_keyboard_and_can_be_read_by_all(
    open_page: Open, key: AccessKey, address: str
) -> None:
    page = open_page(key=key)
    page.goto(address)
    page.locator("#call :is(input[type=text], input:not([type]), button)").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".badge")).to_have_text(re.compile("HTTP (2|404|409)"))
    expect(page.locator(".steps h3").last).to_be_visible()
    switch = page.locator("input[name=language]")
    switch.first.focus()
    for count in range(switch.count() - 1):
        page.keyboard.press("ArrowRight")
        expect(switch.nth(count + 1)).to_be_checked()
        expect(page.locator(".snippet:visible")).to_have_count(1)
    assert key.secret not in page.content()
    for place in range(1 if CAMPAIGN else 2):
        photograph(page, address.strip("/").replace("/", "-"), place)


# A failing request, pasted.


def paste(page: Page, text: str) -> None:
    page.goto("/explorer/diagnosis")
    page.get_by_label("Request", exact=True).fill(text)
    page.get_by_role("button", name="Diagnose").click()


def test_a_pasted_request_is_diagnosed_and_its_nonce_found_once_it_is_used(
    open_page: Open, key: AccessKey
) -> None:
    page = open_page(key=key)
    page.goto("/explorer/SmsConversion")
    in_the_own_account(page)
    page.get_by_role("button", name="Only sign").click()
    curl = shown(page, "curl")
    paste(page, curl)
    expect(page.get_by_role("heading", name="No mistake found")).to_be_visible()
    output_of(["bash", "-c", f"{curl.strip()} -s"], [], key)
    paste(page, curl)
    expect(page.locator(".findings li.bad h3")).to_have_text("Nonce wrong")


@pytest.mark.rounds
def test_a_mistake_is_named_and_no_secret_told(server: LocalServer, open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key)
    wrong = v1(key, {"MessageId": "1", "Delivered": "true"}, secret=key.secret + "\n")
    paste(page, f"{server.url}{wrong.target}")
    expect(page.locator(".findings li.bad")).to_contain_text("a line feed behind it")
    expect(page.locator("#signed + p + h3")).to_have_text("String to sign")
    assert key.secret not in page.content()
    photograph(page, "diagnosed", 0)


def test_keys_of_other_accounts_are_unknown_to_the_diagnosis(
    server: LocalServer, open_page: Open, key: AccessKey, make_key: Callable[..., AccessKey]
) -> None:
    page = open_page(key=key, scheme="dark", width=390)
    paste(page, f"{server.url}{v1(make_key(), {'MessageId': '1', 'Delivered': 'true'}).target}")
    expect(page.locator(".findings li.bad")).to_contain_text("No access key has this AccessKeyId")
    inspect(page, "diagnosed-unknown-dark-390")


def test_what_is_no_request_is_told_what_to_paste(open_page: Open, key: AccessKey) -> None:
    page = open_page(key=key, calls_fail=True)
    paste(page, "it does not work <script>alert(1)</script>")
    expect(page.get_by_role("alert")).to_contain_text("Paste a whole request")
