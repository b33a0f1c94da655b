"""A folder of clips with a table, for the corpus `folder`."""

from __future__ import annotations

from pathlib import Path

from support.small_crema_d import sound


def example(root: Path) -> dict[str, str]:
    """Write the example of the contract tests; return its options."""
    (root / "b").mkdir()
    for path in ("b/1.wav", "a.wav"):
        (root / path).write_bytes(sound())
    (root / "clips.csv").write_text("path,label,speaker\nb/1.wav,sad,s1\na.wav,glad,s2\n")
    return {}
