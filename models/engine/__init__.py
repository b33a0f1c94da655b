"""The training engine: one network, one fold, all its seeds, and the files of a run."""
