"""`conversion_fell`, while it happens: watches each minute once nearly all who verify have verified.

The messages of a minute are counted at the same age always, live and in the usual rates, so it doesn't matter
how many verify later.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from otpconv.alerts.detector import WATCHED, Source
from otpconv.alerts.leaves import Leaf
from otpconv.alerts.past import Counts, hour_of
from otpconv.alerts.remembering import State, changed_parts, recalled, state_of
from otpconv.alerts.watching import Watch
from otpconv.errors import AnswerTooLarge
from otpconv.model import DELAY_BINS
from otpconv.rates.delays import mean_verified_within
from otpconv.storage.alerts.contract import Change
from otpconv.storage.contract import HOUR_MS, MINUTE_MS, Count

#: A minute is counted once this share of those who verify have verified, at most so many minutes later: a
#: fall to nothing is then found within 5 minutes of the messages that it takes.
SHARE, MAX_MINUTES = 0.97, 4
#: The age until delays are known, minutes; and from how many verified messages they are.
_MINUTES, _LEAST_DELAYS = 2, 200
#: All is learned again, at another age, if fewer have verified at this one.
_TOO_FEW = 0.85
#: Hours that are learned at the first start, and how many of them at each look.
PAST_HOURS, HOURS_PER_LOOK = 28 * 24, 24
#: How much of the delays of an hour counts an hour later: they are those of a day.
_KEPT = 1 - 1 / 24
#: The first minutes after hours of the past were learned, at least and at most, and the messages at least,
#: that show whether reports come in time. If less than this share of the expected ones do, less is usual.
_LEAST_TRIAL_MINUTES, _TRIAL_MINUTES, _TRIAL_MESSAGES, _IN_TIME = 10, 60, 200, 0.9
#: Of the remembered.
_VERSION = 1
#: Places in the group of a count.
_COUNTRY, _CARRIER, _PROVIDER = (WATCHED.index(name) for name in ("country", "carrier", "provider"))


class _Trial(Struct):
    """Minutes that were compared, their messages, and how many were verified and were to be."""

    minutes: int = 0
    requested: int = 0
    verified: float = 0.0
    expected: float = 0.0


class _Settled(Struct):
    """The known facts of the account.

    Attributes:
        delays: verified messages of about a day by bin of their delay.
        requested, first_requested: messages of about a day, and those of them that are first attempts.
        hour: the last hour that is in `delays`.
        next_hour: the next hour of the past to learn; None: all are learned.
        minutes: the age at which messages are counted.
        first_attempts: whether only first attempts are.
        trial: the comparison of learned rates with new reports; None once it is over.
    """

    delays: list[float]
    requested: float
    first_requested: float
    hour: int
    next_hour: int | None
    minutes: int = _MINUTES
    first_attempts: bool = False
    trial: _Trial | None = None


class _Memory(Struct):
    """The part that changes each minute."""

    version: int
    settled: _Settled
    state: State


class ConversionWatch:
    """Finds falls of conversion rates.

    Args:
        budget: false alarms in a month over all slices, on average; above 0.
    """

    name = "conversion_fell"

    def __init__(self, budget: float) -> None:
        self._budget = budget
        self._settled: _Settled | None = None
        self._watch = Watch(budget)
        self._changed = False

    @property
    def minutes(self) -> int:
        """The age at which messages are counted, minutes."""
        return self._settled.minutes if self._settled else _MINUTES

    @property
    def watched(self) -> int:
        """How many slices have enough traffic to be watched."""
        return self._watch.watched

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """Count the minute that has the age, and return the falls found, lasting or ended; see `Detector`.

        At the first start, first learns `PAST_HOURS` of the past, some hours at each look.
        """
        self._changed = True
        hour = hour_of(now)
        settled = self._settled
        if settled is None:
            settled = self._settled = self._start(hour, source)
        elif settled.hour < hour - 2:
            self._notice(settled, hour - 2, source)
        if settled.next_hour is not None:
            self._learn(settled, hour, source)
            return []
        start = now - (settled.minutes + 1) * MINUTE_MS
        counts = _counts(source.minute(start), settled)
        if settled.trial is None:
            return self._watch.add(start, MINUTE_MS, counts)
        self._watch.add(start, MINUTE_MS, counts, only_weigh=True)
        self._try(settled, settled.trial)
        return []

    def memory(self) -> Mapping[str, bytes]:
        """Return the parts that changed; see `Detector`."""
        if not self._changed or self._settled is None:
            return {}
        self._changed = False
        parts = {f"{self.name}/{name}": part for name, part in changed_parts(self._watch).items()}
        memory = _Memory(_VERSION, self._settled, state_of(self._watch))
        parts[self.name] = msgspec.msgpack.encode(memory)
        return parts

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """Go on from what another one remembered; see `Detector`."""
        if self.name not in parts:
            return
        prefix = f"{self.name}/"
        try:
            memory = msgspec.msgpack.decode(parts[self.name], type=_Memory)
            if memory.version != _VERSION:
                return
            watch = Watch(self._budget, first_attempts=memory.settled.first_attempts)
            own = {name.removeprefix(prefix): part for name, part in parts.items() if name.startswith(prefix)}
            recalled(watch, memory.state, own)
        except msgspec.DecodeError:
            return  # written by another version: begin again
        self._settled, self._watch = memory.settled, watch

    def _start(self, hour: int, source: Source) -> _Settled:
        """Begin: find out how long it takes to verify, and whether attempts are given, from the last day."""
        settled = _Settled([0.0] * DELAY_BINS, 0.0, 0.0, hour - 26, hour - PAST_HOURS)
        for each in range(hour - 25, hour - 1):
            _add(settled, each, _hour(source, each))
        self._settle(settled)
        return settled

    def _settle(self, settled: _Settled) -> None:
        """Decide the age and the messages to count, and begin again."""
        settled.minutes = age_for(settled.delays)
        settled.first_attempts = 2 * settled.first_requested >= settled.requested > 0
        self._watch = Watch(self._budget, first_attempts=settled.first_attempts)

    def _notice(self, settled: _Settled, hour: int, source: Source) -> None:
        """Add the delays of the hours up to one, and begin again if something else is to be counted."""
        for each in range(max(settled.hour + 1, hour - 23), hour + 1):
            _add(settled, each, _hour(source, each))
        if self._watch.lasting or settled.next_hour is not None:
            return
        minutes = age_for(settled.delays)
        few = _verified_at(settled.delays, settled.minutes) < _TOO_FEW and minutes > settled.minutes
        first = 2 * settled.first_requested >= settled.requested > 0
        if few or 2 * minutes <= settled.minutes or first != settled.first_attempts:
            self._settle(settled)
            settled.next_hour = hour - PAST_HOURS

    def _learn(self, settled: _Settled, hour: int, source: Source) -> None:
        """Learn the next hours of the past."""
        begin = settled.next_hour or 0
        end = min(begin + HOURS_PER_LOOK, hour - 1)
        late = _late_shares(settled.minutes)
        for each in range(begin, end):
            counts = _at_age(_hour(source, each), settled, late)
            if counts:
                self._watch.learn(each, hour, counts)
        settled.next_hour = end if end < hour - 1 else None
        settled.trial = _Trial()

    def _try(self, settled: _Settled, trial: _Trial) -> None:
        """Compare the last minute with the learned rates; once that is enough, correct the learned rates."""
        trial.minutes += 1
        for sent, used, usual in self._watch.recent.batches[-1].seen.values():
            if usual >= 0:
                trial.requested += sent
                trial.verified += used
                trial.expected += usual
        enough = trial.minutes >= _LEAST_TRIAL_MINUTES and trial.requested >= _TRIAL_MESSAGES
        if enough or trial.minutes >= _TRIAL_MINUTES:
            settled.trial = None
            if trial.verified < _IN_TIME * trial.expected:
                self._watch.scale(trial.verified / trial.expected)


def age_for(delays: Sequence[float]) -> int:
    """Return the age at which messages are counted, whole minutes.

    Args:
        delays: verified messages by bin of their delay.
    """
    if sum(delays) < _LEAST_DELAYS:
        return _MINUTES
    ages = range(1, MAX_MINUTES)
    return next((age for age in ages if _verified_at(delays, age) >= SHARE), MAX_MINUTES)


def _verified_at(delays: Sequence[float], minutes: int) -> float:
    """Return the share of the verified messages of a minute that are verified so many minutes after it."""
    counts = [round(count * 1000) for count in delays]
    return mean_verified_within(counts, minutes * MINUTE_MS, (minutes + 1) * MINUTE_MS)


def _add(settled: _Settled, hour: int, counts: Sequence[Count]) -> None:
    """Add the delays and attempts of an hour to those of about a day."""
    settled.delays = [_KEPT * count for count in settled.delays]
    settled.requested *= _KEPT
    settled.first_requested *= _KEPT
    for count in counts:
        settled.requested += count.tally.requested
        settled.first_requested += count.tally.first_requested
        for place, number in enumerate(count.delays):
            settled.delays[place] += number
    settled.hour = hour


def _hour(source: Source, hour: int) -> Sequence[Count]:
    """Return the counts of an hour; none if there are too many."""
    try:
        return source.hour(hour * HOUR_MS) if hour >= 0 else ()
    except AnswerTooLarge:
        return ()


def _leaf(count: Count) -> Leaf:
    return count.group[_COUNTRY], count.group[_CARRIER], count.group[_PROVIDER]


def _counts(counts: Sequence[Count], settled: _Settled) -> dict[Leaf, Counts]:
    """Return the counts of a minute, by leaf."""
    leaves: dict[Leaf, Counts] = {}
    for count in counts:
        tally = count.tally
        requested, verified = tally.requested, tally.verified
        if settled.first_attempts:
            requested, verified = tally.first_requested, tally.first_verified
        if requested:
            leaves.setdefault(_leaf(count), Counts()).add(Counts(requested, verified))
    return leaves


def _late_shares(minutes: int) -> list[float]:
    """Return for each bin of delays the share that is not verified at an age, minutes."""
    shares = []
    for place in range(DELAY_BINS):
        one = [0] * DELAY_BINS
        one[place] = 1
        shares.append(1 - _verified_at(one, minutes))
    return shares


def _at_age(counts: Sequence[Count], settled: _Settled, late: Sequence[float]) -> dict[Leaf, Counts]:
    """Return the counts of an hour as they were when its messages had the age.

    Args:
        counts: of the hour, as they are now.
        settled: the age and the messages to count.
        late: for each bin of delays, the share that was verified later.
    """
    sums: dict[Leaf, list[float]] = {}
    for count in counts:
        tally = count.tally
        requested, verified = tally.requested, tally.verified
        if settled.first_attempts:
            requested, verified = tally.first_requested, tally.first_verified
        if requested:
            later = sum(number * share for number, share in zip(count.delays, late, strict=False) if number)
            total = sums.setdefault(_leaf(count), [0, 0.0])
            total[0] += requested
            total[1] += verified * (1 - min(1.0, later / max(tally.verified, 1)))
    return {leaf: Counts(int(sent), used) for leaf, (sent, used) in sums.items()}
