"""Published weights: search, verification, download and reading."""
