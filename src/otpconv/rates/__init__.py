"""Conversion rates: the question, the rollups it needs, and the answer. Rates are computed, never stored."""

from otpconv.rates.answer import RateAnswer, RateRow, answer
from otpconv.rates.question import INTERVALS, RateQuery, parse_query, parse_time

__all__ = ["INTERVALS", "RateAnswer", "RateQuery", "RateRow", "answer", "parse_query", "parse_time"]
