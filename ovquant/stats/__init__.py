"""Intervals, exact tests, betting and drift, by numpy and scipy alone."""
