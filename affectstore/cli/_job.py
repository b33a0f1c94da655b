"""What every feature job does first."""

from __future__ import annotations

from pathlib import Path

from affectstore.config.resolve import Resolved, load_resolved
from affectstore.errors import StaleError
from affectstore.features.keys import Features, features_of
from affectstore.lock import lock_job


def feature_job(config: Path, feature: str, planned: str) -> tuple[Resolved, Features]:
    """Read the run's configuration and check that the job is the one that was planned.

    Raises:
        ConfigError: the feature is unknown, or cannot be computed here.
        StaleError: the installed extractor or the configuration gives another digest than planned.
    """
    lock_job()
    resolved = load_resolved(config)
    features = features_of(resolved.config)
    if features[feature].digest != planned:
        raise StaleError(
            f"{feature}: planned with feature digest {planned[:12]}, this installation gives "
            f"{features[feature].digest[:12]}; is another version of affectstore installed where the job runs?"
        )
    return resolved, features
