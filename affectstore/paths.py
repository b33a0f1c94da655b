"""Paths of the results folder: one place names every file that jobs, the preflight and readers share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

#: Figures of an experiment, and the formats that each is written in.
FIGURES = ("bars", "confusion", "curves")
FIGURE_FORMATS = ("svg", "png")
TABLE_FORMATS = ("csv", "md", "tex")


@dataclass(frozen=True)
class Results:
    """Layout of a results folder; rules/*.smk spell out the same paths, and a test compares.

    Attributes:
        root: The folder, relative to the working directory or absolute.
    """

    root: Path = Path("results")

    # Corpora

    def manifest(self, corpus: str) -> Path:
        """Clips table of a corpus."""
        return self.root / "manifests" / f"{corpus}.parquet"

    def skipped(self, corpus: str) -> Path:
        """Files and clips of a corpus that its scan left out, with their reasons."""
        return self.root / "manifests" / f"{corpus}.skipped.tsv"

    def media(self, corpus: str) -> Path:
        """Digests and streams of the media files of a corpus, remembered from scan to scan."""
        return self.root / "manifests" / f"{corpus}.media.parquet"

    def plans(self, corpus: str) -> Path:
        """Folder of the plans of a corpus."""
        return self.root / "plans" / corpus

    def plan(self, corpus: str, shard: str) -> Path:
        """Clips of a shard."""
        return self.plans(corpus) / f"{shard}.tsv"

    def commit_request(self, corpus: str, feature: str) -> Path:
        """Request to publish a feature."""
        return self.plans(corpus) / f"{feature}.json"

    # Store

    @property
    def stores(self) -> Path:
        """Folder of the stores of all corpora."""
        return self.root / "store"

    def store(self, corpus: str) -> Path:
        """Store of a corpus."""
        return self.stores / corpus

    def feature(self, corpus: str, feature: str) -> Path:
        """Folder of a feature."""
        return self.store(corpus) / feature

    def ledger(self, corpus: str, feature: str, shard: str) -> Path:
        """Ledger of a shard of a feature."""
        return self.feature(corpus, feature) / "shards" / f"{shard}.json"

    def catalog(self, corpus: str, feature: str) -> Path:
        """Catalog of a feature: the snapshot that readers open."""
        return self.feature(corpus, feature) / "catalog.json"

    def clips(self, corpus: str) -> Path:
        """Clips table of a corpus, beside its features."""
        return self.store(corpus) / "clips.parquet"

    def published_split(self, corpus: str, protocol: str) -> Path:
        """Copy of a split beside the features."""
        return self.store(corpus) / "splits" / f"{protocol}.parquet"

    # Experiments

    def split(self, corpus: str, protocol: str) -> Path:
        """Folds and subsets that a protocol assigns the clips of a corpus to."""
        return self.root / "splits" / corpus / f"{protocol}.parquet"

    @property
    def runs(self) -> Path:
        """Folder of the runs of all experiments."""
        return self.root / "runs"

    def cell(self, experiment: str, cell: str, fold: int | str) -> Path:
        """Folder of a cell on a fold, with a folder for each seed."""
        return self.runs / experiment / cell / str(fold)

    def marker(self, experiment: str, cell: str, fold: int | str) -> Path:
        """Marker that all seeds of a cell are trained on a fold, written last."""
        return self.cell(experiment, cell, fold) / "fold.json"

    def score_request(self, experiment: str) -> Path:
        """Request to score an experiment."""
        return self.root / "plans" / "experiments" / f"{experiment}.json"

    def metrics(self, experiment: str) -> Path:
        """Metrics of an experiment."""
        return self.root / "metrics" / f"{experiment}.parquet"

    def scored_runs(self, experiment: str) -> Path:
        """Digest of the runs that the metrics were computed from."""
        return self.root / "metrics" / f"{experiment}.json"

    def table(self, experiment: str, suffix: str) -> Path:
        """Table of an experiment as csv, md or tex."""
        return self.root / "tables" / f"{experiment}.{suffix}"

    def figure(self, experiment: str, figure: str, suffix: str) -> Path:
        """Figure of an experiment as svg or png."""
        return self.root / "figures" / f"{experiment}-{figure}.{suffix}"

    def tables(self, experiment: str) -> list[Path]:
        """All tables and figures of an experiment."""
        figures = [self.figure(experiment, figure, suffix) for figure in FIGURES for suffix in FIGURE_FORMATS]
        return [*(self.table(experiment, suffix) for suffix in TABLE_FORMATS), *figures]

    @property
    def report(self) -> Path:
        """Page with tables, figures and provenance."""
        return self.root / "report.html"

    # Runs of the workflow

    @property
    def configs(self) -> Path:
        """Folder of resolved configurations, named by their digests."""
        return self.root / "config"

    @property
    def current_config(self) -> Path:
        """Name of the configuration of the run at work."""
        return self.configs / "current"

    @property
    def driver_lock(self) -> Path:
        """Lock of the one driver of this folder."""
        return self.root / ".driver.lock"

    @property
    def jobs_lock(self) -> Path:
        """Lock that every job shares."""
        return self.root / ".jobs.lock"


#: Results of the working directory.
RESULTS = Results()
