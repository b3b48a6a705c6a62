"""The command on models from elsewhere: ``check``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson, Device, ModelName, Trust, said_of, taking_a_model
from phonoscope.cli.terminal import print_json
from phonoscope.errors import PhonoscopeError

_GROUPS = {  # of methods, by their family
    "input": "gradients",
    "audio": "bands filtered out of the sound",
    "perturbation": "parts of the picture or of the sound taken away",
    "layer": "layers and attention",
    "captum": "captum",
    "wrapper": "around another method (tried around {wrapped})",
}


def method_lines(methods: Mapping[str, bool | str], wrapped: str) -> list[str]:
    """Which methods suit a model, group by group; methods that do not suit for the same reason share a line.

    Parameters
    ----------
    methods
        For each method: True, or why it does not suit.
    wrapped
        The method around which those that take another were tried.
    """
    from phonoscope.attribution.registry import METHODS

    groups: dict[str, dict[bool | str, list[str]]] = {}
    for name, why in methods.items():
        family = "captum" if name.startswith("captum:") else METHODS[name].family
        reason = why if why is True else str(why).removeprefix(f"{name}: ").removeprefix(f"{name} ")
        groups.setdefault(family, {}).setdefault(reason, []).append(name)
    lines = []
    for family in sorted(groups, key=lambda family: list(_GROUPS).index(family) if family in _GROUPS else len(_GROUPS)):
        lines.append(_GROUPS.get(family, family).format(wrapped=wrapped))
        for reason, names in sorted(groups[family].items(), key=lambda item: item[0] is not True):
            listed = ", ".join(names)
            lines.append(f"  suit     {listed}" if reason is True else f"  not      {listed}: {reason}")
    return lines


@taking_a_model(before="out")
def check(
    model: ModelName,
    recording: Annotated[
        Path | None, typer.Argument(help="A recording to look at it with; a synthetic vowel if none is given.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder to save the classifier to; every other command takes it.")
    ] = None,
    device: Device = "cpu",
    trust_imports: Trust = False,
    as_json: AsJson = False,
    **options: Any,
) -> None:
    """Find out what a model takes and gives, what its answer depends on, and which methods suit it.

    Example: phonoscope check superb/wav2vec2-base-superb-ks yes.wav
    """
    import sys

    from phonoscope.attribution.explainer import recommended_method
    from phonoscope.audio import audio_info, read_audio
    from phonoscope.evidence.checkup import check as checked
    from phonoscope.experiments.loading import load_model
    from phonoscope.training import choose_device

    rate = None if recording is None else audio_info(recording).sample_rate
    where = str(choose_device(device))
    classifier = load_model(model, said_of(options), trust_imports=trust_imports, device=where, sample_rate=rate)
    waveform = None if recording is None else read_audio(recording, classifier.sample_rate)[0]

    def progress(name: str) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r\033[Ktrying {name} …")
            sys.stderr.flush()

    found = checked(classifier, waveform, progress=progress)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    sure = sorted(found.answer.items(), key=lambda pair: -pair[1])[:5]
    shown = ", ".join(found.labels[:8]) + (f" … ({len(found.labels)})" if len(found.labels) > 8 else "")
    lines = [
        f"takes   {found.takes}",
        f"gives   {found.gives}",
        f"labels  {shown}",
        f"says    {', '.join(f'{label} {value:.3g}' for label, value in sure)} ({recording or 'a synthetic vowel'})",
        f"sees    {found.first_layer}",
        f"gradients {'reach' if found.differentiable else 'do not reach'} the sound",
        "",
        *(str(reaction) for reaction in found.reactions),
        "",
        *method_lines(found.methods, recommended_method(classifier)),
    ]
    if out is not None:
        classifier.save_pretrained(out)
    files = [f"read  {model}", *([f"read  {recording}"] if recording else []), *([f"wrote {out}"] if out else [])]
    typer.echo("\n".join([*lines, "", *files]))
    if not any(why is True for why in found.methods.values()):
        raise PhonoscopeError("no method suits this model")
    if as_json:
        print_json({"model": model, **found.to_json(), "out": None if out is None else out.as_posix()})
