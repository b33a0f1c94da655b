"""Versions of the training engine, and of what baselines are given."""

#: Bumped when the same data and settings would give other weights or predictions: every cell is then trained again.
ENGINE_VERSION = 1

#: Bumped when the same features would give baselines other vectors: every baseline is then fitted again.
VECTORS_VERSION = 1
