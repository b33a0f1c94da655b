"""Classical baselines: one file each, found by its name; see `base.py`."""
