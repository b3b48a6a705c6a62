"""The classifiers of a run carry what stands for their training tokens; those of older runs are given it."""

import shutil

import numpy as np

from phonoscope import Classifier, explain
from phonoscope.classifier import REFERENCE_NAME
from phonoscope.experiments.explaining import explain_run
from phonoscope.experiments.folder import Run
from phonoscope.experiments.held_out import held_out, load_classifier, run_identity


def test_every_classifier_of_a_run_carries_its_own_training_tokens(finished):
    run = Run(finished[0])
    folders = sorted((run.folder / "folds").iterdir())
    for folder in folders:
        reference = Classifier.from_pretrained(folder / "classifier").reference
        assert reference.source == "training tokens"
        tested = run.tokens["fold"].eq(int(folder.name)).sum()
        assert 0 < reference.counts.sum() < len(run.tokens) - tested
    assert len(folders) > 1


def test_classifiers_of_older_runs_are_given_theirs_from_the_recordings(finished, talkers, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(finished[0], old)
    for path in old.rglob(REFERENCE_NAME):
        path.unlink()
    run = Run(old)
    assert run_identity(run) != run_identity(Run(finished[0]))
    part = next(held_out(run, only=run.tokens["token"].to_numpy()[:5]))
    assert part.classifier.reference.counts.sum() <= 128
    maps = explain(part.classifier, part.waveforms, **part.known)
    assert maps.attrs["reference"] == "training tokens"
    run.tokens.attrs["roots"] = {name: str(tmp_path / "gone") for name in run.tokens.attrs["roots"]}
    assert load_classifier(run, None).reference is None


def test_maps_of_a_run_are_those_of_its_tokens_alone(finished, tmp_path):
    made = explain_run(finished[0], tmp_path / "maps", method="integrated-gradients", target="i-er")
    assert made.head.attrs["reference"] == "training tokens"
    part = next(held_out(Run(finished[0])))
    alone = explain(part.classifier, part.waveforms[0], ["i"], context_seconds=part.context_seconds)
    assert np.abs(alone.values).max() > 0
