"""Which alarms name a broken slice."""

import pytest

from benchmarks.otpbench.naming import names, shares

BROKEN = {"country": "DE", "provider": "acme"}
LEAVES = [
    {"country": "DE", "carrier": "DE 1", "provider": "acme"},
    {"country": "DE", "carrier": "DE 2", "provider": "chat"},
    {"country": "FR", "carrier": "FR 1", "provider": "acme"},
]


@pytest.mark.parametrize(
    ("values", "named", "shared"),
    [
        (BROKEN, True, True),
        ({"provider": "acme"}, True, True),
        ({"country": "DE", "carrier": "DE 1", "provider": "acme"}, True, True),
        ({}, False, True),
        ({"carrier": "DE 1"}, False, True),
        ({"carrier": "DE 2"}, False, False),
        ({"country": "FR"}, False, False),
        ({"country": "FR", "provider": "acme"}, False, False),
    ],
)
def test_an_alarm_names_a_slice_around_or_in_the_broken_one(
    values: dict[str, str],
    named: bool,  # noqa: FBT001
    shared: bool,  # noqa: FBT001
) -> None:
    assert names(values, BROKEN) is named
    assert shares(values, BROKEN, LEAVES) is shared
