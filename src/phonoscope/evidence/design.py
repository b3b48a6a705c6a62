"""What the truth benchmark runs: a balanced fraction of pairs of cues × networks × front ends × seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from phonoscope.errors import ExperimentError
from phonoscope.evidence.causal import FRONT_ENDS, GRADES, ON_WAVEFORMS, USES
from phonoscope.evidence.pairs import PAIRS

NETWORKS = ("compact", "compact-local", "resnet-small", "patch-transformer", "sub-segmental")
SEEDS = 3
WAVEFORM = "waveform"  # front end of networks that see no picture
_DISTANCES = 3  # of each pair
# Method as `explain` takes it. Draws, masks and steps are cut to what does not change a score.
METHODS = (
    "joined(integrated-gradients(steps=8))",
    "integrated-gradients(steps=8)",
    "expected-gradients(samples=16)",
    "band-occlusion",
    "occlusion",
    "band-stop",
    "band-stop(fill=mean)",
    "gradient-x-input",
    "gradient",
    "cam",
    "grad-cam",
    "layer-cam",
    "integrated-gradients(baseline=floor, steps=8)",
    "smooth(gradient, samples=8)",
    "captum:deep-lift",
    "rise(masks=64)",
    "score-cam",
)
QUICK_METHODS = (*METHODS[:5], METHODS[6], *METHODS[8:10])


@dataclass(frozen=True)
class Sizes:
    """How many tokens are trained on, tested and explained for each network, and with how many epochs."""

    n_train: int = 300
    n_test: int = 72
    n_explained: int = 12
    epochs: tuple[int, ...] = (10, 25)


FULL, QUICK = Sizes(), Sizes(n_test=48, n_explained=8)


@dataclass(frozen=True)
class Block:
    """Networks of one kind for one pair of cues: they share the corpora, and differ in how much they use each cue.

    Where a block is `measured`, methods are also judged by the measures that need no planted truth.
    """

    pair: str
    network: str
    front_end: str
    seed: int
    uses: tuple[str, ...]
    measured: bool = False

    @property
    def name(self) -> str:
        """Name of the file in which its result is kept."""
        kind = "which" if set(self.uses) <= set(USES) else "how-much"
        pair = self.pair.replace(" + ", "-").replace(", ", "-").replace(" ", "")
        return f"{kind}_{pair}_{self.network}_{self.front_end}_{self.seed}"

    def facts(self) -> dict[str, Any]:
        """All fields, as JSON values."""
        return {**asdict(self), "uses": list(self.uses)}


def full_design() -> list[Block]:
    """All blocks; the first so many of them are a smaller design of much the same balance.

    Each of five rounds meets every pair at every distance, the goal's first, each time with another network, front end
    and seed. In four of them, networks that use both cues follow at the distance of the goal, or at the largest.
    """
    keys = [list(PAIRS)[distance::_DISTANCES] for distance in (1, 2, 0)]
    blocks: list[Block] = []
    for turn in range(len(NETWORKS)):
        goal, far, near = ([_block(key, turn, tuple(USES)) for key in part] for part in keys)
        graded = [_block(key, turn, tuple(GRADES)) for key in keys[turn % 2]] if turn < 4 else []
        blocks += [*goal, *graded, *far, *near]
    return blocks


def quick_design() -> list[Block]:
    """Eight pairs at the largest distance with a small network, and one of them used to graded parts."""
    keys = list(PAIRS)[_DISTANCES - 1 :: _DISTANCES]
    small = ("compact", "resnet-small")
    chosen = [key for key in keys if "f0" not in key and "hum" not in key][:8]
    blocks = [Block(key, small[k % 2], list(FRONT_ENDS)[k // 2 % 2], 0, tuple(USES)) for k, key in enumerate(chosen)]
    return [*blocks, Block("f2 + noise, 2500 Hz", "compact", "full-scale", 0, ("4:1", "1:1", "1:4"))]


def select(blocks: Sequence[Block], cues: Sequence[str] = (), networks: Sequence[str] = ()) -> list[Block]:
    """Blocks of some of the cues or networks only.

    Parameters
    ----------
    blocks
        From `full_design` or `quick_design`.
    cues
        A pair is kept if it has one of these; all if none is given.
    networks
        Names among `NETWORKS`; all if none is given.

    Raises
    ------
    ExperimentError
        If a name is not known, or nothing is left.
    """
    known = {cue.name for pair in PAIRS.values() for cue in pair.cues}
    for what, names, choices in (("cue", cues, sorted(known)), ("network", networks, NETWORKS)):
        if strange := [name for name in names if name not in choices]:
            raise ExperimentError(f"there is no {what} {', '.join(strange)} here; choose among {', '.join(choices)}")
    kept = [
        block
        for block in blocks
        if (not cues or set(cues) & {cue.name for cue in PAIRS[block.pair].cues})
        and (not networks or block.network in networks)
    ]
    if not kept:
        raise ExperimentError("no part of the design has both one of these cues and one of these networks")
    return kept


def _block(key: str, turn: int, uses: tuple[str, ...]) -> Block:
    number = list(PAIRS).index(key)
    family = number // _DISTANCES
    network = NETWORKS[(number + family + turn) % len(NETWORKS)]
    front_end = WAVEFORM if network in ON_WAVEFORMS else list(FRONT_ENDS)[(number + turn) % len(FRONT_ENDS)]
    measured = uses == tuple(USES) and (number + turn) % _DISTANCES == 0
    return Block(key, network, front_end, (family + turn) % SEEDS, uses, measured)
