"""``phonoscope filters`` from end to end: a corpus, its token table, a classifier that says how it began."""

import json

import pandas as pd
import pytest
import torch

from phonoscope.classifier import Classifier
from phonoscope.filters.initial import initial_note
from phonoscope.frontends import Waveform


@pytest.fixture(scope="module")
def table(talkers, phonoscope, tmp_path_factory):
    """Token table of the vowels of twelve talkers, four tokens a class and more."""
    path = tmp_path_factory.mktemp("tokens") / "vowels.parquet"
    answer = phonoscope("tokens", talkers, "--out", path, "--classes", "vowels", "--max-per-class", 8)
    assert answer.status == 0, answer.err
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    torch.manual_seed(3)
    made = Classifier.build(Waveform(16000, 0.1), "sub-segmental", ["i", "ɑ"], head="pooled")
    made.notes["initial"] = initial_note(made.network, 3)
    with torch.no_grad():
        made.network.layer1.convolution.branches[0].weight.mul_(0.5).add_(0.05)
    return made.save_pretrained(tmp_path_factory.mktemp("classifier") / "made")


def test_a_token_table_goes_through_a_classifiers_first_layer(table, classifier, phonoscope, tmp_path):
    out = tmp_path / "out"
    options = ("--null-seeds", 4, "--initial", "--formants", "--rotation", "none")
    answer = phonoscope("filters", classifier, "--tokens", table, "--out", out, *options, "--json")
    assert answer.status == 0, answer.err
    tokens = pd.read_parquet(table)
    assert answer.json["tokens"] == len(tokens)
    assert answer.json["unit"] == "speaker"
    curves = pd.read_csv(out / "crs.csv")
    assert set(curves["label"]) == set(tokens["label"])
    assert curves["moved"].abs().max() > 1  # dB: the weights were changed, at low frequencies most
    lowest = curves[curves["frequency"] < 200].groupby("label")["moved"].max()
    assert (lowest > curves.groupby("label")["moved"].median()).all()
    shares = pd.read_csv(out / "formant_shares.csv")
    assert set(shares["formant"]) >= {"F1", "F2", "F3", "F1–F3"}
    whole = shares[(shares["label"] == "all") & (shares["null"] == "run")].set_index("formant")
    assert whole.loc["F1", "n"] <= len(tokens)
    for formant in ("F1", "F2", "F3"):
        row = whole.loc[formant]
        assert 0 < row["area"] < row["energy"] < 1  # the plain spectrum has its energy in the formants
        assert row["random_low"] <= row["random"] <= row["random_high"]
    assert json.loads((out / "summary.json").read_text(encoding="utf-8"))["by"] == "label"
    assert not list(out.glob("rotation*"))


def test_curves_of_speakers(table, classifier, phonoscope, tmp_path):
    out = tmp_path / "out"
    options = ("--by", "speaker", "--null-seeds", 3, "--rotation", "none")
    answer = phonoscope("filters", classifier, "--tokens", table, "--out", out, *options)
    assert answer.status == 0, answer.err
    tokens = pd.read_parquet(table)
    curves = pd.read_csv(out / "crs.csv", dtype={"label": str})
    assert curves.groupby("label")["n"].first().to_dict() == tokens.groupby("speaker").size().to_dict()
    assert "moved" not in curves


def test_recordings_and_folders_are_taken_as_they_are(talkers, classifier, phonoscope, tmp_path):
    sounds = sorted(talkers.rglob("*.wav"))[:3]
    options = ("--null-seeds", 3, "--rotation", "none", "--json")
    answer = phonoscope("filters", classifier, *sounds, "--out", tmp_path / "out", *options)
    assert answer.status == 0, answer.err
    assert answer.json["tokens"] == 3
    assert answer.json["by"] == "label"  # the folder of each recording


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give recordings"),
        (("--tokens", "TABLE", "SOUNDS"), "not both"),
        (("SOUNDS", "--formants"), "give --tokens"),
        (("SOUNDS", "--rotation", "avi"), "gif, mp4, html"),
        (("SOUNDS", "--by", "speaker"), "speaker is known"),
        (("SOUNDS", "--by", "moon"), "label, speaker"),
        (("SOUNDS", "--option", "head=flat"), "--option applies to the network"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, says, table, talkers, classifier, phonoscope, tmp_path):
    given = [{"TABLE": table, "SOUNDS": sorted(talkers.rglob("*.wav"))[0]}.get(a, a) for a in arguments]
    answer = phonoscope("filters", classifier, *given, "--out", tmp_path / "out", "--null-seeds", 3)
    assert says in " ".join(answer.err.split())
    assert answer.status != 0
    assert not (tmp_path / "out").exists()


def test_a_classifier_that_does_not_say_how_it_began(classifier, talkers, phonoscope, tmp_path):
    made = Classifier.from_pretrained(classifier)
    made.notes.clear()
    silent = made.save_pretrained(tmp_path / "silent")
    sound = sorted(talkers.rglob("*.wav"))[0]
    answer = phonoscope("filters", silent, sound, "--initial", "--out", tmp_path / "out", "--null-seeds", 3)
    assert answer.status != 0
    assert "does not say from which weights" in " ".join(answer.err.split())


def test_the_weights_before_training_come_from_a_file_or_a_folder(classifier, talkers, phonoscope, tmp_path):
    began = Classifier.from_pretrained(classifier)
    with torch.no_grad():
        began.network.layer1.convolution.branches[0].weight.sub_(0.05).div_(0.5)
    folder = began.save_pretrained(tmp_path / "began")
    file = tmp_path / "began.pt"
    torch.save({"step": 0, "model_state": began.network.state_dict()}, file)
    sound = sorted(talkers.rglob("*.wav"))[0]
    moved = []
    for number, options in enumerate((("--initial",), ("--initial-weights", folder), ("--initial-weights", file))):
        out = tmp_path / str(number)
        options = (*options, "--rotation", "none", "--null-seeds", 3)
        answer = phonoscope("filters", classifier, sound, *options, "--out", out)
        assert answer.status == 0, answer.err
        assert "random layers: free filters" in answer.out
        moved.append(pd.read_csv(out / "crs.csv")["moved"])
    assert moved[0].abs().max() > 1
    for other in moved[1:]:
        assert (other - moved[0]).abs().max() < 1e-3
    wrong = phonoscope("filters", classifier, sound, "--initial-weights", file, "--key", "ema", "--out", tmp_path / "x")
    assert "model_state" in wrong.err
    both = phonoscope("filters", classifier, sound, "--initial", "--initial-weights", file, "--out", tmp_path / "x")
    assert "give one of them" in " ".join(both.err.split())


def test_a_weights_file_asks_for_its_network(classifier, talkers, phonoscope, tmp_path):
    sound = sorted(talkers.rglob("*.wav"))[0]
    answer = phonoscope("filters", classifier / "model.safetensors", sound, "--out", tmp_path / "out")
    said = " ".join(answer.err.split())
    assert answer.status != 0
    assert "--network" in said
    assert "there is no folder" not in said


def test_geometry_asks_before_it_imports_and_says_how_to_agree(phonoscope, tmp_path):
    made = Classifier.build(Waveform(16000, 0.1), "phonoscope.networks.raw_waveform:sub_segmental", ["a", "b"])
    folder = made.save_pretrained(tmp_path / "imported")
    refused = phonoscope("geometry", folder, "--null-draws", 0)
    assert refused.status != 0
    assert "--trust-imports" in refused.err
    agreed = phonoscope("geometry", folder, "--null-draws", 0, "--trust-imports", "--json")
    assert agreed.status == 0, agreed.err
