"""Clips of a folder of the synthetic corpus."""

from __future__ import annotations

from pathlib import Path

from affectstore.corpora._crema_d_names import SENTENCES, Name, parse
from affectstore.corpora._listing import name_problem, printable
from affectstore.corpora.base import ScanResult, SkippedClip, clips_table
from affectstore.corpora.synthetic._layout import VIDEO, WORDS
from affectstore.errors import CorpusError

#: In order of preference, for clips with several files.
SUFFIXES = (".mp4", ".flv", ".mkv", ".mov", ".webm", ".avi")


def find_clips(root: Path, corpus: str) -> ScanResult:
    """Find the clips of the media files in `root/video`, generated or not; hidden files are no media.

    Raises:
        CorpusError: The folder is missing, cannot be read or holds no file.
    """
    folder = root / VIDEO
    try:
        files = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_preference)
    except OSError as error:
        raise _nothing(corpus, root, error.strerror or str(error)) from None
    if not files:
        raise _nothing(corpus, root, "the folder is empty")
    names: dict[str, Name] = {}
    paths: dict[str, str] = {}
    skipped: list[SkippedClip] = []
    for path in files:
        shown = f"{VIDEO}/{printable(path.name)}"
        try:
            name = _name_of(path)
            if path.stem in paths:
                raise ValueError(f"a second file for the same clip; {paths[path.stem]} is used")
        except ValueError as reason:
            skipped.append(SkippedClip(printable(path.stem), shown, str(reason)))
        else:
            names[path.stem], paths[path.stem] = name, shown
    spoken = {path.stem for path in (root / WORDS).glob("*.tsv")}
    columns = {
        "clip_id": list(paths),
        "speaker": [name.actor for name in names.values()],
        "level": [name.level for name in names.values()],
        "sentence": [name.sentence for name in names.values()],
        "text": [SENTENCES[name.sentence] for name in names.values()],
        "label_intended": [name.emotion for name in names.values()],
        "audio_path": list(paths.values()),
        "video_path": list(paths.values()),
        "words_path": [f"{WORDS}/{clip_id}.tsv" if clip_id in spoken else None for clip_id in paths],
    }
    return ScanResult(clips_table(corpus, columns), tuple(skipped), 0, root)


def _nothing(corpus: str, root: Path, problem: str) -> CorpusError:
    return CorpusError(
        f"corpus {corpus!r}: looked for media files named like 1001_DFA_ANG_XX.mp4 in {root / VIDEO}: {problem}; "
        f"delete {root} where it exists, and `affectstore run` or `affectstore synthesize --out {root}` makes it again"
    )


def _preference(path: Path) -> tuple[str, int, str]:
    suffix = path.suffix.lower()
    return path.stem, SUFFIXES.index(suffix) if suffix in SUFFIXES else len(SUFFIXES), path.name


def _name_of(path: Path) -> Name:
    """Parse the name of a media file.

    Raises:
        ValueError: It is not a media file, or not named as a clip.
    """
    if problem := name_problem(path.name):
        raise ValueError(problem)
    if path.is_dir():
        raise ValueError("a folder, not a media file")
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"not a media file by its suffix {path.suffix!r}; known: {', '.join(SUFFIXES)}")
    return parse(path.stem)
