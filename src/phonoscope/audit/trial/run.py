"""Scenes audited: every model on the same exchanged sounds, one row a shortcut, beside what is true of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from phonoscope.audit.anatomy import Anatomy
from phonoscope.audit.battery import Item, Recordings, findings_table, tell
from phonoscope.audit.shortcuts import SHORTCUTS
from phonoscope.audit.trial.data_only import background_auc, metadata_auc
from phonoscope.audit.trial.listeners import LABELS
from phonoscope.audit.trial.scenes import Scene, Stage, is_used
from phonoscope.audit.using import SMALLEST_EFFECT, Pairs, choose_pairs, compare, exchange
from phonoscope.errors import AuditError
from phonoscope.files import to_json, write_json
from phonoscope.judgement.intervals import Interval, mean_interval
from phonoscope.work.executor import spread_over
from phonoscope.work.units import complete

EDITION = 4
CASE = ("scene", "corpus", "planted", "auc_planted", "varied", "spoken", "listener", "taught", "deaf", "accuracy")
FOUND = (
    "shortcut", "true_effect", "true_low", "true_high", "truly_used", "in_data", "auc", "auc_low", "auc_high", "used",
    "difference", "difference_low", "difference_high", "reacts", "finding",
)  # fmt: skip
COLUMNS = (*CASE, *FOUND, "background_auc", "background_low", "metadata_auc", "metadata_low", "seconds")
_DECIMALS = 4


def run_trial(
    scenes: Sequence[Scene],
    *,
    folder: Path | None = None,
    jobs: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> pd.DataFrame:
    """Audit the models of all scenes; what is done already is not done again.

    Parameters
    ----------
    scenes
        See `phonoscope.audit.trial.design`.
    folder
        Where the rows of each scene are kept, and found again; nothing is kept without it.
    jobs
        Processes.
    progress
        Called with the scenes done and their total.

    Returns
    -------
    DataFrame
        One row a model and shortcut, with `COLUMNS`. ``true_effect`` (log odds) with its interval and ``truly_used``
        are of what was planted; ``seconds`` is CPU time of the scene, over its models.

    Raises
    ------
    AuditError
        If there is no scene, or one stands twice.
    """
    if not scenes or len({scene.name for scene in scenes}) < len(scenes):
        raise AuditError("the design is empty, or names a scene twice")
    with TemporaryDirectory() as scratch:
        kept = Path(scratch) if folder is None else folder
        rows: list[dict[str, Any]] = []
        is_done, do = partial(_is_done, folder=kept), partial(_do, folder=kept)
        for done, scene in enumerate(complete(scenes, is_done, do, spread_over(jobs)), 1):
            rows += _kept(kept, scene) or []
            if progress is not None:
                progress(done, len(scenes))
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    return table.sort_values(["scene", "taught", "deaf", "listener"], kind="stable", ignore_index=True).round(_DECIMALS)


def _facts(scene: Scene) -> dict[str, Any]:
    return json.loads(to_json({"edition": EDITION, **scene.facts()}))


def _kept(folder: Path, scene: Scene) -> list[dict[str, Any]] | None:
    try:
        kept = json.loads((folder / f"{scene.name}.json").read_text(encoding="utf-8"))
        return kept["rows"] if kept["facts"] == _facts(scene) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_done(scene: Scene, folder: Path) -> bool:
    return _kept(folder, scene) is not None


def _do(scene: Scene, folder: Path) -> None:
    import torch

    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{scene.name}.json", {"facts": _facts(scene), "rows": run_scene(scene)})


def run_scene(scene: Scene, shortcuts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Train the models of a scene, audit them, and plant anew to know what each uses.

    Parameters
    ----------
    scene
        Which.
    shortcuts
        That are looked for; all by default.
    """
    began = time.process_time()
    stage = Stage(scene)
    models = list(stage.models())

    def answer(sounds: Sequence[np.ndarray]) -> np.ndarray:
        odds = np.stack([model.answers(sounds) for model in models])
        return np.stack([-odds, odds], axis=-1)

    sounds = stage.recordings()
    speakers = [str(each) for each in stage.speakers[stage.audited]]
    clusters = pd.DataFrame({"speaker": speakers, "recording": stage.audited.astype(str)})
    recordings = Recordings([Anatomy(each, stage.rate) for each in sounds], stage.labels, clusters)
    before = answer([each.astype(np.float32) for each in sounds])
    items = audit_models(recordings, before, answer, scene.seed, shortcuts)
    truths = _truths(stage, len(models), answer, clusters)
    data, meta = (np.nan, np.nan), (np.nan, np.nan)
    if scene.planted:
        data = background_auc(sounds, stage.rate, stage.labels, speakers, scene.seed)
        meta = metadata_auc(sounds, stage.rate, stage.labels, speakers, scene.seed)
    shared = {
        "scene": scene.name, "corpus": Path(scene.corpus).name, "planted": "+".join(scene.planted),
        "auc_planted": scene.auc if scene.planted else np.nan, "varied": scene.varied, "spoken": scene.spoken,
        "background_auc": data[0], "background_low": data[1], "metadata_auc": meta[0], "metadata_low": meta[1],
    }  # fmt: skip
    codes = np.array([LABELS.index(label) for label in stage.labels])
    rows = []
    for m, model in enumerate(models):
        own = {"listener": model.listener, "taught": model.taught, "deaf": model.deaf}
        own["accuracy"] = float((before[m].argmax(axis=1) == codes).mean())
        for found in findings_table(items[m]).to_dict("records"):
            truth = truths[m].get(found["shortcut"])
            true = {} if truth is None else {
                "true_effect": truth.estimate, "true_low": truth.low, "true_high": truth.high,
                "truly_used": is_used(truth, SMALLEST_EFFECT),
            }  # fmt: skip
            rows.append({**shared, **own, **{str(k): v for k, v in found.items() if k in FOUND}, **true})
    seconds = (time.process_time() - began) / len(models)
    return [{**row, "seconds": seconds} for row in rows]


def audit_models(
    recordings: Recordings,
    before: np.ndarray,
    answer: Callable[..., np.ndarray],
    seed: int,
    shortcuts: Sequence[str] = (),
) -> list[list[Item]]:
    """Audit several models that tell two classes at once, on the same exchanged sounds; the items of each.

    Parameters
    ----------
    recordings
        Of two classes.
    before : array (model, recording, label)
        Log odds of the recordings as they are.
    answer
        Sounds → log odds (model, sound, label).
    seed
        Of folds, shuffles and donors.
    shortcuts
        Names; all by default.
    """
    codes = pd.factorize(np.asarray(recordings.classes, dtype=object), sort=True)[0]
    items: list[list[Item]] = [[] for _ in before]
    for shortcut in (SHORTCUTS[name] for name in shortcuts or SHORTCUTS):
        told, means = tell(shortcut, recordings, seed)
        pairs = choose_pairs(told.scores, codes, np.zeros_like(codes), seed)
        after = exchange(shortcut, recordings.anatomies, pairs, answer, seed=seed)
        for m, one in enumerate(before):
            predicted = one.argmax(axis=1)
            swapped, changed = _from_the_answer(pairs, after[:, m], predicted)
            found = compare(one[None], changed[:, None], swapped, predicted, recordings.clusters)
            items[m].append(Item(shortcut, told, found, means))
    return items


def _from_the_answer(pairs: Pairs, after: np.ndarray, predicted: np.ndarray) -> tuple[Pairs, np.ndarray]:
    """Donors of the first and second class turned into donors of the answer's class and of the other."""
    second = predicted[pairs.recording] == 1
    own, other = np.where(second, pairs.other, pairs.own), np.where(second, pairs.own, pairs.other)
    return Pairs(pairs.recording, own, other), np.where(second[None, :, None], after[::-1], after)


def _truths(
    stage: Stage, count: int, answer: Callable[..., np.ndarray], clusters: pd.DataFrame
) -> list[dict[str, Interval]]:
    """What planting anew does to the answers of each model, by what is planted."""
    truths: list[dict[str, Interval]] = [{} for _ in range(count)]
    for kind in stage.kinds:
        first, second = (answer([each.astype(np.float32) for each in some]) for some in stage.replanted(kind))
        for m, true in enumerate(truths):  # what the answer B gains by the value of B, the answer A gains by that of A
            true[kind] = mean_interval(second[m, :, 1] - first[m, :, 1], clusters)
    return truths
