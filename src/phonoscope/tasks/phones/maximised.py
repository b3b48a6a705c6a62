"""What a class likes best, to look at and to listen to: pictures and sounds of activation maximisation in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.attribution.maximise import maximise
from phonoscope.attribution.targets import Contrast, parse_target
from phonoscope.audio import write_audio
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import load_classifier
from phonoscope.files import write_json, write_with
from phonoscope.report.labels import file_slug
from phonoscope.report.maps import cell_limits
from phonoscope.report.spectrograms import draw_input
from phonoscope.report.style import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACTS = "maximised.json"


def write_maximised(
    source: str | Path,
    out: str | Path,
    *,
    target: str,
    steps: int = 200,
    count: int = 3,
    seed: int = 0,
    trust_imports: bool = False,
) -> dict[str, Any]:
    """Write the pictures and sounds that a class (``i``), or one class rather than another (``i-er``), likes best.

    Parameters
    ----------
    source
        A finished run of tokens; its classifier and training tokens are used.
    out
        Folder for the pictures, the sounds and their logits.
    target
        A class, or a contrast of two, ``i-er``.
    steps
        Steps of the ascent.
    count
        How many, from different starting points: what differs between them was left open by the class.
    seed
        Of the first starting point; the others count on from it.
    trust_imports
        Allow the classifier to import its network's code.

    Returns
    -------
    dict
        ``target``, and ``made``: for every picture and sound its ``file`` and the logits before, after, and the highest
        of the reference tokens. The same is in ``maximised.json``; pictures are in ``pictures.csv`` too.
    """
    run, out = Run(source), Path(out)
    classifier = load_classifier(run, None, trust_imports=trust_imports)
    aim = parse_target(target, classifier.labels)
    seeds = list(range(seed, seed + count))
    names = (aim.positive, aim.negative) if isinstance(aim, Contrast) else (aim,)
    slug = "-".join(filter(None, map(file_slug, names))) or "class"
    made: list[dict[str, Any]] = []
    if classifier.front_end.frequency_axis is not None:
        pictures = maximise(classifier, aim, space="picture", steps=steps, seeds=seeds)
        file = out / f"most-{slug}.png"
        axis = classifier.front_end.frequency_axis
        figure = pictures_figure(pictures, axis.max_hz, classifier.front_end.time_axis.seconds)
        write_with(file, lambda path: figure.savefig(path, dpi=160, format="png"))
        table = pictures.rename(f"level_{pictures.attrs['units'].lower()}").to_dataframe().reset_index()
        write_with(out / "pictures.csv", lambda path: table.to_csv(path, index=False))
        made += _made(pictures, [file.name] * count)
    sounds = maximise(classifier, aim, space="sound", steps=steps, seeds=seeds)
    files = [f"most-{slug}-{position + 1}.wav" for position in range(count)]
    for file, sound in zip(files, sounds.values, strict=True):
        write_audio(out / file, sound.astype(np.float32), int(sounds.attrs["sample_rate"]), "PCM_16")
    made += _made(sounds, files)
    facts = {"target": str(sounds.attrs["target"]), "steps": steps, "seeds": seeds, "made": made}
    write_json(out / FACTS, facts)
    return facts


def pictures_figure(pictures: xr.DataArray, max_hz: float, seconds: float | None = None) -> Figure:
    """Draw pictures (seed, frequency, time) in dB, from `maximise`, side by side.

    Parameters
    ----------
    pictures
        Input levels, with ``logit_before`` and ``logit_after`` of each seed.
    max_hz, seconds
        Ends of the axes, Hz and s; without seconds, time is the share of the token.
    """
    count = pictures.sizes["seed"]
    figure = new_figure(2.2 * count + 0.6, 2.9)
    figure.patch.set_alpha(1.0)
    panels = np.atleast_1d(figure.subplots(1, count))
    for position, (axes, picture) in enumerate(zip(panels, pictures, strict=True)):
        draw_input(
            axes,
            picture.values,
            *cell_limits(picture, max_hz, 1.0 if seconds is None else seconds),
            title=f"logit {float(picture['logit_before']):.1f} → {float(picture['logit_after']):.1f}",
            x="Share of the token" if seconds is None else "Time (s)",
            y="Frequency (Hz)" if position == 0 else "",
        )
    return figure


def _made(maximised: xr.DataArray, files: list[str]) -> list[dict[str, Any]]:
    highest = float(maximised.attrs["highest_reference"])
    logits = zip(files, maximised["logit_before"].values, maximised["logit_after"].values, strict=True)
    return [
        {"file": file, "logit_before": float(before), "logit_after": float(after), "highest_reference": highest}
        for file, before, after in logits
    ]
