"""Commands that make maps: ``explain``, and ``methods``, which lists what can make them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import (
    AsJson,
    Device,
    Engine,
    Gpus,
    Jobs,
    Seed,
    Trust,
    chosen_engine,
    said_of,
    taking_a_model,
)
from phonoscope.cli.terminal import counter, print_json, say
from phonoscope.errors import PhonoscopeError
from phonoscope.left_out import left_out_line


@taking_a_model(before="seed")
def explain(
    source: Annotated[
        str, typer.Argument(metavar="RUN|MODEL", help="A run folder, or any model as of check (with --tokens).")
    ],
    out: Annotated[Path, typer.Option(help="Folder for the maps.")],
    method: Annotated[
        str, typer.Option(help="integrated-gradients, band-stop, cam, smooth(gradient) …; see `phonoscope methods`.")
    ] = "integrated-gradients",
    target: Annotated[str, typer.Option(help="true, predicted, a class (i, er …), or a contrast (i-er).")] = "true",
    layer: Annotated[str | None, typer.Option(help="Layer of the network, for methods that make maps of one.")] = None,
    table: Annotated[
        Path | None,
        typer.Option("--tokens", help="Token table, or folder of tokens with sound, to explain with a classifier."),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    engine: Engine = "local",
    jobs: Jobs = None,
    gpus: Gpus = 0.0,
    trust_imports: Trust = False,
    as_json: AsJson = False,
    **said: Any,
) -> None:
    """Make maps in Hz and s of what a classifier listens to, and store them with their coordinates.

    Example: phonoscope explain runs/lj --method integrated-gradients --target i-er --out maps
    """
    from phonoscope.attribution.maps import describe_cells
    from phonoscope.attribution.method_spec import at_layer
    from phonoscope.experiments.explaining import explain_run, explain_tokens

    options: dict[str, Any] = {
        "method": at_layer(method, layer),
        "target": target,
        "seed": seed,
        "trust_imports": trust_imports,
        "device": device,
        "executor": chosen_engine(engine, jobs, gpus),
        "progress": counter("tokens"),
    }
    known = said_of(said)
    if table is None:
        if known:
            raise PhonoscopeError(f"a run knows the {', '.join(known)} of its model itself: leave that out")
        made = explain_run(source, out, **options)
    else:
        made = explain_tokens(source, table, out, **options, **known)
    for entry in made.left_out:
        say(left_out_line(entry))
    typer.echo(f"{made.count} maps of {describe_cells(made.head)}")
    if made.worst is not None:
        typer.echo(f"{made.head.attrs['completeness']}: to {made.worst:.1e}")
    typer.echo(f"\nread  {source if table is None else table}\nwrote {out}")
    if as_json:
        facts = {**made.head.attrs, "max_incompleteness": made.worst, "left_out": made.left_out}
        print_json({"maps": out.as_posix(), "tokens": made.count, **facts})


def methods(as_json: AsJson = False) -> None:
    """List the methods that make maps, with their options.

    Example: phonoscope methods
    """
    from phonoscope.attribution.registry import METHODS, WRAPPER
    from phonoscope.evidence.planted_scores import planted_words

    for method in METHODS.values():
        options = ", ".join(f"{name}={value}" for name, value in method.options.items())
        inner = "METHOD, " if method.family == WRAPPER else ""
        words = planted_words(method.name)
        known = f"; where the truth was planted: {words}" if words else ""
        typer.echo(f"{method.name}({inner}{options})" if options else method.name)
        typer.echo(f"    {method.summary}{known}")
    if as_json:
        print_json(
            [{"name": m.name, "family": m.family, "summary": m.summary, "options": m.options} for m in METHODS.values()]
        )
