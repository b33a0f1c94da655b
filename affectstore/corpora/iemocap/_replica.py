"""Replica of the corpus for tests and trials, since the corpus may not be passed on."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from affectstore.corpora.iemocap._marker import MARKER, TEXT
from affectstore.corpora.iemocap._replica_audio import Dialogue, speak, write_wav
from affectstore.corpora.iemocap._replica_plan import DIALOGUES, UNALIGNED
from affectstore.corpora.iemocap._replica_tables import wdseg, write_tables
from affectstore.errors import CorpusError

#: Bumped when the same seed gives other bytes.
_VERSION = 1
#: Beginning of the files that macOS' archivers add to each file.
_APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        " + bytes(58)


def make(root: Path, seed: int, *, video: bool) -> None:
    """Generate a replica and move it into place when it is complete; one of the same seed is left as it is.

    Raises:
        CorpusError: The folder holds something else, or a part cannot be generated.
    """
    marker = f"{TEXT}version {_VERSION}, seed {seed}, {'with' if video else 'without'} video\n"
    if root.exists():
        if not root.is_dir() or (any(root.iterdir()) and not (root / MARKER).is_file()):
            raise CorpusError(f"{root} holds something else; name an empty or a new folder for the replica of IEMOCAP")
        if (root / MARKER).is_file() and (root / MARKER).read_text(encoding="utf-8") == marker:
            return
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix=".making-") as folder:
        tree = Path(folder) / "tree"
        tree.mkdir()
        for name, lines in DIALOGUES.items():
            _write_dialogue(tree / f"Session{lines[0].turn.session}", speak(name, lines, seed), seed, video=video)
        for path in sorted(tree.rglob("*.*")):
            if path.suffix in (".avi", ".wav", ".txt", ".wdseg"):
                path.with_name(f"._{path.name}").write_bytes(_APPLE_DOUBLE)
        (tree / MARKER).write_text(marker, encoding="utf-8")
        if root.exists():
            shutil.rmtree(root)
        tree.rename(root)


def _write_dialogue(session: Path, dialogue: Dialogue, seed: int, *, video: bool) -> None:
    audio = session / "dialog" / "wav" / f"{dialogue.name}.wav"
    write_wav(audio, dialogue.channels)
    write_tables(session / "dialog", dialogue, seed)
    if video:
        from affectstore.corpora.iemocap._replica_video import write_avi

        write_avi(session / "dialog" / "avi" / "DivX" / f"{dialogue.name}.avi", dialogue, audio, seed)
    alignment = session / "sentences" / "ForcedAlignment" / dialogue.name
    alignment.mkdir(parents=True)
    for turn in dialogue.turns:
        name = turn.line.turn.name
        write_wav(session / "sentences" / "wav" / dialogue.name / f"{name}.wav", dialogue.cut(turn))
        if name not in UNALIGNED:
            (alignment / f"{name}.wdseg").write_text(wdseg(turn, seed), encoding="utf-8")
