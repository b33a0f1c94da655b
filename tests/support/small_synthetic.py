"""A few clips of the synthetic corpus."""

from __future__ import annotations

from pathlib import Path

from affectstore.corpora import synthetic


def example(root: Path) -> dict[str, int]:
    """Generate the example of the contract tests; return its options."""
    options = {"clips": 2}
    synthetic.prepare(root, options)
    return options
