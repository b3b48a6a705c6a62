"""The command that asks a classifier for the input which one class likes best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from phonoscope.cli.options import AsJson, Seed, Trust
from phonoscope.cli.terminal import print_json


def maximise(
    run_folder: Annotated[Path, typer.Argument(help="A finished run of tokens.")],
    target: Annotated[str, typer.Option(help="A class (i, er …), or a contrast (i-er).")],
    out: Annotated[Path, typer.Option(help="Folder for the picture, the sounds and their logits.")],
    steps: Annotated[int, typer.Option(help="Steps of the ascent.")] = 200,
    count: Annotated[int, typer.Option(help="How many, from different starting points.")] = 3,
    seed: Seed = 0,
    trust_imports: Trust = False,
    as_json: AsJson = False,
) -> None:
    """Make the picture and the sound that a class likes best, within what speech looks and sounds like.

    Example: phonoscope maximise runs/lj --target i --out most-i
    """
    from phonoscope.tasks.phones.maximised import write_maximised

    facts = write_maximised(
        run_folder, out, target=target, steps=steps, count=count, seed=seed, trust_imports=trust_imports
    )
    for made in facts["made"]:
        typer.echo(
            f"{made['file']}: logit {made['logit_before']:.1f} → {made['logit_after']:.1f} "
            f"(highest of the reference tokens {made['highest_reference']:.1f})"
        )
    typer.echo(f"\nread  {run_folder}\nwrote {out}")
    if as_json:
        print_json(facts)
