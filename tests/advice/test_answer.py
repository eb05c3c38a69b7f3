"""Advice about a country as a whole, and its reasons."""

from otpconv.advice.answer import MAX_CARRIERS, MAX_ROUTES, advise
from otpconv.advice.dividing import Limits
from otpconv.advice.reasons import explain
from otpconv.advice.route import RouteCount

MANY = {
    f"carrier {n}": [RouteCount(f"provider {m:02}", 100 + m, 80, 100 + m, 80, 100 + m) for m in range(25)]
    for n in range(12)
}


def test_many_providers_and_carriers_are_bounded_and_those_left_out_are_named() -> None:
    advice = advise(MANY, {}, Limits(), seed=1)
    assert len(advice.routes) == MAX_ROUTES
    assert advice.left_out == ["provider 04", "provider 03", "provider 02", "provider 01", "provider 00"]
    assert len(advice.carriers) == MAX_CARRIERS
    few = advise({"one": [RouteCount("acme", 99, 80, 99, 80, 99)]}, {}, Limits(), seed=1)
    assert few.carriers == {}
    assert "Little is known of it" in " ".join(explain(few.routes[0], Limits(), []))


def test_a_route_with_a_price_has_a_cost_per_verification_with_its_interval() -> None:
    routes = {"": [RouteCount("acme", 1_000, 800, 1_000.0, 800.0, 1_000)]}
    (route,) = advise(routes, {"acme": 0.04}, Limits(), seed=1).routes
    assert route.cost_per_verified is not None
    assert route.cost_interval is not None
    assert route.cost_interval[0] < route.cost_per_verified < route.cost_interval[1]
    assert round(route.cost_per_verified, 3) == 0.05


def test_a_suspicious_route_gains_nothing_until_it_is_confirmed() -> None:
    honest = RouteCount("acme", 1_000, 800, 1_000.0, 800.0, 500)
    doubtful = RouteCount("fraud", 1_000, 990, 1_000.0, 990.0, 500)
    routes = {"one": [honest, doubtful]}
    shares = {route.provider: route.weight for route in advise(routes, {}, Limits(), seed=1).routes}
    assert shares["fraud"] <= 0.5
    confirmed = Limits(confirmed=frozenset({"fraud"}))
    shares = {route.provider: route.weight for route in advise(routes, {}, confirmed, seed=1).routes}
    assert shares["fraud"] > 0.9
