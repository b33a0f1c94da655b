"""Whether the engine's options fit a cell, told before any job starts and without torch."""

from __future__ import annotations

from types import ModuleType

from affectstore.config.training import Training


def check_training(training: Training, fusion: ModuleType | None, sharing: str | None) -> str:
    """Why options of the engine do not fit each other or a cell, or ''.

    Args:
        training: the engine's settings for the cell.
        fusion: its fusion's file; none for one modality.
        sharing: of its encoders' weights.
    """
    warm_up = training.schedule.warm_up
    if warm_up and warm_up >= training.epochs:
        return f"`schedule.warm_up` is {warm_up} epochs of {training.epochs}: nothing is left of the schedule"
    if training.balance != "none":
        if fusion is None:
            return f"`balance: {training.balance}` weighs modalities against each other, and there is one"
        if not hasattr(fusion, "scores"):
            return (
                f"`balance: {training.balance}` compares modalities by what each says alone, and fusion "
                f"{_name(fusion)!r} has no such scores; a file of `models/fusions/` that has them declares `scores`"
            )
        if training.balance == "ogm_ge" and sharing == "shared":
            return (
                "`balance: ogm_ge` damps the encoder of one modality, and with `sharing: shared` there is one for all; "
                "say `sharing: separate`"
            )
    if training.unlabelled:
        if fusion is None or not fusion.SPEC.unlabelled:
            named = "a single modality" if fusion is None else f"fusion {_name(fusion)!r}"
            return f"`unlabelled`: {named} has no loss that does without labels; leave it out"
        if training.mixup:
            return "`mixup` mixes labels, and `unlabelled` clips have none; choose one of them"
        if training.balance == "g_blending":
            return (
                "`balance: g_blending` takes the place of the fusion's own losses, which are all that `unlabelled` "
                "clips are learnt from; choose one of them"
            )
    return ""


def _name(fusion: ModuleType) -> str:
    return fusion.__name__.rpartition(".")[2]
