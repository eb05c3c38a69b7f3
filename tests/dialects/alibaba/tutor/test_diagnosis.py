"""The diagnosis of failing requests: people's usual mistakes are made here, and each is named."""

import base64
import contextlib
import hmac
import shlex
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings, strategies as st
from msgspec import structs

from campaigns import rounds
from otpconv.dialects.alibaba import OPERATIONS, Call, sign_v1, sign_v3
from otpconv.dialects.alibaba.tutor.diagnosis import diagnose
from otpconv.dialects.alibaba.tutor.mistakes import find_mistakes, v1_mistakes, v3_mistakes
from otpconv.dialects.alibaba.tutor.recipes import V1Recipe, V3Recipe
from otpconv.dialects.alibaba.tutor.walkthrough import timestamp, walk
from otpconv.dialects.alibaba.wire.signature import (
    V3_ALGORITHMS,
    canonical,
    v1_string_to_sign,
    v3_canonical_request,
    v3_string_to_sign,
)
from otpconv.dialects.tutor.findings import Diagnosis
from otpconv.dialects.tutor.pasted import MAX_CHARS, Pasted, parse_pasted
from otpconv.errors import InvalidRequest, UnknownAccessKey

NOW = 1_800_000_000_000
SECRET = "t0p5ecret+/x"  # noqa: S105 - of no key
WRONG = "another"
OTHERS = {"LTAIother": "0therSecret"}
HOST = "otp.example:8080"
STRANGE = {
    "MessageId": "a b*~/c'(d)!",
    "Delivered": "true",
    "delivered": "x",
    "Blank": "",
    "Hole": "",
    "Hole-1": "y",
}
FORM = "application/x-www-form-urlencoded"


def diagnosed(text: str | Pasted, *, used: bool = False, now: int = NOW) -> Diagnosis:
    def secret_of(call: Call) -> str:
        if call.access_key_id != "LTAIx":
            raise UnknownAccessKey("No access key has this AccessKeyId.")
        return SECRET

    pasted = parse_pasted(text) if isinstance(text, str) else text
    return diagnose(
        pasted, secret_of=secret_of, others=OTHERS, was_used=lambda _: used, now=now, window_ms=900_000
    )


def bad(found: Diagnosis) -> list[str]:
    return [finding.text for finding in found.findings if finding.state == "bad"]


def v1(changes: Mapping[str, str] | None = None, *, at: int = NOW) -> dict[str, str]:
    """The parameters of a V1 request, in no order."""
    return {
        "Version": "2018-05-01",
        "AccessKeyId": "LTAIx",
        "Action": "SmsConversion",
        "Format": "JSON",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "n 1",
        "SignatureVersion": "1.0",
        "Timestamp": timestamp(at),
        **STRANGE,
        **(changes or {}),
    }


def url(parameters: Mapping[str, str], signature: str) -> str:
    return f"https://{HOST}/?{urlencode({**parameters, 'Signature': signature})}"


def v3_headers(at: int = NOW) -> dict[str, str]:
    return {
        "x-acs-version": "2018-05-01",
        "host": HOST,
        "x-acs-action": "SmsConversion",
        "x-acs-date": timestamp(at),
        "x-acs-signature-nonce": "n1",
    }


def message(parameters: Mapping[str, str], headers: Mapping[str, str], body: str = "") -> str:
    lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
    return f"POST /?{urlencode(parameters, quote_via=quote)} HTTP/1.1\n{lines}\n\n{body}"


def signed_v3(parameters: Mapping[str, str] = STRANGE, body: bytes = b"", **headers: str) -> dict[str, str]:
    return sign_v3("POST", parameters, v3_headers() | headers, body, access_key_id="LTAIx", secret=SECRET)


# Requests that are right.


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_right_v1_request_is_good(method: str) -> None:
    found = diagnosed(f"{method} {url(v1(), sign_v1(method, v1(), SECRET))}")
    assert [finding.state for finding in found.findings] == ["good"] * 5
    assert found.is_good
    assert found.signed[0].value.startswith(f"{method}&%2F&")


def test_a_right_v3_request_is_good_also_with_a_body() -> None:
    assert diagnosed(message(STRANGE, signed_v3())).is_good
    body = "Delivered=true&MessageId=5"
    headers = signed_v3({}, body.encode(), **{"content-type": FORM})
    found = diagnosed(message({}, headers, body))
    assert found.is_good
    assert [step.title for step in found.signed] == ["Canonical request", "String to sign"]


@pytest.mark.parametrize("signature", ["V1", "V3"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.action)
def test_what_the_explorer_signs_is_good(operation: Any, signature: Any) -> None:  # noqa: ANN401 - the tables
    parameters = {each.name: each.example for each in operation.parameters}
    made = walk(
        signature, operation, parameters, host=HOST, access_key_id="LTAIx", secret=SECRET, now=NOW, nonce="n"
    )
    words = ["curl", "-X", made.method, f"http://{HOST}/?{made.query}"]
    for name, value in made.headers.items():
        words += ["-H", f"{name}: {value}"]
    assert diagnosed(shlex.join(words)).is_good
    assert all(SECRET not in step.value for step in made.steps)


# Everything but the signature.


def test_what_the_server_refuses_by_its_form_is_told_with_its_remedy() -> None:
    (found,) = diagnosed(f"https://{HOST}/?Action=SmsConversion").findings
    assert found.state == "bad"
    assert found.text.startswith("MissingVersion: ")
    assert found.remedy


def test_a_header_that_is_not_signed_is_named() -> None:
    (found,) = diagnosed(message(STRANGE, signed_v3() | {"x-acs-extra": "1"})).findings
    assert "IncompleteSignature" in found.text
    assert "x-acs-extra" in found.text


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        (b"", "an empty body"),
        (b"Delivered=true\n", "a line feed at its end"),
        (b"Delivered=false", "another body"),
    ],
)
def test_a_hash_of_another_body_is_told(signed: bytes, says: str) -> None:
    headers = signed_v3({}, signed, **{"content-type": FORM})
    (text,) = bad(diagnosed(message({}, headers, "Delivered=true")))
    assert says in text


@pytest.mark.parametrize(
    ("write", "says"),
    [(str.upper, "in capitals"), (lambda text: base64.b64encode(bytes.fromhex(text)).decode(), "in base64")],
)
def test_a_hash_in_another_writing_is_told(write: Callable[[str], str], says: str) -> None:
    headers = signed_v3({}, b"Delivered=true", **{"content-type": FORM})
    headers["x-acs-content-sha256"] = write(headers["x-acs-content-sha256"])
    assert says in bad(diagnosed(message({}, headers, "Delivered=true")))[0]


def test_an_unknown_key_ends_the_diagnosis_with_what_to_sign() -> None:
    found = diagnosed(url(v1({"AccessKeyId": "LTAIy"}), "x"))
    assert [finding.state for finding in found.findings] == ["good", "bad"]
    assert found.signed


@pytest.mark.parametrize(
    ("ahead_ms", "state", "says"),
    [
        (0, "good", "0 s ago"),
        (-900_000, "good", "15 min ago"),
        (60_000, "good", "1 min ahead"),
        (-901_000, "unsure", "15 min 1 s ago"),
        (8 * 3_600_000, "bad", "local time"),
        (1_500_000, "bad", "25 min in the future"),
        (40 * 60_000 + 30_000, "bad", "40 min 30 s in the future"),
    ],
)
def test_the_time_is_told_with_what_may_be_wrong_with_the_clock(ahead_ms: int, state: str, says: str) -> None:
    parameters = v1(at=NOW + ahead_ms)
    found = diagnosed(url(parameters, sign_v1("GET", parameters, SECRET)))
    time = next(finding for finding in found.findings if finding.subject == "Time")
    assert time.state == state
    assert says in time.text


def test_a_nonce_that_was_used_is_told() -> None:
    found = diagnosed(url(v1(), sign_v1("GET", v1(), SECRET)), used=True)
    assert [finding.subject for finding in found.findings if finding.state == "bad"] == ["Nonce"]


# Signatures.


def test_a_wrong_secret_is_no_usual_mistake() -> None:
    for text in (
        url(v1(), sign_v1("GET", v1(), WRONG)),
        message(STRANGE, sign_v3("POST", STRANGE, v3_headers(), b"", access_key_id="LTAIx", secret=WRONG)),
    ):
        (says,) = bad(diagnosed(text))
        assert "no usual mistake explains it" in says


def test_a_changed_header_is_among_those_to_compare() -> None:
    headers = signed_v3(**{"user-agent": "sdk"}) | {"user-agent": "proxy"}
    found = diagnosed(message(STRANGE, headers))
    assert "user-agent" in next(each.remedy for each in found.findings if each.subject == "Signature")


def test_the_signature_of_another_key_is_named_and_told_nowhere() -> None:
    (text,) = bad(diagnosed(url(v1(), sign_v1("GET", v1(), OTHERS["LTAIother"]))))
    assert "LTAIother" in text


def test_a_plus_in_the_signature_that_became_a_space_is_told() -> None:
    nonce = next(n for n in range(100) if "+" in sign_v1("GET", v1({"SignatureNonce": str(n)}), SECRET))
    parameters = v1({"SignatureNonce": str(nonce)})
    signature = sign_v1("GET", parameters, SECRET)
    raw = f"https://{HOST}/?{urlencode(parameters)}&Signature={signature}"
    assert bad(diagnosed(raw)) == ["The signature's + was sent as it is, and so arrived as a space."]
    assert "encoded twice" in bad(diagnosed(url(parameters, quote(signature, safe=""))))[0]


def v1_recipe() -> V1Recipe:
    return V1Recipe("GET", v1(), SECRET)


def v3_recipe() -> V3Recipe:
    headers = v3_headers()
    empty = signed_v3()["x-acs-content-sha256"]
    return V3Recipe("POST", STRANGE, headers | {"x-acs-content-sha256": empty}, empty, SECRET)


def sent_v1(recipe: V1Recipe) -> str:
    return url(v1(), base64.b64encode(recipe.sign()).decode())


def sent_v3(recipe: V3Recipe) -> str:
    names = list(v3_recipe().headers)
    authorization = (
        f"ACS3-HMAC-SHA256 Credential=LTAIx,SignedHeaders={';'.join(names)},Signature={recipe.sign().hex()}"
    )
    return message(STRANGE, {**v3_recipe().headers, "authorization": authorization})


V1 = [*v1_mistakes(v1_recipe(), OTHERS)]
V3 = [*v3_mistakes(v3_recipe(), OTHERS)]


@pytest.mark.parametrize("mistake", V1, ids=lambda mistake: mistake.what)
def test_each_mistake_with_v1_is_named(mistake: Any) -> None:  # noqa: ANN401 - the table
    wrong = structs.replace(v1_recipe(), **{mistake.part: mistake.value})
    assert bad(diagnosed(sent_v1(wrong))) == [mistake.what]


@pytest.mark.parametrize("mistake", V3, ids=lambda mistake: mistake.what)
def test_each_mistake_with_v3_is_named(mistake: Any) -> None:  # noqa: ANN401 - the table
    wrong = structs.replace(v3_recipe(), **{mistake.part: mistake.value})
    assert bad(diagnosed(sent_v3(wrong))) == [mistake.what]


@given(st.data())
@settings(max_examples=rounds(60), deadline=None)
def test_two_mistakes_at_once_are_explained_without_telling_the_secret(data: st.DataObject) -> None:
    version = data.draw(st.sampled_from(["V1", "V3"]))
    known = [mistake for mistake in (V1 if version == "V1" else V3) if not mistake.alone]
    chosen = data.draw(st.lists(st.sampled_from(known), max_size=2, unique_by=lambda each: each.part))
    parts = {mistake.part: mistake.value for mistake in chosen}
    if version == "V1":
        recipe = structs.replace(v1_recipe(), **parts)
        found = diagnosed(sent_v1(recipe))
        right = base64.b64encode(v1_recipe().sign()).decode()
    else:
        recipe3 = structs.replace(v3_recipe(), **parts)
        found = diagnosed(sent_v3(recipe3))
        right = v3_recipe().sign().hex()
    # One mistake may hide another, or two look like a third.
    assert len(bad(found)) <= len(chosen)
    assert found.is_good == (not bad(found))
    assert "no usual mistake" not in str(found)
    assert SECRET not in str(found)
    assert right not in str(found)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1).filter(
            lambda name: name not in v1() and name != "Signature"
        ),
        st.text(st.characters(codec="utf-8", exclude_categories=["C"])),
        max_size=4,
    )
)
@settings(deadline=None)
def test_a_right_signature_over_whatever_is_good(parameters: dict[str, str]) -> None:
    found = diagnosed(url(v1(parameters), sign_v1("GET", v1(parameters), SECRET)))
    assert [finding.state for finding in found.findings if finding.subject == "Signature"] in (["good"], [])


# Pasting.


@given(st.text() | st.text().map(lambda text: f"curl {text}") | st.text().map(lambda text: f"GET /?{text}"))
def test_any_text_is_diagnosed_or_told_what_to_paste(text: str) -> None:
    with contextlib.suppress(InvalidRequest):
        assert diagnosed(text).findings


@pytest.mark.parametrize(
    "text",
    ["", "hello", "PATCH", "curl", "curl -X POST", "curl 'x", "GET /\nno header", "GET /?" + "x" * 20_000],
)
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_pasted(text)


def test_a_request_may_be_pasted_in_several_ways() -> None:
    same = Pasted("POST", "/", b"a=1", {b"host": b"h:1", b"x-acs-date": b"d"}, b"")
    for text in (
        "POST http://h:1/?a=1\nx-acs-date: d",
        "POST /?a=1 HTTP/1.1\r\nHost: h:1\r\nX-Acs-Date:  d \r\n\r\n",
        "curl -X POST 'http://h:1/?a=1' \\\n  -H 'X-Acs-Date: d'",
        "curl --request=POST --url http://h:1/?a=1 -H x-acs-date:d -s -o out",
        "curl -G -X POST http://h:1/ -H 'x-acs-date: d' -d a=1",
    ):
        assert parse_pasted(text) == same
    form = parse_pasted("curl http://h:1/ -d a=1 --data-raw b=2")
    assert (form.method, form.body, form.fields[b"content-type"]) == ("POST", b"a=1&b=2", FORM.encode())
    assert parse_pasted("http://h/?a=1").method == "GET"
    login = parse_pasted("curl -u LTAI:secret 'http://h/a%2Fb?c'")
    assert (login.path, login.fields[b"authorization"]) == ("/a/b", b"Basic TFRBSTpzZWNyZXQ=")


def test_an_unknown_action_is_told_as_the_server_would() -> None:
    (found,) = diagnosed(url(v1({"Action": "Nonsense"}), "x")).findings
    assert "InvalidAction.NotFound" in found.text


# Parts that came elsewhere, and every mistake in every way to send it.


@pytest.mark.parametrize("kind", ["application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_a_body_that_was_not_read_is_named_also_where_the_signature_is_right(kind: str) -> None:
    header = f"content-type: {kind}\n" if kind else ""
    body = '{"Delivered": true}'
    signed = f"POST {url(v1(), sign_v1('POST', v1(), SECRET))} HTTP/1.1\n{header}\n{body}"
    found = next(finding for finding in diagnosed(signed).findings if finding.subject == "Body")
    assert found.state == "unsure"
    assert found.text.startswith("The body was not read: ")
    assert "application/x-www-form-urlencoded" in found.remedy
    # Nothing in the query: the server can't even find an Action.
    (form,) = diagnosed(f"POST / HTTP/1.1\n{header}\n{body}").findings
    assert form.text.startswith("MissingAction: ")
    assert "The body was not read: " in form.text


@pytest.mark.parametrize("ahead_ms", [-1_023_000, 1_023_000])
def test_the_diagnosis_gives_the_servers_time_in_utc_and_the_difference(ahead_ms: int) -> None:
    parameters = v1(at=NOW + ahead_ms)
    found = diagnosed(url(parameters, sign_v1("GET", parameters, SECRET)), used=True)
    time, nonce = (
        next(finding for finding in found.findings if finding.subject == subject)
        for subject in ("Time", "Nonce")
    )
    assert "17 min 3 s" in time.text
    assert timestamp(NOW) in time.text
    assert timestamp(NOW + ahead_ms) in time.text
    assert timestamp(NOW) in nonce.text


_SECRETS = {
    "CR LF behind it": lambda secret: f"{secret}\r\n",
    "byte order mark (BOM) before it": lambda secret: f"\ufeff{secret}",
    "%26 were appended": lambda secret: f"{secret}%26",
}


@given(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(["HMAC-SHA1", "HMAC-SHA256"]),
    st.sampled_from([*_SECRETS, "line feed follows the string to sign", "base64 of the hexadecimal digest"]),
    st.dictionaries(
        st.text(st.sampled_from("abXYZ-~*'"), min_size=1), st.text(st.sampled_from("aZ1 +*~/é")), max_size=3
    ),
)
@settings(deadline=None)
def test_the_new_mistakes_with_v1_are_named_made_by_hand(
    method: str, hmac_name: str, mistake: str, own: dict[str, str]
) -> None:
    parameters = v1(own | {"SignatureMethod": hmac_name})
    hash_name = hmac_name.removeprefix("HMAC-").lower()
    signed = v1_string_to_sign(method, canonical(parameters))
    key = _SECRETS[mistake](SECRET) if mistake in _SECRETS else SECRET
    # V1 appends the & itself; who writes %26 does that in its place.
    key += "" if "%26" in mistake else "&"
    signed += b"\n" if "line feed follows" in mistake else b""
    digest = hmac.digest(key.encode(), signed, hash_name)
    made = base64.b64encode(digest.hex().encode() if "hexadecimal" in mistake else digest).decode()
    (says,) = bad(diagnosed(f"{method} {url(parameters, made)}"))
    assert mistake in says


@given(
    st.sampled_from(["GET", "POST"]),
    st.sampled_from(
        [
            *_SECRETS,
            "line feed follows the string to sign",
            "line feed follows the canonical request",
            "base64 of the hexadecimal digest",
        ]
    ),
)
@settings(deadline=None)
def test_the_new_mistakes_with_v3_are_named_made_by_hand(method: str, mistake: str) -> None:
    recipe = structs.replace(v3_recipe(), method=method)
    names = ";".join(sorted(recipe.headers))
    lines = "".join(f"{name}:{recipe.headers[name]}\n" for name in sorted(recipe.headers))
    request = v3_canonical_request(
        method, canonical(STRANGE), lines.encode(), names.encode(), recipe.body_hash.encode()
    )
    request += b"\n" if "canonical" in mistake else b""
    signed = v3_string_to_sign(request, V3_ALGORITHMS["ACS3-HMAC-SHA256"])
    signed += b"\n" if "string to sign" in mistake else b""
    key = _SECRETS[mistake](SECRET) if mistake in _SECRETS else SECRET
    made = hmac.new(key.encode(), signed, "sha256").hexdigest()
    made = base64.b64encode(made.encode()).decode() if "base64" in mistake else made
    authorization = f"ACS3-HMAC-SHA256 Credential=LTAIx,SignedHeaders={names},Signature={made}"
    text = message(STRANGE, {**recipe.headers, "authorization": authorization})
    (says,) = bad(diagnosed(text.replace("POST", method, 1)))
    assert mistake in says


@pytest.mark.parametrize("way", ["base64", "hexadecimal", "base64 of the hexadecimal digest"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("version", ["V1", "V3"])
def test_a_right_signature_is_never_called_a_mistake_and_a_wrong_writing_is_the_only_one(
    version: str, method: str, way: str
) -> None:
    recipe = structs.replace(v1_recipe() if version == "V1" else v3_recipe(), method=method)
    mistakes = (v1_mistakes if version == "V1" else v3_mistakes)(recipe, OTHERS)  # type: ignore[arg-type]
    digest = recipe.sign()
    written = {
        "base64": base64.b64encode(digest),
        "hexadecimal": digest.hex().encode(),
        "base64 of the hexadecimal digest": base64.b64encode(digest.hex().encode()),
    }[way]
    right = way == ("base64" if version == "V1" else "hexadecimal")
    said = [mistake.what for mistake in find_mistakes(recipe, mistakes, written) or ()]
    assert said == ([] if right else [f"The signature is written in {way}."])


@pytest.mark.parametrize("version", ["V1", "V3"])
def test_the_search_for_pairs_is_bounded_for_the_largest_request_that_can_be_pasted(version: str) -> None:
    # As many parameters as are tried one by one, and as long as a pasted request may be.
    parameters = {f"P{number}": "/*~ é" * 8 for number in range(30)}
    if version == "V1":
        text = url(parameters | v1(), "bm90IHRoaXMgb25l")
    else:
        text = message(parameters, signed_v3(parameters)).replace("Signature=", "Signature=0")
    assert len(text) <= MAX_CHARS
    started = time.process_time()
    (says,) = bad(diagnosed(text))
    spent_s = time.process_time() - started
    assert "no usual mistake explains it" in says
    assert spent_s < 2
