"""Commands on weights: ``geometry`` and ``filters``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson, Key, Seed, Strict, Trust, names_in, said_of, taking_a_model
from phonoscope.cli.terminal import counter, print_json
from phonoscope.errors import PhonoscopeError


@taking_a_model(before="key")
def geometry(
    checkpoints: Annotated[
        list[str],
        typer.Argument(metavar="MODEL...", help="Weights file, or any model as of check; several to compare."),
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
    key: Key = None,
    trust_imports: Trust = False,
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one list of rows, and nothing else.")] = False,
    **said: Any,
) -> None:
    """Measure the weights of every layer as a dictionary, beside random weights: learned, or just wide?

    Example: phonoscope geometry inc_tssdnet.pth --network inc_tssdnet
    """
    from phonoscope.layer_geometry import describe, measure_checkpoints, records, write_table

    options: dict[str, Any] = {"network": network, "alignment": alignment, "null_draws": null_draws, "seed": seed}
    options |= {"key": key, "trust_imports": trust_imports, "said": said_of(said)}
    if layers is not None:
        options["layers"] = layers if layers == "all" else names_in(layers)
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


@taking_a_model(before="scaling")
def filters(
    source: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="Any model, as of check; or a weights file (then --network is needed)."),
    ],
    sounds: Annotated[list[Path] | None, typer.Argument(help="Recordings and folders of them.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for tables and figures.")] = Path("filters"),
    table: Annotated[
        Path | None, typer.Option("--tokens", help="Token table (.parquet, .csv) instead: its tokens are sent through.")
    ] = None,
    network: Annotated[str | None, typer.Option(help="Network of a weights file: inc_tssdnet, sub-segmental …")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of that network, such as head=pooled; may be repeated.")
    ] = None,
    layer: Annotated[str | None, typer.Option(help="Layer to look at, if it is not found automatically.")] = None,
    scaling: Annotated[str, typer.Option(help="Of each sound: none, rms, or minmax (as in the paper).")] = "rms",
    null_seeds: Annotated[int, typer.Option(help="Layers with random weights to compare with, 3 or more.")] = 20,
    initial: Annotated[
        bool,
        typer.Option(
            "--initial", help="Also compare with the weights before training, if the classifier records them."
        ),
    ] = False,
    initial_weights: Annotated[
        str | None,
        typer.Option(help="The same network before training, to compare with: its weights file, or a model as above."),
    ] = None,
    key: Key = None,
    by: Annotated[str, typer.Option(help="Whose curves to draw: label (class) or speaker.")] = "label",
    formants: Annotated[
        bool, typer.Option("--formants", help="Measure the vowels' formants: how much of the response lies in them?")
    ] = False,
    max_hz: Annotated[float | None, typer.Option(help="Upper border of the figures, Hz.")] = None,
    rotation: Annotated[
        str, typer.Option(help="Write the rotating surface as gif, mp4, html (several: separated by commas), or none.")
    ] = "gif",
    trust_imports: Trust = False,
    seed: Seed = 0,
    strict: Strict = False,
    as_json: AsJson = False,
    **said: Any,
) -> None:
    """Show what the first layer of a raw-waveform network hears, beside random weights and the plain spectrum.

    Example: phonoscope filters sub.safetensors speech_commands --network sub-segmental --out filters
    """
    from phonoscope.filters import bank_of, initial_bank
    from phonoscope.models.loading import describes_itself
    from phonoscope.report.filter_folder import FilterSettings, write_filters

    settings = FilterSettings(
        scaling=scaling,  # ty: ignore[invalid-argument-type]
        n_seeds=null_seeds,
        seed=seed,
        by=by,
        max_hz=max_hz,
        rotation=[] if rotation == "none" else names_in(rotation),
    )
    if bool(sounds) == (table is not None):
        raise PhonoscopeError("give recordings (or folders of them) or --tokens TABLE, not both")
    if formants and table is None:
        raise PhonoscopeError("--formants needs to know where the vowels are: give --tokens TABLE")
    known = said_of(said)
    if network is None:
        known |= {} if "sample_rate" in known or describes_itself(source) else {"sample_rate": _rate_of(sounds, table)}
        model = _model_of(source, option, trust_imports, known)
    else:
        model = _network_of(source, network, option, key)
    rate = getattr(model, "sample_rate", None) or known.get("sample_rate", 16_000)
    if initial and initial_weights is not None:
        raise PhonoscopeError("--initial and --initial-weights say twice how the training began; give one of them")
    if initial and network is not None:
        raise PhonoscopeError(
            "a weights file does not say how it was trained: give the weights before training (--initial-weights)"
        )
    start = (
        None if initial_weights is None else _before_training(model, initial_weights, trust_imports, key, said_of(said))
    )
    waveforms, tokens, measured = _sounds_of(sounds, table, rate, formants, strict)
    before = initial_bank(model, layer) if initial else None if start is None else bank_of(start, rate, layer)
    bank = bank_of(model, rate, layer, start=start)
    summary = write_filters(
        bank,
        waveforms,
        tokens,
        out,
        settings,
        initial=before,
        formants=measured,
        strict=strict,
        progress=counter("random layers"),
    )
    for test in summary["null_test"]:
        typer.echo(
            f"{test['label']}: differs most from {bank.untrained.label} at {test['at_hz']:.0f} Hz, "
            f"|z| {test['max_z']:.1f} (95 % of random layers stay below {test['critical_z']:.1f}), p = {test['p']:.3f}"
        )
    typer.echo(f"{'random layers' if summary['null_test'] else 'no random layers'}: {summary['null']['words']}")
    for entry in [*tokens.attrs.get("left_out", []), *summary["left_out"]]:
        typer.echo(f"left out: {entry['count']} {entry['what']} ({entry['reason']})")
    read = [table] if table is not None else sounds or []
    typer.echo("\n" + "\n".join([f"read  {source}", *(f"read  {path}" for path in read), f"wrote {out}"]))
    if as_json:
        print_json(summary)


def _model_of(source: str, option: list[str] | None, trust_imports: bool, said: dict[str, Any]) -> Any:
    """Any model; a file of weights is none."""
    from phonoscope.models.loading import load_weights
    from phonoscope.networks.checkpoints import is_weights

    if option:
        raise PhonoscopeError("--option applies to the network of a weights file: name that network with --network")
    if is_weights(source):
        raise PhonoscopeError(
            f"{source} is a file of weights, which does not say what network they are of: name it with --network, "
            "or give the folder of a classifier"
        )
    return load_weights(source, trust_imports=trust_imports, **said)


def _network_of(source: str, network: str, option: list[str] | None, key: str | None) -> Any:
    """Network of a weights file."""
    from phonoscope.networks.checkpoints import load_network

    pairs = [text.partition("=") for text in option or []]
    if faulty := [name for name, sign, _ in pairs if not sign]:
        raise PhonoscopeError(f"--option {faulty[0]} has no value; write it as name=value, e.g. head=pooled")
    return load_network(network, source, key=key, **{name: value for name, _, value in pairs})


def _rate_of(sounds: list[Path] | None, table: Path | None) -> int:
    """Rate of most of the recordings, Hz."""
    if table is not None:
        from phonoscope.corpora import read_tokens
        from phonoscope.experiments.material import rate_of

        return rate_of(read_tokens(table))
    from phonoscope.filters.sounds import usual_rate

    return usual_rate(sounds or [])


def _before_training(model: Any, source: str, trust_imports: bool, key: str | None, said: dict[str, Any]) -> Any:
    """The same classifier or network with the weights that its training began from."""
    from copy import deepcopy

    from phonoscope.classifier import Classifier
    from phonoscope.models.loading import load_weights
    from phonoscope.networks.checkpoints import fill, is_weights, read_checkpoint
    from phonoscope.networks.outside import Outside

    if not is_weights(source):
        rate = getattr(model, "sample_rate", None)
        return load_weights(source, trust_imports=trust_imports, rate=rate, **said)
    before, state = deepcopy(model), read_checkpoint(source, key)
    network = before.network if isinstance(before, Classifier) else before
    if isinstance(network, Outside) and not all(name in network.state_dict() for name in state):
        network = network.model  # the weights of a model from elsewhere, as whoever trained it saved them
    fill(network, state, "that was trained")
    return before


def _sounds_of(sounds: list[Path] | None, table: Path | None, rate: int, formants: bool, strict: bool) -> Any:
    """Waveforms, their tokens, and the formants of the vowels among them if they are asked for."""
    if table is None:
        from phonoscope.filters import read_recordings

        return *read_recordings(sounds or [], rate, strict=strict), None
    from phonoscope.audio import cut
    from phonoscope.corpora import read_tokens
    from phonoscope.experiments.material import CONTEXT_SECONDS, Material, measure_formants

    wide, tokens = cut(read_tokens(table), rate, context_seconds=CONTEXT_SECONDS, strict=strict)
    material = Material(tokens, wide, round(CONTEXT_SECONDS * rate), rate)
    return material.waveforms, tokens, measure_formants(material)[0] if formants else None
