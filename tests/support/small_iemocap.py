"""Small hand-written IEMOCAP trees: names and tables as the corpus has them, all of it made up."""

from pathlib import Path

TAB = "\t"
D = "Ses01F_impro01"
F0, F1, M0 = f"{D}_F000", f"{D}_F001", f"{D}_M000"


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


def dialogue(root: Path) -> None:
    """A dialogue of three utterances with all its files and tables."""
    video(root, D)
    sound(root, F0, F1, M0)
    alignment(root, F0, M0)
    evaluation(
        root,
        D,
        block(
            F0,
            "fru",
            (6.25, 8.2357),
            "C-E2:|Frustration;|()",
            "C-E3:|Neutral; Frustration;|()",
            "C-E4:|Anger;|(tense)",
            "C-F1:|Anger;|(curious)",
            "C-M1:|Neutral state;|()",
            "A-E3:|val 3; act 2; dom  2;|()",
            "A-E4:|val 2; act 3; dom  ;|(staying polite, but: mildly aggravated)",
            "A-F1:|val 1; act 4; dom  5;|()",
        ),
        block(F1, "xxx", (10.01, 11.3925), "C-E2:|Anger;|()", "C-E3:|Sadness;|()", "C-E4:|Other;|(bored)"),
        block(M0, "neu", (7.5, 10.475), "C-E2:|Neutral;|()", triple=(1.0, 2.3333, 5.0)),
    )
    transcription(
        root,
        D,
        f"{F0} [006.2500-008.2357]: Where is the [LAUGHTER] ladder?",
        f"{M0} [007.5000-010.4750]: In the shed.",
        "M: uh",
        f"{D}_FXX0 [009.0000-009.5000]: Hm.",
        f"{F1} [010.0100-011.3925]: [BREATHING]",
    )


def example(root: Path) -> dict[str, str]:
    """Write the example of the contract tests; return its options."""
    sound(root, "Ses01F_impro01_F000", "Ses03M_impro08b_F001")
    video(root, "Ses01F_impro01")
    return {}
