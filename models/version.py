"""Version of the training engine."""

#: Bumped when the same data and settings would give other weights or predictions: every cell is then trained again.
ENGINE_VERSION = 1
