"""A small copy of CREMA-D's layout: short audio files under its names, and its tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from support.wav import wav_of_sine

RATE_HZ = 8000


def sound(hz: float = 200.0, seconds: float = 0.1) -> bytes:
    """Make a wav file with a sine; other tones and lengths have other bytes."""
    return wav_of_sine(hz, seconds, RATE_HZ)


def write_media(root: Path, names: Iterable[str], folder: str = "AudioWAV", suffix: str = ".wav") -> None:
    """Write one audio file per name, no two alike; ffmpeg goes by content, so the suffix may be any."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (root / folder / f"{name}{suffix}").write_bytes(sound(200.0 + 10 * number))


def write_list(root: Path, names: Iterable[str]) -> None:
    """Write SentenceFilenames.csv, without a final newline, as the original."""
    root.mkdir(parents=True, exist_ok=True)
    lines = ['"Stimulus_Number","Filename"', *(f'{n},"{name}"' for n, name in enumerate(names, start=1))]
    (root / "SentenceFilenames.csv").write_text("\n".join(lines))


def write_summary(root: Path, votes: Mapping[str, tuple[str, str, str]]) -> None:
    """Write summaryTable.csv: voice, face and multi-modal vote of each name."""
    folder = root / "processedResults"
    folder.mkdir(parents=True, exist_ok=True)
    columns = '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"'
    rows = [
        f'"{n}","{name}","{voice}","50","{face}","50","{both}","50:60"'
        for n, (name, (voice, face, both)) in enumerate(votes.items(), start=1)
    ]
    (folder / "summaryTable.csv").write_text("\n".join([columns, *rows]) + "\n")


def write_votes(root: Path, votes: Mapping[str, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]]) -> None:
    """Write tabulatedVotes.csv: counts of A D F H N S for voice, face and both; the winner follows from them."""
    folder = root / "processedResults"
    folder.mkdir(parents=True, exist_ok=True)
    rows = ['"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote","meanEmoResp"']
    for kind in range(3):
        for n, (name, counts) in enumerate(votes.items(), start=1):
            most = max(counts[kind])
            winner = ":".join(x for x, c in zip("ADFHNS", counts[kind], strict=True) if c == most)
            numbers = ",".join(map(str, counts[kind]))
            rows.append(f'"{100000 * (kind + 1) + n}",{numbers},"{name}",{sum(counts[kind])},0.5,"{winner}",-1')
    (folder / "tabulatedVotes.csv").write_text("\n".join(rows) + "\n")


def write_speakers(root: Path, rows: Iterable[tuple[str, int, str]]) -> None:
    """Write VideoDemographics.csv: actor, age and sex."""
    lines = ['"ActorID","Age","Sex","Race","Ethnicity"']
    lines += [f'{actor},{age},"{sex}","Unknown","Not Hispanic"' for actor, age, sex in rows]
    (root / "VideoDemographics.csv").write_text("\n".join(lines) + "\n")


def example(root: Path) -> dict[str, str]:
    """Write the example of the contract tests; return its options."""
    write_media(root, ["1001_DFA_ANG_XX", "1002_IEO_HAP_HI"], "VideoFlash", ".flv")
    return {}
