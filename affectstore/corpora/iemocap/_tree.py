"""Files of the sessions, dialogues and turns below a root."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from affectstore.corpora._listing import check_root, list_media, printable
from affectstore.corpora.base import SkippedClip
from affectstore.corpora.iemocap._names import SESSIONS, parse, session_of
from affectstore.errors import CorpusError

VIDEO = "dialog/avi/DivX"
AUDIO = "dialog/wav"
EVALUATION = "dialog/EmoEvaluation"
TRANSCRIPTIONS = "dialog/transcriptions"
UTTERANCES = "sentences/wav"
ALIGNMENT = "sentences/ForcedAlignment"
#: Folder of a session -> suffix of the files that are read, and data that are lost without them.
PARTS: Mapping[str, tuple[str, str]] = {
    VIDEO: (".avi", "video"),
    AUDIO: (".wav", "audio of complete dialogues"),
    EVALUATION: (".txt", "labels, ratings and times"),
    TRANSCRIPTIONS: (".txt", "text"),
    UTTERANCES: (".wav", "audio of single utterances"),
    ALIGNMENT: (".wdseg", "word times"),
}
#: Folders with further files of the same names, which belong to no clip.
_BESIDE = {EVALUATION, TRANSCRIPTIONS, ALIGNMENT}
LOOKED_FOR = ", ".join(
    f"Session1/{folder}/{'*/' if folder.startswith('sentences') else ''}*{suffix}"
    for folder, (suffix, _) in PARTS.items()
    if folder in (VIDEO, AUDIO, UTTERANCES)
)


@dataclass
class Tree:
    """Files of a copy; paths are relative to the root, with forward slashes.

    Attributes:
        sessions: Numbers of the existing session folders.
        files: Folder of PARTS -> dialogue (or, below sentences/, turn) -> path.
        skipped: Files that are left out, with reasons.
    """

    sessions: tuple[str, ...]
    files: dict[str, dict[str, str]] = field(default_factory=lambda: {folder: {} for folder in PARTS})
    skipped: list[SkippedClip] = field(default_factory=list)

    def sessions_with(self, folder: str) -> tuple[str, ...]:
        """List the sessions that have a file in a folder of PARTS."""
        there = {path[len("Session")] for path in self.files[folder].values()}
        return tuple(session for session in self.sessions if session in there)


def read_tree(root: Path, corpus: str, url: str) -> Tree:
    """List the files of a complete or partial copy, without hidden files (macOS' archivers add one to each file).

    Raises:
        CorpusError: The folder is missing or empty, holds no session, or no session holds media.
    """
    check_root(corpus, root, LOOKED_FOR, url)
    tree = Tree(tuple(session for session in SESSIONS if (root / f"Session{session}").is_dir()))
    for session in tree.sessions:
        for folder in PARTS:
            if folder.startswith("sentences"):
                _list_turns(root, session, folder, tree)
            else:
                _list_dialogues(root, session, folder, tree)
    if not any(tree.files[folder] for folder in (VIDEO, AUDIO, UTTERANCES)):
        raise CorpusError(_nothing(root, corpus, url, tree))
    return tree


def _list_dialogues(root: Path, session: str, folder: str, tree: Tree) -> None:
    suffix = PARTS[folder][0]
    listing = list_media(root, f"Session{session}/{folder}", suffix)
    tree.skipped += [skip for skip in listing.skipped if folder not in _BESIDE or skip.path.lower().endswith(suffix)]
    for name, path in listing.paths.items():
        if session_of(name) == session:
            tree.files[folder][name] = path
        else:
            tree.skipped.append(SkippedClip(printable(name), path, f"not named as a dialogue of session {session}"))


def _list_turns(root: Path, session: str, folder: str, tree: Tree) -> None:
    suffix = PARTS[folder][0]
    for dialogue in _folders(root / f"Session{session}" / folder):
        path = f"Session{session}/{folder}/{printable(dialogue)}"
        if session_of(dialogue) != session:
            reason = f"the folder is not named as a dialogue of session {session}"
            tree.skipped.append(SkippedClip(printable(dialogue), path, reason))
            continue
        listing = list_media(root, path, suffix)
        beside = folder in _BESIDE
        tree.skipped += [skip for skip in listing.skipped if not beside or skip.path.lower().endswith(suffix)]
        for name, file in listing.paths.items():
            try:
                if parse(name).dialogue != dialogue:
                    raise ValueError(f"named as a turn of {parse(name).dialogue}, but lies in the folder of {dialogue}")
            except ValueError as reason:
                tree.skipped.append(SkippedClip(printable(name), file, str(reason)))
            else:
                tree.files[folder][name] = file


def _folders(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CorpusError(f"{folder} cannot be read: {error.strerror}") from None


def _nothing(root: Path, corpus: str, url: str, tree: Tree) -> str:
    there = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    below = [name for name in there if any((root / name / f"Session{session}").is_dir() for session in SESSIONS)]
    if below:
        advice = f"the sessions lie one folder below: set corpora.{corpus}.root to {root / below[0]}"
    elif not tree.sessions and {"dialog", "sentences"} & set(there):
        advice = (
            f"this looks like one session: name it Session1 to Session5, and set corpora.{corpus}.root to {root.parent}"
        )
    else:
        advice = f"get the corpus from {url} or set corpora.{corpus}.root to the folder that holds Session1 to Session5"
    what = "no session" if not tree.sessions else "no media of any session"
    shown = ", ".join(printable(name) for name in there[:12])
    return f"corpus {corpus!r}: {what} in {root}; looked for {LOOKED_FOR}; found there: {shown}; {advice}"
