"""Metrics: one file, one metric."""
