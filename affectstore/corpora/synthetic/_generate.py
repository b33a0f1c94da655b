"""Generate the missing clips, and record the generated ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectstore.corpora.synthetic._layout import MARKER, VIDEO, WORDS
from affectstore.corpora.synthetic._options import Options
from affectstore.corpora.synthetic._plan import names
from affectstore.errors import CorpusError

#: Bumped when the same options give other bytes; all clips are then generated again.
GENERATOR = 1

#: Clips between two writes of the marker: an interrupted run loses no more.
_BATCH = 512


@dataclass(frozen=True)
class Marker:
    """Record of the generated clips.

    Attributes:
        generator: Their GENERATOR.
        options: Their options, without `clips`.
        clips: Name -> sha256 of the video as it was generated.
    """

    generator: int
    options: Mapping[str, Any]
    clips: Mapping[str, str]

    def write(self, root: Path) -> None:
        """Replace the marker atomically."""
        text = json.dumps(
            {"generator": self.generator, "options": dict(self.options), "clips": dict(self.clips)},
            indent=1,
            sort_keys=True,
        )
        temporary = root / f".{MARKER}.{os.getpid()}"
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(root / MARKER)

    @classmethod
    def read(cls, root: Path) -> Marker | None:
        """Read the marker of a folder; None if it is missing or unreadable."""
        try:
            content = json.loads((root / MARKER).read_text(encoding="utf-8"))
            return cls(content["generator"], dict(content["options"]), dict(content["clips"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            return None


def generate(root: Path, options: Options, jobs: int) -> None:
    """Generate the clips that the marker lacks, and remove listed ones that are no longer wanted.

    Clips that the marker lists under the same options are left alone, also where their files were changed.

    Raises:
        CorpusError: A clip cannot be generated; those before it stay.
    """
    if jobs < 1:
        raise CorpusError(f"the synthetic corpus needs at least one job, got {jobs}")
    wanted = [str(name) for name in names(options.clips)]
    others = options.model_dump(exclude={"clips"})
    old = Marker.read(root)
    kept: dict[str, str] = {}
    if old is not None:
        if (old.generator, old.options) == (GENERATOR, others):
            kept = {name: old.clips[name] for name in wanted if name in old.clips}
        _remove(root, set(old.clips) - set(wanted))
    missing = [name for name in wanted if name not in kept]
    if not missing and old is not None and set(old.clips) == set(kept):
        return
    for folder in (root / VIDEO, root / WORDS):
        folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(missing), _BATCH):
        kept |= _make_all(root, options, missing[start : start + _BATCH], jobs)
        Marker(GENERATOR, others, kept).write(root)
    Marker(GENERATOR, others, kept).write(root)


def _remove(root: Path, stems: set[str]) -> None:
    for stem in stems:
        (root / VIDEO / f"{stem}.mp4").unlink(missing_ok=True)
        (root / WORDS / f"{stem}.tsv").unlink(missing_ok=True)


def _make_all(root: Path, options: Options, stems: Sequence[str], jobs: int) -> dict[str, str]:
    parts = [part for part in (stems[first::jobs] for first in range(jobs)) if part]
    with ThreadPoolExecutor(max(1, len(parts))) as pool:
        answers = list(pool.map(lambda part: _run_worker(root, options, part), parts))
    return {name: digest for answer in answers for name, digest in answer.items()}


def _run_worker(root: Path, options: Options, stems: Sequence[str]) -> dict[str, str]:
    request = {"root": str(root.absolute()), "options": options.model_dump(), "names": list(stems)}
    # Workers with a pool of BLAS threads each would slow each other down.
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "affectstore.corpora.synthetic._worker"],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        if "ModuleNotFoundError" in reason:
            reason += "; pip install 'affectstore[demo]'"
        raise CorpusError(f"the synthetic corpus could not be made in {root}: {reason}")
    return dict(line.split() for line in done.stdout.splitlines())
