"""Whether the engine's options fit a cell, told before any job starts and without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

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
            return f"`balance: {training.balance}` weighs modalities that are fused against each other, and none are"
        if training.balance == "ogm_ge" and fusion.SPEC.needs == "inputs":
            return (
                f"`balance: ogm_ge` damps the encoder of one modality, and fusion {_name(fusion)!r} feeds one with "
                "all; choose `g_blending`, or a fusion of what encoders give"
            )
        if training.balance == "ogm_ge" and sharing == "shared":
            return (
                "`balance: ogm_ge` damps the encoder of one modality, and with `sharing: shared` there is one for all; "
                "say `sharing: separate`"
            )
    if training.modality_dropout and sharing == "union":
        return "`modality_dropout` takes modalities from clips, and with `sharing: union` each is classified for itself"
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


def check_dropout(rates: float | Mapping[Any, float], known: Iterable[str]) -> str:
    """Why rates of `modality_dropout` cannot be meant, or ''.

    Args:
        rates: one for all modalities, or one each.
        known: the modalities that they may name: a cell's, of settings of its own; those of all cells of the
            experiment, of settings that its cells share, and that a cell without the modality ignores.
    """
    names = tuple(known)
    strange = [str(name) for name in rates if name not in names] if isinstance(rates, Mapping) else []
    if not strange:
        return ""
    return f"`modality_dropout` names {', '.join(strange)}, and the modalities are {', '.join(names)}; leave it out"


def _name(fusion: ModuleType) -> str:
    return fusion.__name__.rpartition(".")[2]
