"""Classifiers: what is saved comes back, what cannot be loaded is named, and no code runs unasked."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from phonoscope import Classifier, Spectrogram, Waveform
from phonoscope.classifier import prediction_table
from phonoscope.errors import ClassifierError

LABELS = ["i", "ɝ", "u"]


@pytest.fixture
def classifier():
    torch.manual_seed(0)
    made = Classifier.build(Spectrogram(8000, 3000, rows=16, columns=8), "compact", LABELS, plan="local")
    made.input_mean, made.input_sd, made.notes = -30.0, 12.5, {"seed": 3}
    for module in made.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, 0, 0.2)
    return made


@pytest.fixture
def waveforms():
    random = np.random.default_rng(1)
    return [random.normal(size=n) * 0.1 for n in (200, 500, 90, 333, 20)]


def test_a_saved_classifier_answers_the_same(classifier, waveforms, tmp_path):
    classifier.save_pretrained(tmp_path / "saved")
    assert sorted(p.name for p in (tmp_path / "saved").iterdir()) == ["config.json", "model.safetensors"]
    again = Classifier.from_pretrained(tmp_path / "saved")
    assert np.array_equal(again.logits(waveforms), classifier.logits(waveforms))
    assert again.config() == classifier.config()
    assert again.labels == LABELS
    assert again.sample_rate == 8000
    assert not again.training


def test_weights_in_another_memory_layout_and_tied_weights_are_saved(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(32, 32)
            self.b = nn.Linear(32, 32)
            self.b.weight = self.a.weight
            self.fc = nn.Linear(32, 3)

        def forward(self, x):
            return self.fc(self.b(self.a(x[:, 0])))

    torch.manual_seed(1)
    classifier = Classifier(Waveform(8000, 0.004), Tied(), LABELS)
    x = [np.arange(40.0)]
    classifier.save_pretrained(tmp_path)
    again = Classifier.from_pretrained(tmp_path, network=Tied())
    assert np.array_equal(again.logits(x), classifier.logits(x))


def test_logits_do_not_depend_on_batches_order_or_mode(classifier, waveforms):
    logits = classifier.logits(waveforms)
    assert logits.shape == (5, 3)
    for size in (1, 2, 64):
        assert classifier.logits(waveforms, batch_size=size) == pytest.approx(logits, abs=1e-5)
    assert classifier.logits(waveforms[::-1])[::-1] == pytest.approx(logits, abs=1e-5)
    classifier.train()
    assert classifier.logits(waveforms) == pytest.approx(logits, abs=1e-5)
    assert classifier.training
    assert classifier.network.features[1].num_batches_tracked == 0
    assert classifier.logits([]).shape == (0, 3)


def test_forward_standardises_the_front_end(classifier, waveforms):
    wave = torch.as_tensor(waveforms[0], dtype=torch.float32)[None]
    classifier.eval()
    expected = classifier.network((classifier.front_end(wave) + 30.0) / 12.5)
    assert torch.equal(classifier(wave), expected)


def test_predictions_are_probabilities_and_names(classifier, waveforms):
    table = classifier.predict(waveforms)
    assert list(table.columns) == ["predicted", "p_i", "p_ɝ", "p_u"]
    values = table.drop(columns="predicted").to_numpy()
    assert values.sum(1) == pytest.approx(np.ones(5))
    assert table["predicted"].tolist() == [LABELS[i] for i in values.argmax(1)]
    huge = prediction_table(np.array([[1e4, 0.0, -1e4]]), LABELS)
    assert huge.iloc[0].tolist() == ["i", 1.0, 0.0, 0.0]
    assert list(prediction_table(np.zeros((0, 3)), LABELS).columns) == list(table.columns)


def test_classes_are_found_by_name_and_alias(classifier):
    assert classifier.index_of("ɝ") == classifier.index_of("er") == 1
    with pytest.raises(ClassifierError, match="no class 'ae'; it has: i, ɝ, u"):
        classifier.index_of("ae")
    with pytest.raises(ClassifierError, match="no class 'banana'"):
        classifier.index_of("banana")
    voiced = Classifier(classifier.front_end, classifier.network, ["voiced", "unvoiced", "er"])
    assert voiced.index_of("voiced") == 0
    assert voiced.index_of("er") == 2  # a class of its own name goes before the alias


@pytest.mark.parametrize("labels", [["a"], [], ["a", "b", "a"]])
def test_labels_must_be_two_or_more_and_different(classifier, labels):
    with pytest.raises(ClassifierError, match="different labels"):
        Classifier(classifier.front_end, classifier.network, labels)


def test_imports_happen_only_when_trusted(tmp_path, monkeypatch, waveforms):
    (tmp_path / "lab_net.py").write_text(
        "from torch import nn\nfrom pathlib import Path\n"
        f"Path({str(tmp_path / 'ran')!r}).touch()\n"
        "def net(n_classes):\n    return nn.Sequential(nn.Flatten(), nn.Linear(128, n_classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    classifier = Classifier.build(Spectrogram(8000, rows=16, columns=8), "lab_net:net", LABELS)
    classifier.save_pretrained(tmp_path / "saved")
    del sys.modules["lab_net"]
    (tmp_path / "ran").unlink()
    with pytest.raises(ClassifierError, match="trust_imports=True"):
        Classifier.from_pretrained(tmp_path / "saved")
    assert not (tmp_path / "ran").exists()
    again = Classifier.from_pretrained(tmp_path / "saved", trust_imports=True)
    assert (tmp_path / "ran").exists()
    assert np.array_equal(again.logits(waveforms), classifier.logits(waveforms))
    given = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    passed = Classifier.from_pretrained(tmp_path / "saved", network=given)
    assert np.array_equal(passed.logits(waveforms), classifier.logits(waveforms))


def test_a_front_end_is_not_imported_by_a_file(classifier, tmp_path):
    folder = classifier.save_pretrained(tmp_path)
    damage(lambda c: c["front_end"].update(kind="lab_front:Front"))(folder)
    with pytest.raises(ClassifierError, match=r"asks to import its front end from 'lab_front:Front'.*trust_imports"):
        Classifier.from_pretrained(folder)


def test_state_is_loaded_into_a_built_classifier_without_any_import(tmp_path, waveforms):
    """Whatever the folder says of its network, the code that runs is the one that was built."""

    def built(**front):
        network = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
        return Classifier(Spectrogram(8000, rows=16, columns=8, **front), network, LABELS)

    trained = built()
    trained.input_mean, trained.input_sd, trained.notes = -30.0, 12.5, {"seed": 3}
    trained.keep_reference(waveforms, ["i", "ɝ", "u", "i", "u"])
    folder = trained.save_pretrained(tmp_path)
    damage(lambda c: c["network"].update(name="os:abort"))(folder)
    again = built()
    again.load_state(folder)
    assert np.array_equal(again.logits(waveforms), trained.logits(waveforms))
    assert (again.notes, again.input_sd) == ({"seed": 3}, 12.5)
    assert again.reference.counts.tolist() == [2, 1, 2]
    with pytest.raises(ClassifierError, match="front_end"):
        built(range_db=50.0).load_state(folder)
    damage(lambda c: c["front_end"].pop("without_hz"))(folder)  # as an older version wrote it
    again.load_state(folder)
    damage(lambda c: c.update(labels=["i", "u", "ɝ"]))(folder)
    with pytest.raises(ClassifierError, match="labels"):
        again.load_state(folder)
    assert again.labels == LABELS


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(classifier, tmp_path, value):
    expected = {k: v.clone() for k, v in classifier.network.state_dict().items()}
    folder = classifier.save_pretrained(tmp_path)
    state = load_file(folder / "model.safetensors")
    name = next(name for name in state if name.endswith("weight"))
    state[name][..., 0] = value
    save_file(state, folder / "model.safetensors")
    with pytest.raises(ClassifierError, match=f"not finite .{name}"):
        classifier.load_state(folder)
    assert all(torch.equal(v, expected[k]) for k, v in classifier.network.state_dict().items())


def test_a_network_without_a_name_must_be_passed(classifier, tmp_path):
    Classifier(classifier.front_end, classifier.network, LABELS).save_pretrained(tmp_path)
    with pytest.raises(ClassifierError, match="network="):
        Classifier.from_pretrained(tmp_path)


def damage(change):
    def apply(folder):
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        change(config)
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    return apply


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda f: (f / "config.json").unlink(), "not a saved classifier"),
        (lambda f: (f / "config.json").write_text("{"), "not a saved classifier"),
        (lambda f: (f / "config.json").write_text("[1, 2]"), "not a saved classifier"),
        (damage(lambda c: c.pop("labels")), "labels"),
        (damage(lambda c: c.pop("input_mean")), "input_mean"),
        (damage(lambda c: c.update(input_sd="wide")), "wide"),
        (damage(lambda c: c["front_end"].pop("kind")), "kind"),
        (damage(lambda c: c["front_end"].update(colour="red")), "colour"),
        (damage(lambda c: c["network"].update(options={"depth": 3})), "options"),
        (damage(lambda c: c.update(labels=["a", "b"])), "do not fit"),
        (damage(lambda c: c["network"].update(name="resnet18", options={})), "do not fit"),
        (lambda f: (f / "model.safetensors").unlink(), "cannot be read"),
        (lambda f: (f / "model.safetensors").write_bytes(b"\x00" * 40), "cannot be read"),
        (lambda f: (f / "model.safetensors").write_bytes((f / "model.safetensors").read_bytes()[:-100]), "be read"),
    ],
)
def test_broken_folders_are_named(classifier, tmp_path, break_it, says):
    folder = classifier.save_pretrained(tmp_path / "saved")
    break_it(folder)
    with pytest.raises(ClassifierError, match=says) as caught:
        Classifier.from_pretrained(folder)
    assert str(folder) in str(caught.value) or says in ("options", "colour")


def test_a_mistyped_path_is_not_looked_up_on_the_network(tmp_path, monkeypatch):
    def asked(*args, **kwargs):
        raise AssertionError("the network was asked")

    hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(hub, "snapshot_download", asked)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    for source in ("runs/vowel", tmp_path / "absent", "./absent", "../absent", "absent", "a/b/c"):
        with pytest.raises(ClassifierError, match="no folder"):
            Classifier.from_pretrained(source)


def test_a_name_of_the_hub_is_fetched_as_weights_only(classifier, tmp_path, monkeypatch, waveforms):
    hub = pytest.importorskip("huggingface_hub")
    folder = classifier.save_pretrained(tmp_path / "hub")
    calls = []
    monkeypatch.setattr(hub, "snapshot_download", lambda name, **options: calls.append((name, options)) or str(folder))
    monkeypatch.chdir(tmp_path)
    again = Classifier.from_pretrained("lab/vowels")
    assert calls == [("lab/vowels", {"allow_patterns": ["config.json", "model.safetensors", "reference.safetensors"]})]
    assert np.array_equal(again.logits(waveforms), classifier.logits(waveforms))
