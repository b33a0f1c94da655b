"""Feature digests and clip keys: the identity of values.

- Feature digest = sha256 of the extractor's name, SPEC.version, its options, the digest of its weights, the digests of
  the features that it reads, and the format and codec of the stored values.
- Clip key = sha256 of the feature digest, the content of the media that the extractor reads and the clip's segment in
  them, the columns of the clips table that it reads, and the keys of the same clip in the features that it reads.

The columns are made by `affectstore/preflight/plan.py`, the hashes of media by `affectstore/preflight/hashes.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from affectstore.config.feature import FeatureSettings
from affectstore.config.main import Config
from affectstore.config.messages import validated
from affectstore.digest import digest
from affectstore.errors import ConfigError, UnknownNameError
from affectstore.features.base import EXTRACTORS, BaseExtractor, Spec
from affectstore.weights.random import is_random

#: Columns of a plan that identify the content and segment of each medium of a clip.
MEDIA_COLUMNS = {
    "audio": ("audio_sha256", "audio_start_s", "audio_end_s"),
    "video": ("video_sha256", "video_start_s", "video_end_s"),
    "words": ("words_sha256",),
}


@dataclass(frozen=True)
class FeatureInstance:
    """A named instance of an extractor, ready to be computed.

    Attributes:
        name: Name of the instance in config.yaml.
        spec: Declaration of its extractor under the options.
        extractor: The extractor; holds no weights yet.
        upstream: Need -> instance that provides it.
        digest: The feature digest.
        container: Storage format.
        random_weights: The instance and those upstream of it whose weights are random: their values mean nothing.
    """

    name: str
    spec: Spec
    extractor: BaseExtractor
    upstream: Mapping[str, str]
    digest: str
    container: Literal["zarr", "hdf5"]
    random_weights: tuple[str, ...] = ()


class Features(Mapping[str, FeatureInstance]):
    """Every feature instance that can be computed here, by name, upstream ones first.

    Attributes:
        unusable: Name -> reason, of instances that cannot be computed because weights are missing.
    """

    def __init__(self, usable: Mapping[str, FeatureInstance], unusable: Mapping[str, str]):
        self._usable, self.unusable = dict(usable), dict(unusable)

    def __getitem__(self, name: str) -> FeatureInstance:
        """Return an instance.

        Raises:
            UnknownNameError: config.yaml has no such feature.
            ConfigError: It cannot be computed here.
        """
        if name in self.unusable:
            raise ConfigError(f"features.{name} cannot be computed here: {self.unusable[name]}")
        if name not in self._usable:
            raise UnknownNameError("feature in config.yaml", name, [*self._usable, *self.unusable])
        return self._usable[name]

    def __contains__(self, name: object) -> bool:
        return name in self._usable

    def __iter__(self) -> Iterator[str]:
        return iter(self._usable)

    def __len__(self) -> int:
        return len(self._usable)


class _Unusable(Exception):
    """Reason for which an instance cannot be computed here."""


def features_of(config: Config) -> Features:
    """Build every feature instance of the configuration, upstream ones first.

    Raises:
        ConfigError: An extractor, option or input is unknown, or inputs form a circle.
    """
    done: dict[str, FeatureInstance] = {}
    unusable: dict[str, str] = {}

    def resolve(name: str, path: tuple[str, ...]) -> FeatureInstance:
        if name in unusable:
            raise _Unusable(f"it reads {name}: {unusable[name]}")
        if name in done:
            return done[name]
        if name in path:
            raise ConfigError(f"features.{name}: its inputs form a circle: {' <- '.join((*path, name))}")
        try:
            done[name] = _feature(name, config, lambda upstream: resolve(upstream, (*path, name)))
        except _Unusable as error:
            unusable[name] = str(error)
            raise
        return done[name]

    for name in config.features:
        with contextlib.suppress(_Unusable):
            resolve(name, ())
    return Features(done, unusable)


def _feature(name: str, config: Config, resolve: Callable[[str], FeatureInstance]) -> FeatureInstance:
    settings: FeatureSettings = config.features[name]
    module = EXTRACTORS.load(settings.extractor)
    options = validated(module.Options, settings.options, f"features.{name}.options")
    spec: Spec = options.spec_for(module.SPEC)
    for need in settings.inputs:
        if need not in spec.needs:
            raise UnknownNameError(f"input of features.{name} (extractor {spec.name})", need, spec.needs)
    upstream = {}
    for need in spec.needs:
        # An instance of a preset reads the preset's own instances first.
        nearer = f"{name.rpartition('.')[0]}.{need}"
        source = settings.inputs.get(need, nearer if nearer in config.features else need)
        if source not in config.features:
            raise UnknownNameError(f"feature that feeds features.{name} with {need!r}", source, config.features)
        if config.features[source].extractor != need:
            raise ConfigError(
                f"features.{name}.inputs.{need}: {source!r} is an instance of "
                f"{config.features[source].extractor!r}, not of {need!r}"
            )
        upstream[need] = source
    sources = {need: resolve(source) for need, source in upstream.items()}
    extractor: BaseExtractor = module.Extractor(options, {need: source.extractor for need, source in sources.items()})
    try:
        weights = extractor.weights_digest()
    except ConfigError as error:
        raise _Unusable(str(error)) from error
    own = {
        "name": spec.name,
        "version": spec.version,
        "options": options.digested(),
        "weights": weights,
        "upstream": {need: source.digest for need, source in sources.items()},
        "storage": [config.store.format, settings.codec],
    }
    stamped = {random: None for source in sources.values() for random in source.random_weights}
    if is_random(weights):
        stamped[name] = None
    return FeatureInstance(name, spec, extractor, upstream, digest(own), config.store.format, tuple(stamped))


def clip_keys(plan: pd.DataFrame, feature: FeatureInstance, upstream: Mapping[str, list[str]]) -> list[str]:
    """Compute the key of every clip of a plan in one feature.

    Args:
        plan: Columns {audio,video,words}_sha256 (empty where there is none), {audio,video}_{start,end}_s, text
            and face_side, all str.
        feature: The feature.
        upstream: Need -> that feature's keys of the same clips, in the plan's order.

    Returns:
        One hexadecimal key per clip, in the plan's order.
    """
    columns = []
    for media in feature.spec.media:
        columns += [plan[column].tolist() for column in MEDIA_COLUMNS[media]]
    columns += [plan[column].tolist() for column in feature.spec.columns]
    columns += [upstream[need] for need in feature.spec.needs]
    prefix = feature.digest.encode() + b"\n"
    sha256 = hashlib.sha256
    return [sha256(prefix + "\n".join(parts).encode()).hexdigest() for parts in zip(*columns, strict=True)]
