"""Generated pages of docs/: configuration, networks, presets, matrix, schemas; written by `make docs`."""
