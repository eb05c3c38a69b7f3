"""The tables of OTP-Bench, as Markdown. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.otpbench.results import Figures, Result, false_share, figures
from benchmarks.otpbench.scoring import PROFILES

#: Between these lines of a page, `written` puts the tables.
BEGIN, END = "<!-- otp-bench begins -->", "<!-- otp-bench ends -->"


def tables(results: Mapping[str, Sequence[Result]], wide: Mapping[str, Sequence[Result]]) -> str:
    """Return all tables.

    Args:
        results: of each detector in the worlds of the corpus.
        wide: of each detector in the worlds with several faults at once; may be empty.
    """
    ranked = sorted(
        ((name, figures(some)) for name, some in results.items()),
        key=lambda one: one[1].overall,
        reverse=True,
    )
    worlds = len(next(iter(results.values())))
    parts = [
        f"Worlds: {worlds}. Any alarm in the window of a fault counts:",
        _table(("", *_PROFILES, "found", "false alarms a month"), map(_detection, ranked)),
        "Only alarms that name the broken slice count:",
        _table(("", *_PROFILES, "named", "minutes until named"), map(_naming, ranked)),
        "Faults named, and in parentheses all false alarms, by scene:",
        _table(*_by_scene([name for name, _ in ranked], results)),
    ]
    if wide:
        count = len(next(iter(wide.values())))
        parts += [
            f"Four dead routes at once among hundreds of slices, worlds: {count}.",
            _table(("", "faults named", "alarms", "alarms about healthy traffic"), _false_shares(wide)),
        ]
    return "\n\n".join(parts)


def written(page: str, text: str) -> str:
    """Return a page with the text between its markers.

    Raises:
        ValueError: the page lacks the markers.
    """
    before, begins, rest = page.partition(BEGIN)
    _, ends, after = rest.partition(END)
    if not begins or not ends:
        raise ValueError(f"The page lacks the lines {BEGIN} and {END}.")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


_PROFILES = [profile.name for profile in PROFILES]


def _detection(ranked: tuple[str, Figures]) -> list[str]:
    name, one = ranked
    scores = [f"{value:.1f}" for value in one.detection]
    return [name, *scores, f"{one.found} of {one.faults}", f"{one.false_a_month:,.1f}"]


def _naming(ranked: tuple[str, Figures]) -> list[str]:
    name, one = ranked
    scores = [f"{value:.1f}" for value in one.naming]
    minutes = "" if one.minutes is None else f"{one.minutes:.0f}"
    return [name, *scores, f"{one.named} of {one.faults}", minutes]


def _by_scene(
    names: Sequence[str], results: Mapping[str, Sequence[Result]]
) -> tuple[Sequence[str], Iterator[list[str]]]:
    scenes = list(dict.fromkeys(one.scene for some in results.values() for one in some))
    rows = (
        [scene, *(_cell([one for one in results[name] if one.scene == scene]) for name in names)]
        for scene in scenes
    )
    return ["", *names], rows


def _cell(results: Sequence[Result]) -> str:
    faults = sum(one.faults for one in results)
    named = sum(len(one.after) for one in results)
    false = sum(one.healthy for one in results)
    return f"{named} of {faults} ({false})" if faults else f"({false})"


def _false_shares(wide: Mapping[str, Sequence[Result]]) -> Iterator[list[str]]:
    for name, results in wide.items():
        false, all_alarms = false_share(results)
        named, faults = sum(len(one.after) for one in results), sum(one.faults for one in results)
        share = f"{false:,} ({false / all_alarms:.0%})" if all_alarms else "0"
        yield [name, f"{named} of {faults}", f"{all_alarms:,}", share]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
