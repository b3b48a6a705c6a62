"""The listening test for people, made of the tokens and continua that a network is asked about."""

from __future__ import annotations

from pathlib import Path

from phonoscope.audio import cut
from phonoscope.errors import ExperimentError
from phonoscope.perception import present, write_for_praat, write_for_web
from phonoscope.tasks.asked.material import Material, refuse_numbers
from phonoscope.tasks.perceive.recipe import PerceiveRecipe

FOR = ("praat", "web")
WEB_NAME = "listening.html"


def write_listening_test(material: Material, recipe: PerceiveRecipe, out: str | Path, kind: str) -> Path:
    """Write a listening test for people, of the tokens and continua that the network is asked about.

    Parameters
    ----------
    material
        The tokens, and the answers to choose from.
    recipe
        Cues, steps and tokens.
    out
        Folder for it.
    kind
        ``praat`` or ``web``.

    Returns
    -------
    Path
        The file to open.

    Raises
    ------
    ExperimentError
        If the kind is not known, or the recordings are gone.
    """
    if kind not in FOR:
        raise ExperimentError(f"--for is {kind!r}; choose praat or web")
    refuse_numbers(material)
    out, rate, context = Path(out), material.sample_rate, material.context_seconds
    waveforms, tokens = cut(material.tokens, rate, context_seconds=context)
    if not waveforms:
        raise ExperimentError("none of the recordings can be read any more")
    made = present(tokens, waveforms, rate, recipe.continua, context=context, ceiling=recipe.ceiling)
    out.mkdir(parents=True, exist_ok=True)
    if kind == "praat":
        return write_for_praat(out, made, rate, material.labels, seed=recipe.seed)
    return write_for_web(out / WEB_NAME, made, rate, material.labels, seed=recipe.seed)
