"""Helpers of the tests, imported as `from support import ...`: pytest's setting `pythonpath` names `tests/`."""
