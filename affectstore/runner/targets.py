"""Targets of `affectstore run`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from affectstore.config.resolve import Resolved
from affectstore.errors import UnknownNameError
from affectstore.paths import RESULTS, TABLE_FORMATS


@dataclass(frozen=True)
class Targets:
    """Targets of a run, sorted by kind.

    Attributes:
        features: (corpus, feature) pairs to publish; the feature is None for all of the corpus.
        experiments: Experiments to tabulate.
        files: Other files below results/, left to Snakemake.
    """

    features: tuple[tuple[str, str | None], ...] = ()
    experiments: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def corpora(self, resolved: Resolved) -> list[str] | None:
        """Corpora that the targets need; None where a file leaves that open."""
        if self.files:
            return None
        named = [corpus for corpus, _ in self.features]
        named += [resolved.experiment(experiment).corpus for experiment in self.experiments]
        return sorted(set(named))


def parse_targets(names: Sequence[str], resolved: Resolved) -> Targets:
    """Sort targets by kind.

    Args:
        names: Targets; empty for the default experiments.
        resolved: Configuration of the run.

    Raises:
        UnknownNameError: A name is no corpus, feature, experiment or file below results/.
    """
    if not names:
        return Targets(experiments=resolved.config.experiments)
    corpora, features = resolved.config.corpora, resolved.config.features
    found: list[tuple[str, str | None]] = []
    experiments: list[str] = []
    files: list[str] = []
    for name in names:
        corpus, _, feature = name.partition("/")
        path = Path(name)
        if name in resolved.experiments:
            experiments.append(name)
        elif name in corpora:
            found.append((name, None))
        elif corpus in corpora and feature in features:
            found.append((corpus, feature))
        elif corpus in corpora and feature:
            raise UnknownNameError(f"feature (of corpus {corpus})", feature, features)
        elif path.stem in resolved.experiments and path in [RESULTS.table(path.stem, kind) for kind in TABLE_FORMATS]:
            experiments.append(path.stem)
        elif RESULTS.root in path.parents:
            files.append(name)
        else:
            known = [*resolved.experiments, *corpora, *(f"{c}/{f}" for c in corpora for f in features)]
            raise UnknownNameError("target", name, known)
    return Targets(tuple(found), tuple(dict.fromkeys(experiments)), tuple(files))
