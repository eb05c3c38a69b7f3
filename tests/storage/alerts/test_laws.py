"""The laws of alerts over anything that detectors, users and nodes do, on every engine."""

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st

from campaigns import rounds
from otpconv.storage.alerts import store as tables
from otpconv.storage.alerts.contract import (
    LASTING,
    Alert,
    AlertStore,
    Change,
    Checkpoint,
    Event,
    Found,
    Severity,
    State,
)
from storage.alerts.findings import ACME, GERMANY, MINUTE, NOW, ended, found
from storage.engines import Engine, sqlite_first

EVERYTHING: tuple[State, ...] = (*LASTING, "resolved")
SLICES = [(), GERMANY, ACME]
findings = st.builds(
    lambda values, severity, kind: found(values, severity, kind=kind),
    st.sampled_from(SLICES),
    st.sampled_from(["warning", "critical"]),
    st.sampled_from(["conversion_fell", "volume"]),
)
changes = st.lists(st.one_of(findings, findings.map(ended)), max_size=4)
accounts = st.sampled_from([1, 1, 1, 2])
steps = st.lists(
    st.one_of(
        # Which of two nodes, how many minutes later, and what it finds.
        st.tuples(st.just("record"), st.integers(0, 1), accounts, st.integers(1, 3), changes),
        st.tuples(st.just("acknowledge"), st.integers(0, 1), accounts, st.integers(0, 9)),
        st.tuples(st.just("snooze"), st.integers(0, 1), accounts, st.integers(0, 9), st.integers(1, 4)),
        st.tuples(st.just("restart"), st.integers(0, 1)),
        st.tuples(st.just("look"), st.integers(0, 1)),
    ),
    max_size=20,
)
laws = settings(
    max_examples=rounds(100),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Nodes:
    """Two nodes, each with what it last saw of the checkpoints; a node that lags behind records in vain."""

    def __init__(self, open_one: Callable[[], AlertStore]) -> None:
        self._open = open_one
        self.stores = [open_one(), open_one()]
        self.seen: list[dict[int, int | None]] = [{}, {}]

    def restart(self, node: int) -> None:
        self.stores[node].close()
        self.stores[node] = self._open()
        self.look(node)

    def look(self, node: int) -> None:
        for account in (1, 2):
            checkpoint = self.stores[node].checkpoint(account)
            self.seen[node][account] = checkpoint.at if checkpoint else None


def all_of(store: AlertStore) -> tuple[object, ...]:
    return tuple((store.checkpoint(each), store.alerts(each, EVERYTHING)) for each in (1, 2)), store.events(
        0, 1_000
    )


def replayed(history: Sequence[Event], first: Found) -> tuple[State, Severity]:
    """The state and the severity of an alert, by what has happened to it."""
    states: dict[str, State] = {"opened": "open", "woken": "open"}
    state: State = "open"
    severity = first.severity
    for event in history:
        if event.happening == "worse":
            severity = "critical"
        else:
            state = states.get(event.happening, event.happening)  # type: ignore[arg-type]
    return state, severity


class Model:
    """What lasts: by account, kind and slice its state, when it wakes, and how bad it is."""

    def __init__(self) -> None:
        self.lasting: dict[tuple[int, str, object], list[Any]] = {}

    def record(self, account: int, at: int, some: Sequence[Change]) -> None:
        for change in some:
            key = (account, change.kind, change.values)
            if not isinstance(change, Found):
                self.lasting.pop(key, None)
            elif key in self.lasting:
                self.lasting[key][2] |= change.severity == "critical"
            else:
                self.lasting[key] = ["open", None, change.severity == "critical"]
        for (whose, *_), alert in self.lasting.items():
            if whose == account and alert[1] is not None and alert[1] <= at:
                alert[:2] = ["open", None]

    def answer(self, alert: Alert, state: str, until: int | None) -> None:
        self.lasting[alert.account, alert.found.kind, alert.found.values][:2] = [state, until]

    @staticmethod
    def of(alerts: Sequence[Alert]) -> dict[tuple[int, str, object], list[Any]]:
        return {
            (alert.account, alert.found.kind, alert.found.values): [
                alert.state,
                alert.snoozed_until,
                alert.found.severity == "critical",
            ]
            for alert in alerts
        }


def step(nodes: Nodes, model: Model, what: Sequence[Any], now: int) -> None:
    """Let one thing happen, and to the model as well."""
    name, node, *more = what
    store = nodes.stores[node]
    if name == "restart":
        nodes.restart(node)
    elif name == "look":
        nodes.look(node)
    elif name == "record":
        account, minutes, some = more
        after = nodes.seen[node].get(account)
        checkpoint = store.checkpoint(account)
        at = (after or NOW) + minutes * MINUTE
        before = all_of(store)
        recorded = store.record(account, after, Checkpoint(at, {"node": bytes([node])}), some)
        assert recorded == (after == (checkpoint.at if checkpoint else None))
        if recorded:
            nodes.seen[node][account] = at
            model.record(account, at, some)
        else:
            assert all_of(store) == before
    else:
        account, place, *minutes = more
        alerts = store.alerts(account, EVERYTHING)
        if place < len(alerts):
            alert, until = alerts[place], now + minutes[0] * MINUTE if minutes else None
            if until is None:
                answered = store.acknowledge(account, alert.id, "ann", f"{place}", now=now)
            else:
                answered = store.snooze(account, alert.id, "ann", "", now=now, until=until)
            assert answered == store.alert(account, alert.id)
            if alert.state == "resolved":
                assert answered == alert
            else:
                model.answer(alert, f"{name}d".replace("eed", "ed"), until)


@laws
@given(steps)
def test_states_events_and_what_was_found_always_agree(engine: Engine, happened: list[Any]) -> None:
    with engine.alerts() as open_one:
        nodes, model = Nodes(open_one), Model()
        for number, what in enumerate(happened):
            step(nodes, model, what, NOW + number * MINUTE // 3)
            store = nodes.stores[number % 2]
            lasting = [alert for account in (1, 2) for alert in store.alerts(account, LASTING)]
            assert len(lasting) == len(model.lasting)  # one of each account, kind and slice
            assert Model.of(lasting) == model.lasting
        store = nodes.stores[0]
        events = store.events(0, 10_000)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        for account in (1, 2):
            for alert in store.alerts(account, EVERYTHING):
                history = store.history(account, alert.id)
                assert history == [event for event in events if event.alert == alert.id]
                assert history[0].happening == "opened"
                assert [event.at for event in history] == sorted(event.at for event in history)
                assert sum(event.happening == "resolved" for event in history) <= 1
                assert replayed(history, alert.found)[0] == alert.state
                assert ("worse" not in {event.happening for event in history}) or (
                    alert.found.severity == "critical"
                )


@sqlite_first
@laws
@given(steps)
def test_a_copy_is_equal_and_goes_on_with_the_same_numbers(engine: Engine, happened: list[Any]) -> None:
    tables_at_once, tables._AT_ONCE = tables._AT_ONCE, 2  # type: ignore[misc]  # noqa: SLF001
    try:
        with engine.alerts() as open_one, engine.alerts() as open_other:
            nodes, model = Nodes(open_one), Model()
            for number, what in enumerate(happened):
                step(nodes, model, what, NOW + number * MINUTE // 3)
            source, target = nodes.stores[0], open_other()
            target.record(1, None, Checkpoint(NOW, {"other": b""}), [found()])
            for _ in range(2):
                target.replace(source.stored())
                assert all_of(target) == all_of(source)
            source.forget(NOW * 2, 100)
            target.replace(source.stored())
            for store in (source, target):
                checkpoint = store.checkpoint(1)
                after = checkpoint.at if checkpoint else None
                store.record(1, after, Checkpoint((after or NOW) + MINUTE, {}), [found(kind="slower")])
            assert all_of(target) == all_of(source)
    finally:
        tables._AT_ONCE = tables_at_once  # type: ignore[misc]  # noqa: SLF001
