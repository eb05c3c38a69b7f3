"""Whether an alarm names the slice that is broken. Pure."""

from collections.abc import Mapping, Sequence

from otpconv.rates.slices import Slice


def names(values: Mapping[str, str], broken: Mapping[str, str]) -> bool:
    """Return whether the slice of an alarm is the broken one, or one around it or in it; all traffic is not.

    Args:
        values: of the slice of the alarm.
        broken: of the slice of the fault.
    """
    alarm, fault = set(values.items()), set(broken.items())
    return bool(alarm) and (alarm <= fault or fault <= alarm)


def shares(values: Mapping[str, str], broken: Mapping[str, str], leaves: Sequence[Mapping[str, str]]) -> bool:
    """Return whether the slice of an alarm has traffic in common with the broken one.

    Args:
        values: of the slice of the alarm.
        broken: of the slice of the fault.
        leaves: the values of all combinations of dimensions that have traffic.
    """
    both = Slice(tuple({**values, **broken}.items()))
    return all(values.get(name, value) == value for name, value in broken.items()) and any(
        both.covers(dict(leaf)) for leaf in leaves
    )
