"""Version of the scoring code."""

#: Bumped when the same predictions would be scored differently: every table is then scored again.
SCORING_VERSION = 1
