"""What every feature job does first."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from affectstore.config.resolve import Resolved, load_resolved
from affectstore.errors import StaleError, UnknownNameError
from affectstore.features.keys import Feature, features_of
from affectstore.lock import lock_job


def feature_job(config: Path, feature: str, planned: str) -> tuple[Resolved, Mapping[str, Feature]]:
    """Read the run's configuration and check that the job is the one that was planned.

    Raises:
        StaleError: the installed extractor or the configuration gives another digest than planned.
    """
    lock_job()
    resolved = load_resolved(config)
    features = features_of(resolved.config)
    if feature not in features:
        raise UnknownNameError("feature in config.yaml", feature, features)
    if features[feature].digest != planned:
        raise StaleError(
            f"{feature}: planned with feature digest {planned[:12]}, this installation gives "
            f"{features[feature].digest[:12]}; is another version of affectstore installed where the job runs?"
        )
    return resolved, features
