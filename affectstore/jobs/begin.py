"""Begin of every job: the lock, and the configuration of the run."""

from __future__ import annotations

from pathlib import Path

from affectstore.config.resolve import Resolved, load_resolved
from affectstore.errors import StaleError
from affectstore.features.keys import Features, features_of
from affectstore.lock import lock_job


def begin_job(config: Path) -> Resolved:
    """Take the lock of a job, for the life of the process, and read the configuration of the run."""
    lock_job()
    return load_resolved(config)


def begin_feature_job(config: Path, feature: str, digest: str) -> tuple[Resolved, Features]:
    """Begin a job that computes or publishes a feature.

    Raises:
        ConfigError: The feature is unknown, or cannot be computed here.
        StaleError: The installed extractor or the configuration has another digest than was planned.
    """
    resolved = begin_job(config)
    features = features_of(resolved.config)
    if (found := features[feature].digest) != digest:
        raise StaleError(
            f"{feature}: planned with feature digest {digest[:12]}, this installation has {found[:12]}; is another "
            "version of affectstore installed where the job runs?"
        )
    return resolved, features
