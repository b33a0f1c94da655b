"""Contract tests that other packages can inherit; they need pytest."""
