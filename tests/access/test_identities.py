"""Which user an identity signs in as, for every kind of claim and mapping."""

from typing import Any

import pytest

from otpconv.access.identities import MAX_VALUES, is_private_url, parse_mapping, user_of_identity
from otpconv.errors import BadCredentials, Misconfigured

USERS = {"olga", "root", "olga@shop.example"}


def user(claims: dict[str, Any], claim: str, mapping: str = "") -> str:
    return user_of_identity(claims, claim, parse_mapping(mapping), USERS.__contains__)


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["staff", "admins"], "root"),
        (["staff"], "olga"),
        ("staff", "olga"),
        (["x", "staff", 7, None], "olga"),
    ],
)
def test_groups_map_to_users_and_the_first_entry_wins(groups: object, expected: str) -> None:
    assert user({"groups": groups}, "groups", "admins=root, staff=olga,ghosts=ghost") == expected


def test_without_a_mapping_the_value_is_the_name() -> None:
    assert user({"email": "olga@shop.example", "email_verified": True}, "email") == "olga@shop.example"
    assert user({"email": "olga@shop.example", "email_verified": "true"}, "email") == "olga@shop.example"
    assert user({"preferred_username": "olga"}, "preferred_username") == "olga"


def test_a_value_may_hold_the_sign_between_value_and_user() -> None:
    assert user({"dn": "cn=olga"}, "dn", "cn=olga=olga") == "olga"


@pytest.mark.parametrize(
    ("claims", "claim", "mapping", "text"),
    [
        ({"groups": ["ghosts"]}, "groups", "ghosts=ghost", "there is no such user"),
        ({"groups": ["root"]}, "groups", "admins=root", "no user of otpconv belongs to you"),
        ({"groups": ["olga", "root"]}, "groups", "", "fits several users"),
        ({"email": "olga"}, "email", "", "has verified"),
        ({"email": "olga", "email_verified": False}, "email", "", "has verified"),
        ({"email": "olga", "email_verified": "yes"}, "email", "", "has verified"),
        ({"email": "olga", "email_verified": 1}, "email", "", "has verified"),
        ({}, "sub", "", "no usable claim"),
        ({"sub": ""}, "sub", "", "no usable claim"),
        ({"sub": 7}, "sub", "", "no usable claim"),
        ({"sub": {"olga": 1}}, "sub", "", "no usable claim"),
        ({"sub": "olga\n"}, "sub", "", "no usable claim"),
        ({"groups": ["olga"] * (MAX_VALUES + 1)}, "groups", "", "no usable claim"),
        ({"sub": "OLGA"}, "sub", "", "no user of otpconv"),
    ],
)
def test_an_identity_that_is_nobody_is_refused(
    claims: dict[str, Any], claim: str, mapping: str, text: str
) -> None:
    with pytest.raises(BadCredentials, match=text):
        user(claims, claim, mapping)


@pytest.mark.parametrize("text", ["olga", "=olga", "x=", "a=b,c", " = "])
def test_a_mapping_that_lacks_a_half_is_refused(text: str) -> None:
    with pytest.raises(Misconfigured, match="VALUE=USER"):
        parse_mapping(text)


@pytest.mark.parametrize(
    ("url", "private"),
    [
        ("https://login.example", True),
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]/x", True),
        ("http://localhost", True),
        ("http://login.example", False),
        ("http://127.0.0.1.evil.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://", False),
        ("http://[", False),
        ("javascript:alert(1)", False),
        ("", False),
    ],
)
def test_only_https_and_this_machine_are_private(url: str, private: bool) -> None:  # noqa: FBT001
    assert is_private_url(url) is private
