"""Conversion rates: question -> plan -> counts -> rows. Rates are computed, never stored."""

from otpconv.rates.answer import RateAnswer, compute_rates
from otpconv.rates.maturity import Maturity
from otpconv.rates.question import COMPARISONS, INTERVALS, LEVELS, ORDERS, RateQuery, parse_query
from otpconv.rates.row import RateRow

__all__ = [
    "COMPARISONS",
    "INTERVALS",
    "LEVELS",
    "ORDERS",
    "Maturity",
    "RateAnswer",
    "RateQuery",
    "RateRow",
    "compute_rates",
    "parse_query",
]
