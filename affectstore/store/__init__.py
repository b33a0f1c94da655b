"""The feature store: containers and index below; writing, publishing, reading and verifying on top."""
