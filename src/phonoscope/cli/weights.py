"""Commands on weights: ``geometry`` and ``filters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson, Seed, Strict, Trust
from phonoscope.cli.terminal import counter, print_json
from phonoscope.errors import PhonoscopeError


def geometry(
    checkpoints: Annotated[
        list[Path], typer.Argument(help="Weights file, or folder of a classifier; several to compare.")
    ],
    network: Annotated[
        str | None, typer.Option(help="Network of the weights: inc_tssdnet, sub-segmental … Without it, plain weights.")
    ] = None,
    layers: Annotated[
        str | None, typer.Option(help="Layers, separated by commas, or all; else those that the network declares.")
    ] = None,
    alignment: Annotated[str, typer.Option(help="Branches of a block: left (as in the paper) or centre.")] = "left",
    null_draws: Annotated[int, typer.Option(help="Draws of random weights to compare with; 0 for none.")] = 20,
    out: Annotated[Path | None, typer.Option(help="Table to write: .csv or .parquet.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Figure to write (.png, .pdf, .svg): layer after layer.")] = None,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one list of rows, and nothing else.")] = False,
) -> None:
    """Measure the weights of every layer as a dictionary, beside random weights: learned, or just wide?

    Example: phonoscope geometry inc_tssdnet.pth --network inc_tssdnet
    """
    from phonoscope.geometry import describe, measure_checkpoints, records, write_table

    options: dict[str, Any] = {"network": network, "alignment": alignment, "null_draws": null_draws, "seed": seed}
    if layers is not None:
        options["layers"] = "all" if layers == "all" else [name.strip() for name in layers.split(",")]
    table = measure_checkpoints(checkpoints, **options)
    written = [] if out is None else [write_table(out, table)]
    if figure is not None:
        from phonoscope.files import write_with
        from phonoscope.report.geometry import layer_figure

        drawn = layer_figure(table)
        written.append(write_with(figure, lambda part: drawn.savefig(part, dpi=160, facecolor="white")))
    if as_json:
        print_json(records(table))
        return
    typer.echo(describe(table) + "\n")
    typer.echo("\n".join([*(f"read  {path}" for path in checkpoints), *(f"wrote {path}" for path in written)]))


def filters(
    source: Annotated[
        Path, typer.Argument(help="Folder of a classifier, or a weights file (then --network is needed).")
    ],
    sounds: Annotated[list[Path], typer.Argument(help="A token table (.parquet, .csv), or recordings and folders.")],
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")],
    network: Annotated[str | None, typer.Option(help="Network of a weights file: inc_tssdnet, sub-segmental …")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of that network, as head=pooled; may be repeated.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer to look at, if it is not to be found.")] = None,
    sample_rate: Annotated[int | None, typer.Option(help="Rate of the network's sounds, Hz; 16000 if unknown.")] = None,
    scaling: Annotated[str, typer.Option(help="Of each sound: none, rms, or minmax (as in the paper).")] = "rms",
    null_seeds: Annotated[int, typer.Option(help="Layers with random weights to compare with, 3 or more.")] = 20,
    max_hz: Annotated[float | None, typer.Option(help="Upper border of the figures, Hz.")] = None,
    rotation: Annotated[bool, typer.Option("--rotation/--no-rotation", help="Write the turning surface (GIF).")] = True,
    trust_imports: Trust = False,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
) -> None:
    """Show what the first layer of a raw-waveform network hears, beside random weights and the plain spectrum.

    Example: phonoscope filters sub.safetensors speech_commands --network sub-segmental --out filters
    """
    from phonoscope.audio import cut
    from phonoscope.classifier import Classifier
    from phonoscope.corpora import read_tokens
    from phonoscope.filters import bank_of, read_recordings
    from phonoscope.networks.checkpoints import load_network
    from phonoscope.report.filters import write_filters

    if network is None:
        model: Any = Classifier.from_pretrained(source, trust_imports=trust_imports)
        rate = sample_rate or model.sample_rate
    else:
        pairs = [one.partition("=") for one in option or []]
        if faulty := [key for key, sign, _ in pairs if not sign]:
            raise PhonoscopeError(f"--option {faulty[0]} has no value; write it as name=value, e.g. head=pooled")
        model = load_network(network, source, **{key: value for key, _, value in pairs})
        rate = sample_rate or 16_000
    bank = bank_of(model, rate, layer)
    if sounds[0].suffix in (".parquet", ".csv"):
        waveforms, table = cut(read_tokens(sounds[0]), rate, strict=strict)
    else:
        waveforms, table = read_recordings(sounds, rate, strict=strict)
    options: dict[str, Any] = {"scaling": scaling, "n_seeds": null_seeds, "seed": seed, "max_hz": max_hz}
    summary = write_filters(
        bank,
        waveforms,
        out,
        tokens=table,
        rotation=rotation,
        strict=strict,
        progress=counter("random layers"),
        **options,
    )
    for test in summary["null_test"]:
        typer.echo(
            f"{test['label']}: differs most from random weights at {test['at_hz']:.0f} Hz, |z| {test['max_z']:.1f} "
            f"(95 % of random layers stay below {test['critical_z']:.1f}), p = {test['p']:.3f}"
        )
    for entry in [*table.attrs.get("left_out", []), *summary["left_out"]]:
        typer.echo(f"left out: {entry['count']} {entry['what']} ({entry['reason']})")
    typer.echo("\n" + "\n".join([f"read  {source}", *(f"read  {path}" for path in sounds), f"wrote {out}"]))
    if as_json:
        print_json(summary)
