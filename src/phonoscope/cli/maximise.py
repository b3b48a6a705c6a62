"""The command that asks a classifier for the input which one class likes best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from phonoscope.cli.options import AsJson, Seed, Trust, said_of, taking_a_model
from phonoscope.cli.terminal import print_json


@taking_a_model(before="seed")
def maximise(
    source: Annotated[str, typer.Argument(metavar="RUN|MODEL", help="A finished run, or any model as of check.")],
    target: Annotated[str, typer.Option(help="A class (i, er …), or a contrast (i-er).")],
    out: Annotated[Path, typer.Option(help="Folder for the picture, the sounds and their logits.")],
    steps: Annotated[int, typer.Option(help="Steps of the ascent.")] = 200,
    count: Annotated[int, typer.Option(help="How many, from different starting points.")] = 3,
    table: Annotated[
        Path | None,
        typer.Option("--tokens", help="Token table of speech the model knows, if it carries no reference."),
    ] = None,
    seed: Seed = 0,
    trust_imports: Trust = False,
    as_json: AsJson = False,
    **said: Any,
) -> None:
    """Make the picture and the sound that a class likes best, within what speech looks and sounds like.

    Example: phonoscope maximise runs/lj --target i --out most-i
    """
    from phonoscope.tasks.phones.maximised import write_maximised

    facts = write_maximised(
        source,
        out,
        target=target,
        steps=steps,
        count=count,
        seed=seed,
        table=table,
        said=said_of(said),
        trust_imports=trust_imports,
    )
    for made in facts["made"]:
        typer.echo(
            f"{made['file']}: logit {made['logit_before']:.1f} → {made['logit_after']:.1f} "
            f"(highest of the reference tokens {made['highest_reference']:.1f})"
        )
    typer.echo(f"\nread  {source}\nwrote {out}")
    if as_json:
        print_json(facts)
