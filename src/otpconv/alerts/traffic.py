"""Finds that messages are missing (`nothing_sent`), or that there are far too many (`volume`). Pure.

Both compare the messages of a slice with its rhythm. The number of messages varies beyond chance, so a
finding also needs that a negative binomial distribution does not explain it.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Final

from otpconv.alerts.detector import WATCHED, Source
from otpconv.alerts.episodes import MONTH_MINUTES, Episode, Episodes, EpisodesState, Score, limit_of
from otpconv.alerts.learning import Learning
from otpconv.alerts.memory import Memory, decoded
from otpconv.alerts.rhythm import WEEK, Expected, Rhythm, RhythmState
from otpconv.alerts.slicing import slices_by, sums_of
from otpconv.rates.slices import Slice, overlap
from otpconv.storage.alerts.contract import Change, Ended, Evidence, Found, Kind, Severity
from otpconv.storage.contract import HOUR_MS, MINUTE_MS

#: Slices whose rhythm is kept; further ones are not watched.
MAX_SLICES: Final = 2_000
#: A minute is looked at this long after its start, ms: whether messages are missing, and whether there are
#: too many; by then, most codes of the latter are verified.
_MISSING_MS, _VOLUME_MS = 3 * MINUTE_MS, 7 * MINUTE_MS
#: Messages are missing if at most this share of the least usual number comes, of which this part counts: less
#: than half of the usual number comes on holidays.
_MISSING, _HOLIDAYS = 0.1, 0.8
#: Messages around a slice tell what is usual today; without so many of them, little. There are some if the
#: slice around it has so many times its messages.
_OTHERS, _AROUND = 3.0, 1.3
#: The least messages to expect, and the least time, ms, for their absence to show.
_LEAST_EXPECTED, _LEAST_MS = 15.0, 5 * MINUTE_MS
#: So many times the usual number is too many: if the codes are not verified; and if they are.
_TOO_MANY, _FAR_TOO_MANY = 2.0, 8.0
#: The least number of messages above the usual one, and the least usual number in an hour.
_LEAST_EXCESS, _LEAST_USUAL = 30.0, 4.0
#: Messages above the usual number are not verified if their rate is below this share of the usual rate.
_UNVERIFIED = 0.6
#: From so many missing or unverified messages on, it is critical.
_CRITICAL = 300.0
#: Hours of a slice are not learned so long after something was wrong with it, ms.
_UNUSUAL_MS = 3 * HOUR_MS

_VOLUME_KINDS = ("country",), ("country", "carrier"), ("country", "provider"), WATCHED[:3]
_volume_slices_of = slices_by(*_VOLUME_KINDS)
_slices_of = slices_by((), ("provider",), ("access_key",), *_VOLUME_KINDS)


class Traffic:
    """Watches the number of messages.

    Args:
        missing, volume: the budgets of both kinds: false alarms a month over all slices.
    """

    name = "traffic"

    def __init__(self, missing: float, volume: float) -> None:
        self._budgets = missing, volume
        self._rhythms: dict[Slice, Rhythm] = {}
        self._learning = Learning()
        self._missing = Episodes(self._is_missing, lambda _: self._limits[0])
        self._volume = Episodes(self._is_volume, lambda _: self._limits[1])
        self._limits = (float("inf"), float("inf"))
        self._wrong: dict[Slice, int] = {}
        self._now = 0
        self._memory = Memory(self.name)

    def look(self, now: int, source: Source) -> Sequence[Change]:
        """See `Detector.look`."""
        self._now = now
        for hour in self._learning.due(now):
            self._learn(hour, source)
        if not self._learning.is_done(now) or not self._is_known(Slice()):
            return []
        missing, volume = self._missing_scores(now, source), self._volume_scores(now, source)
        self._limits = (
            limit_of(MONTH_MINUTES, len(missing), self._budgets[0]),
            limit_of(MONTH_MINUTES, len(self._rhythms), self._budgets[1]),
        )
        changes: list[Change] = []
        looks: list[tuple[Kind, Episodes, int, dict[Slice, Score]]] = [
            ("nothing_sent", self._missing, now - _MISSING_MS, missing),
            ("volume", self._volume, now - _VOLUME_MS, volume),
        ]
        for kind, episodes, start, scores in looks:
            ended = episodes.add(start, scores, now)
            for which in ended:
                if which not in episodes.open and scores.get(which, Score()).nats > 0:
                    self._rhythms.pop(which, None)  # it lasted for so long that it is the new usual
            for which in (*ended, *episodes.open):
                self._wrong[which] = now
            changes += self._changes(kind, episodes, ended)
        return changes

    def memory(self) -> Mapping[str, bytes]:
        """See `Detector.memory`."""
        state = self._missing.state(), self._volume.state(), [*self._wrong.items()]
        upto = self._learning.next, len(self._rhythms)
        return self._memory.learned(upto, self._learned) | self._memory.changed(episodes=state)

    def recall(self, parts: Mapping[str, bytes]) -> None:
        """See `Detector.recall`."""
        learned = decoded(parts, "traffic.learned", tuple[int, list[tuple[Slice, RhythmState]]])
        episodes = decoded(
            parts, "traffic.episodes", tuple[EpisodesState, EpisodesState, list[tuple[Slice, int]]]
        )
        if learned is None or episodes is None:
            return
        self._learning.next, rhythms = learned
        self._rhythms = {which: Rhythm.restored(state) for which, state in rhythms}
        missing, volume, wrong = episodes
        self._missing.restore(missing)
        self._volume.restore(volume)
        self._wrong = dict(wrong)

    def _learned(self) -> object:
        return self._learning.next, [(which, rhythm.state()) for which, rhythm in self._rhythms.items()]

    def _learn(self, hour: int, source: Source) -> None:
        sums = sums_of(source.hour(hour * HOUR_MS), _slices_of)
        self._wrong = {which: at for which, at in self._wrong.items() if at > hour * HOUR_MS - _UNUSUAL_MS}
        for which, rhythm in self._rhythms.items():
            score = sums.pop(which, None) or Score()
            usual = not any(overlap(which, wrong) for wrong in self._wrong)
            rhythm.learn(hour, score.requested, score.verified, is_usual=usual)
        if hour % 24 == 0:
            for which in [which for which, rhythm in self._rhythms.items() if rhythm.is_forgotten]:
                del self._rhythms[which]
        for which, score in sorted(sums.items(), key=lambda pair: -pair[1].requested):
            if len(self._rhythms) >= MAX_SLICES:
                break
            self._rhythms[which] = rhythm = Rhythm()
            rhythm.learn(hour, score.requested, score.verified)

    def _is_known(self, which: Slice) -> bool:
        return which in self._rhythms and self._rhythms[which].hours >= WEEK

    def _missing_scores(self, now: int, source: Source) -> dict[Slice, Score]:
        start = now - _MISSING_MS
        sums = sums_of(source.minute(start), _slices_of)
        scores = {}
        for which, rhythm in self._rhythms.items():
            if rhythm.hours < WEEK:
                continue
            expected = rhythm.around(start)[0] / 60
            score = sums.get(which) or Score()
            score.expected = expected
            score.nats = score.requested * log(_MISSING) + (1 - _MISSING) * _HOLIDAYS * expected
            scores[which] = score
        for which, score in scores.items():
            for size in range(len(which.values) - 1, -1, -1):
                around = scores.get(Slice(which.values[:size]))
                if around is not None and around.expected > _AROUND * score.expected:
                    score.others = around.requested - score.requested
                    score.others_expected = around.expected - score.expected
                    break
        return scores

    def _volume_scores(self, now: int, source: Source) -> dict[Slice, Score]:
        start = now - _VOLUME_MS
        scores = sums_of(source.minute(start), _volume_slices_of)
        for which in (*self._volume.open, *(self._volume.raised - scores.keys())):
            scores.setdefault(which, Score())
        for which, score in scores.items():
            score.expected = self._most_usual(which, start) / 60
            score.nats = score.requested * log(_TOO_MANY) - (_TOO_MANY - 1) * score.expected
        return scores

    def _most_usual(self, which: Slice, time: int) -> float:
        """Return how many messages an hour at a time (ms) has at most as a rule."""
        rhythm = self._rhythms.get(which)
        return max(_LEAST_USUAL, rhythm.around(time)[2] if rhythm else 0.0)

    def _is_missing(self, which: Slice, episode: Episode) -> bool:
        sums = episode.sums
        # On a holiday there are fewer messages around the slice, too.
        around = (sums.others + _OTHERS) / (max(0.0, sums.others_expected) + _OTHERS)
        mean = sums.expected * min(1.0, around)
        if mean < _LEAST_EXPECTED or self._now - episode.since < _LEAST_MS + _MISSING_MS:
            return False
        expected = self._expected(which, mean * _HOLIDAYS)
        return sums.requested <= _MISSING * mean and expected.nats(sums.requested) >= self._limits[0]

    def _is_volume(self, which: Slice, episode: Episode) -> bool:
        sums = episode.sums
        if sums.requested - sums.expected < _LEAST_EXCESS:
            return False
        often = _TOO_MANY
        if not self._is_unverified(which, sums):
            if not self._is_known(which):
                return False  # e.g. the first messages to a country
            often = _FAR_TOO_MANY
        expected = self._expected(which, sums.expected)
        return sums.requested >= often * sums.expected and expected.nats(sums.requested) >= self._limits[1]

    def _is_unverified(self, which: Slice, sums: Score) -> bool:
        """Return whether the messages above the usual number are verified far less often."""
        rhythm = self._rhythms[which if self._is_known(which) else Slice()]
        usual = rhythm.verified / rhythm.requested if rhythm.requested else 0.0
        excess = sums.requested - sums.expected
        return sums.verified - usual * sums.expected < _UNVERIFIED * usual * excess

    def _expected(self, which: Slice, mean: float) -> Expected:
        rhythm = self._rhythms.get(which) or self._rhythms[Slice()]
        return Expected(mean, rhythm.varies)

    def _changes(self, kind: Kind, episodes: Episodes, ended: Iterable[Slice]) -> Iterable[Change]:
        for which in ended:
            yield Ended(kind, which.values)
        for which, episode in episodes.open.items():
            sums = episode.sums
            rhythm = self._rhythms.get(which) or self._rhythms[Slice()]
            low, high = self._expected(which, max(sums.expected, 1e-9)).band
            severity: Severity = "warning"
            unverified = kind == "volume" and self._is_unverified(which, sums)
            if abs(sums.requested - sums.expected) >= _CRITICAL and (unverified or kind == "nothing_sent"):
                severity = "critical"
            evidence = Evidence(
                requested=sums.requested,
                verified=sums.verified,
                expected=sums.expected,
                expected_low=low,
                expected_high=high,
                usual=rhythm.verified / rhythm.requested if rhythm.requested else None,
            )
            yield Found(kind, which.values, severity, episode.since, episode.low, episode.high, evidence)
