"""Small hand-written IEMOCAP trees: names and tables as the corpus has them, all of it made up."""

from pathlib import Path

TAB = "\t"


def put(root: Path, path: str, content: str | bytes = b"") -> Path:
    """Write a file below the root."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def sound(root: Path, *turns: str) -> None:
    """Write empty audio files of utterances."""
    for turn in turns:
        put(root, f"Session{turn[4]}/sentences/wav/{turn.rpartition('_')[0]}/{turn}.wav")


def video(root: Path, *dialogues: str) -> None:
    """Write empty videos of dialogues."""
    for dialogue in dialogues:
        put(root, f"Session{dialogue[4]}/dialog/avi/DivX/{dialogue}.avi")


def dialogue_sound(root: Path, *dialogues: str) -> None:
    """Write empty audio files of dialogues."""
    for dialogue in dialogues:
        put(root, f"Session{dialogue[4]}/dialog/wav/{dialogue}.wav")


def alignment(root: Path, *turns: str) -> None:
    """Write empty files of word times."""
    for turn in turns:
        put(root, f"Session{turn[4]}/sentences/ForcedAlignment/{turn.rpartition('_')[0]}/{turn}.wdseg")


def evaluation(root: Path, dialogue: str, *blocks: str) -> Path:
    """Write the evaluation of a dialogue; blocks are made by `block`."""
    text = "\n".join(["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", "", *blocks]) + "\n"
    return put(root, f"Session{dialogue[4]}/dialog/EmoEvaluation/{dialogue}.txt", text)


def block(turn: str, label: str, span: tuple[float, float], *ratings: str, triple=(2.5, 3.0, 3.5)) -> str:
    """One utterance of an evaluation; ratings are lines as they are written, with a space for each tab."""
    numbers = ", ".join(f"{value:.4f}" for value in triple)
    head = f"[{span[0]:.4f} - {span[1]:.4f}]\t{turn}\t{label}\t[{numbers}]"
    return "\n".join([head, *(line.replace("|", TAB) for line in ratings), ""])


def transcription(root: Path, dialogue: str, *lines: str) -> Path:
    """Write the transcription of a dialogue, line by line."""
    return put(root, f"Session{dialogue[4]}/dialog/transcriptions/{dialogue}.txt", "\n".join(lines) + "\n")
