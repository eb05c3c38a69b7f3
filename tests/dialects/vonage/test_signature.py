"""Vonage's signature, against a captured call of the official SDK and against the SDK itself."""

import hashlib
from typing import Literal

import pytest
from hypothesis import given, strategies as st
from vonage_http_client.auth import Auth

from otpconv.dialects.vonage.signature import METHODS, sign, string_to_sign, verify

CAPTURED = {
    "api_key": "abcd1234",
    "delivered": "False",
    "message-id": "0A0000001",
    "timestamp": "2026-11-26 21:51:34",
}
JOINTS = str.maketrans("&=", "__")
TEXT = "&api_key=abcd1234&delivered=False&message-id=0A0000001&timestamp=2026-11-26 21:51:34"

names = st.text(min_size=1, max_size=8).map(lambda name: f"{name.translate(JOINTS)}.")
parameters = st.dictionaries(names, st.text(max_size=20), max_size=5)
secrets = st.text(min_size=1, max_size=80)


def test_a_captured_call_verifies() -> None:
    signed = "c73abbf2cb3479cf310d5011c1f30964abf96cc012383ef6f2e67d1268fe51ee"
    assert string_to_sign(CAPTURED) == TEXT
    assert sign(CAPTURED, "sigsec", "sha256") == signed
    assert verify(CAPTURED | {"sig": signed}, "sigsec")
    assert verify(CAPTURED | {"sig": signed.upper()}, "sigsec")


def test_old_clients_hash_the_text_and_the_secret() -> None:
    signed = hashlib.md5(f"{TEXT}sigsec".encode()).hexdigest()  # noqa: S324 - the vendor's choice
    assert sign(CAPTURED, "sigsec", "md5hash") == signed
    assert verify(CAPTURED | {"sig": signed}, "sigsec")


@pytest.mark.parametrize("method", ["md5", "sha1", "sha256", "sha512"])
@given(sent=parameters, secret=secrets)
def test_signs_as_the_official_sdk_does(
    method: Literal["md5", "sha1", "sha256", "sha512"], sent: dict[str, str], secret: str
) -> None:
    sent |= {"timestamp": "2026-11-26 21:51:34"}  # the SDK adds one otherwise
    theirs = Auth(api_key="key", signature_secret=secret, signature_method=method).sign_params(dict(sent))
    assert sign(sent, secret, method) == theirs
    assert verify(sent | {"sig": theirs}, secret)


@pytest.mark.parametrize("method", METHODS)
@given(sent=parameters, secret=secrets, data=st.data())
def test_any_change_is_noticed(method: str, sent: dict[str, str], secret: str, data: st.DataObject) -> None:
    signed = sent | {"sig": sign(sent, secret, method)}
    assert verify(signed, secret)
    assert not verify(signed, secret + "x")
    name = data.draw(st.sampled_from(sorted(signed)))
    changed = data.draw(st.text(max_size=20)).translate(JOINTS)
    same = changed.lower() == signed[name] if name == "sig" else changed == signed[name].translate(JOINTS)
    assert verify(signed | {name: changed}, secret) is same
    assert not verify(signed | {f"{name}2": changed}, secret)
    assert not verify({key: value for key, value in signed.items() if key != name}, secret)


def test_a_name_cannot_stand_for_several_parameters() -> None:
    signed = CAPTURED | {"sig": sign(CAPTURED, "sigsec")}
    joined = {name: value for name, value in signed.items() if name not in {"api_key", "delivered"}}
    joined["api_key=abcd1234&delivered"] = "False"
    assert string_to_sign(joined) == TEXT
    assert not verify(joined, "sigsec")


@pytest.mark.parametrize("signature", ["", "0", "é" * 16, "0" * 64])
def test_another_text_is_not_a_signature(signature: str) -> None:
    assert not verify(CAPTURED | {"sig": signature}, "sigsec")


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(ValueError, match="Use one of md5, md5hash, sha1, sha256, sha512"):
        sign(CAPTURED, "sigsec", "sha3")
