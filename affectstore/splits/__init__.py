"""Split protocols: one file each."""
