"""Conversion rates: the question, the rollups it needs, and the answer. Rates are computed, never stored."""

from otpconv.rates.answer import RateAnswer, answer
from otpconv.rates.maturity import Maturity
from otpconv.rates.question import COMPARISONS, INTERVALS, LEVELS, ORDERS, RateQuery, parse_query, parse_time
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
    "answer",
    "parse_query",
    "parse_time",
]
