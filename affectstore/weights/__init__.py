"""The one place that finds, verifies, fetches and reads weights that others published."""
