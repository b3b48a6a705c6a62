"""What a class likes best, to look at and to listen to: pictures and sounds of activation maximisation in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from phonoscope.attribution.maximise import maximise
from phonoscope.attribution.targets import Contrast, parse_target
from phonoscope.audio import write_audio
from phonoscope.classifier import Classifier
from phonoscope.corpora.sounds import open_tokens
from phonoscope.errors import ExperimentError
from phonoscope.experiments.folder import RUN_NAME, Run
from phonoscope.experiments.held_out import load_classifier, some_sounds
from phonoscope.experiments.loading import load_model
from phonoscope.experiments.material import rate_of
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
    table: str | Path | None = None,
    said: Mapping[str, Any] | None = None,
    trust_imports: bool = False,
) -> dict[str, Any]:
    """Write the pictures and sounds that a class (``i``), or one class rather than another (``i-er``), likes best.

    Parameters
    ----------
    source
        A finished run, whose classifier and training tokens are used; or any model as of `phonoscope.load`.
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
    table
        Token table, or folder of tokens with their sound: the speech that a model knows, if it carries none itself.
    said
        What is said of a model, as of `load_model`.
    trust_imports
        Allow the classifier to import its network's code.

    Returns
    -------
    dict
        ``target``, and ``made``: for every picture and sound its ``file`` and the logits before, after, and the highest
        of the reference tokens. The same is in ``maximised.json``; pictures are in ``pictures.csv`` too.
    """
    out = Path(out)
    classifier = _classifier_of(source, table, said or {}, trust_imports)
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
        levels = pictures.rename(f"level_{pictures.attrs['units'].lower()}").to_dataframe().reset_index()
        write_with(out / "pictures.csv", lambda path: levels.to_csv(path, index=False))
        made += _made(pictures, [file.name] * count)
    sounds = maximise(classifier, aim, space="sound", steps=steps, seeds=seeds)
    files = [f"most-{slug}-{position + 1}.wav" for position in range(count)]
    for file, sound in zip(files, sounds.values, strict=True):
        write_audio(out / file, sound.astype(np.float32), int(sounds.attrs["sample_rate"]), "PCM_16")
    made += _made(sounds, files)
    facts = {"target": str(sounds.attrs["target"]), "steps": steps, "seeds": seeds, "made": made}
    write_json(out / FACTS, facts)
    return facts


def _classifier_of(
    source: str | Path, table: str | Path | None, said: Mapping[str, Any], trust_imports: bool
) -> Classifier:
    """Classifier of a run, or a model, with what stands for the speech that it knows."""
    if (Path(source) / RUN_NAME).is_file():
        if table is not None or said:
            raise ExperimentError("a run knows its tokens and its model itself: leave --tokens and all else out")
        return load_classifier(Run(source), None, trust_imports=trust_imports)
    if table is None:
        classifier = load_model(source, said, trust_imports=trust_imports)
        if classifier.reference is None:
            raise ExperimentError(
                f"{source} carries nothing of the speech that it knows: give some of that speech with --tokens TABLE "
                "(from phonoscope tokens), or a finished run"
            )
        return classifier
    tokens = open_tokens(table)
    classifier = load_model(source, said, trust_imports=trust_imports, sample_rate=rate_of(tokens))
    classifier.keep_reference(some_sounds(tokens, classifier.sample_rate))
    return classifier


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
