"""Where a request came from, whatever anybody writes into its headers."""

from ipaddress import ip_network

import pytest

from otpconv.web.front.peer import Peer, Peers

PROXIES = Peers([ip_network("10.0.0.0/8"), ip_network("2001:db8:1::/48"), ip_network("127.0.0.1")])


def scope(address: str | None, *headers: tuple[str, str], scheme: str = "http") -> dict[str, object]:
    return {
        "type": "http",
        "client": (address, 4711) if address is not None else None,
        "scheme": scheme,
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("x-forwarded-for", value) for value in values]


@pytest.mark.parametrize(
    ("address", "headers", "expected"),
    [
        ("192.0.2.7", [], "192.0.2.7"),
        ("2001:db8::7", [], "2001:db8::7"),
        ("::ffff:192.0.2.7", [], "192.0.2.7"),
        (None, [], ""),
        (None, forwarded("198.51.100.1"), ""),
        ("192.0.2.7", forwarded("198.51.100.1"), "192.0.2.7"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", forwarded("198.51.100.1"), "198.51.100.1"),
        ("::ffff:10.0.0.1", forwarded("198.51.100.1"), "198.51.100.1"),
        ("2001:db8:1::5", forwarded("2001:db8:2::1"), "2001:db8:2::1"),
        ("10.0.0.1", forwarded("203.0.113.9, 198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", forwarded("203.0.113.9, 198.51.100.1, 10.1.1.1,127.0.0.1"), "198.51.100.1"),
        ("10.0.0.1", forwarded("203.0.113.9", "198.51.100.1"), "198.51.100.1"),
        ("10.0.0.1", forwarded("10.0.0.2, 10.0.0.3"), "10.0.0.1"),
        ("10.0.0.1", forwarded("unknown"), "10.0.0.1"),
        ("10.0.0.1", forwarded("198.51.100.1, unknown"), "10.0.0.1"),
        ("10.0.0.1", forwarded("198.51.100.1, 10.0.0.2, 999.1.1.1, 10.0.0.3"), "10.0.0.1"),
        ("10.0.0.1", forwarded("198.51.100.1:8080"), "10.0.0.1"),
        ("10.0.0.1", forwarded(""), "10.0.0.1"),
        ("10.0.0.1", forwarded("\xff\n"), "10.0.0.1"),
        ("10.0.0.1", [("forwarded", "for=198.51.100.1")], "10.0.0.1"),
    ],
)
def test_the_source_is_the_nearest_address_that_is_no_trusted_proxy(
    address: str | None, headers: list[tuple[str, str]], expected: str
) -> None:
    assert PROXIES.of(scope(address, *headers)).source_ip == expected


@pytest.mark.parametrize(
    ("address", "scheme", "values", "secure"),
    [
        ("192.0.2.7", "http", [], False),
        ("192.0.2.7", "https", [], True),
        ("192.0.2.7", "http", ["https"], False),
        ("192.0.2.7", "https", ["http"], True),
        ("10.0.0.1", "http", ["https"], True),
        ("10.0.0.1", "http", ["HTTPS"], True),
        ("10.0.0.1", "http", ["http, https"], True),
        ("10.0.0.1", "http", ["https, http"], False),
        ("10.0.0.1", "http", ["https", "http"], False),
        ("10.0.0.1", "https", ["http"], False),
        ("10.0.0.1", "https", ["wss"], True),
        ("10.0.0.1", "http", ["https, gopher"], False),
        ("10.0.0.1", "http", [""], False),
    ],
)
def test_https_is_what_the_socket_or_a_trusted_proxy_says(
    address: str, scheme: str, values: list[str], *, secure: bool
) -> None:
    headers = [("x-forwarded-proto", value) for value in values]
    assert PROXIES.of(scope(address, *headers, scheme=scheme)).secure is secure


def test_without_trusted_proxies_the_socket_stands() -> None:
    headers = [*forwarded("198.51.100.1"), ("x-forwarded-proto", "https"), ("user-agent", "curl/8")]
    assert Peers().of(scope("127.0.0.1", *headers)) == Peer("127.0.0.1", secure=False, user_agent="curl/8")
