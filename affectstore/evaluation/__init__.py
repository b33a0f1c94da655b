"""Metrics and tables of results, computed from the predictions of runs alone; `render` writes them."""
