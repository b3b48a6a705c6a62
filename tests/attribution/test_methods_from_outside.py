"""A method of one's own in one file: by import path in Python, on the command line and in wrappers, and announced."""

import json
import subprocess
import sys
from importlib import metadata

import numpy as np
import pytest
import xarray as xr
from small_networks import Plain, build, waves
from typer.testing import CliRunner

from phonoscope import Classifier, Spectrogram, explain, read_corpus
from phonoscope.attribution import METHODS, Method, read_maps
from phonoscope.attribution.method_spec import at_layer
from phonoscope.attribution.registry import refuse_method_import
from phonoscope.cli import app
from phonoscope.corpora import write_tokens
from phonoscope.errors import AttributionError
from phonoscope.evidence.planted_scores import planted_words
from phonoscope.registry import Registry
from phonoscope.synthesis.corpus import write_corpus

TOY = '''
"""The energy of a token above a level: a toy method in one file."""

from phonoscope.attribution import Method
from phonoscope.attribution.maps import input_placement
from phonoscope.attribution.method import Attributed, Prepared, unpromised


def prepare(setting, *, above=0.0, sign=True):
    network = setting.classifier.network

    def function(batch):
        maps = (batch.inputs[:, 0] - above).clamp_min(0.0)
        logits = network(batch.inputs.clone()).detach()
        return Attributed(maps if sign else -maps, logits, unpromised(logits))

    return Prepared(function, input_placement(setting.classifier.front_end), units="1")


energy = Method("energy", "how loud each cell is", "input", prepare)
NOT_A_METHOD = 3
'''


@pytest.fixture
def toy(tmp_path, monkeypatch):
    (tmp_path / "toy_method.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "toy_method:energy"
    sys.modules.pop("toy_method", None)


def test_it_works_by_its_import_path_with_options_and_in_wrappers(toy):
    classifier, sounds = build(Plain, 2), waves(3)
    maps = explain(classifier, sounds, "i", toy)
    assert maps.attrs["method"] == toy
    inputs = np.concatenate([x.numpy() for _, x in classifier.batches(sounds)])[:, 0]
    assert maps.values == pytest.approx(np.maximum(inputs, 0), abs=1e-6)
    lower = explain(classifier, sounds, "i", f"{toy}(above=-1, sign=no)")
    assert lower.values == pytest.approx(-np.maximum(inputs + 1, 0), abs=1e-6)
    smooth = explain(classifier, sounds, "i", f"smooth({toy}, samples=2)")
    assert smooth.values.std() > 0
    with pytest.raises(AttributionError, match=r"has no option 'steps'; its options: above=0.0, sign=True"):
        explain(classifier, sounds, "i", f"{toy}(steps=3)")


def test_what_is_no_method_is_refused_in_words(toy):
    for path, says in (
        ("toy_method:NOT_A_METHOD", "is int, no method; expected a phonoscope.attribution.Method"),
        ("toy_method:absent", "cannot be imported"),
        ("no_such_toy:m", "cannot be imported"),
        ("enregy", "'enregy' is not known; choose one of integrated-gradients"),
        (f"{toy}(gradient)", "does not take another method"),
    ):
        with pytest.raises(AttributionError, match=says):
            explain(build(Plain, 2), waves(1), "i", path)


def test_a_file_or_a_request_needs_consent(toy):
    refuse_method_import("smooth(captum:deep-lift)", "recipe.toml", trust_imports=False)
    refuse_method_import(toy, "recipe.toml", trust_imports=True)
    with pytest.raises(AttributionError, match=r"recipe.toml asks to import its method .*--trust-imports"):
        refuse_method_import(f"smooth({toy}, samples=2)", "recipe.toml", trust_imports=False)
    assert "toy_method" not in sys.modules


def test_another_package_can_announce_it(toy, monkeypatch):
    monkeypatch.setattr(
        metadata,
        "entry_points",
        lambda group: [metadata.EntryPoint("energy", toy, group)] if "methods" in group else [],
    )
    announced = Registry("method", dict(METHODS), error=AttributionError)
    assert list(announced)[-1] == "energy"
    assert isinstance(announced["energy"], Method)


def test_the_command_line_explains_by_it_and_at_layers(toy, tmp_path):
    write_corpus(tmp_path / "corpus", talkers=2, repeats=1, consonants=(), sample_rate=16000)
    write_tokens(tmp_path / "tokens.parquet", read_corpus(tmp_path / "corpus", classes="i,u"))
    classifier = Classifier.build(Spectrogram(16000, rows=16, columns=8), "compact", ["i", "u"])
    folder = classifier.save_pretrained(tmp_path / "classifier")
    command = ["explain", str(folder), "--tokens", str(tmp_path / "tokens.parquet"), "--target", "i-u"]
    for options, method in (
        (["--method", toy], toy),
        (["--method", "grad-cam", "--layer", "features.1, features.4"], "grad-cam(layer=features.1+features.4)"),
    ):
        out = tmp_path / method[:4]
        result = CliRunner().invoke(app, [*command, *options, "--out", str(out), "--json"])
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout.splitlines()[-1])["method"] == method
        assert isinstance(read_maps(out), xr.DataArray)


def test_layers_in_words():
    assert at_layer("cam", None) == at_layer("cam", "") == "cam"
    assert at_layer("grad-cam(relu=yes)", "a, b") == "grad-cam(relu=yes, layer=a+b)"
    assert at_layer("smooth(grad-cam, samples=2)", "a") == "smooth(grad-cam(layer=a), samples=2)"


def test_methods_are_listed_without_torch():
    code = (
        "from phonoscope.cli import app\n"
        "from typer.testing import CliRunner\n"
        "import phonoscope, sys\n"
        "result = CliRunner().invoke(app, ['methods', '--json'])\n"
        "assert result.exit_code == 0, result.output\n"
        "assert len(phonoscope.methods()) == len(__import__('json').loads(result.stdout.splitlines()[-1]))\n"
        "print([m for m in ('torch', 'pandas', 'numpy', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_list_tells_what_a_method_was_worth_where_the_truth_was_planted():
    listed = CliRunner().invoke(app, ["methods"]).stdout
    assert planted_words("cam")
    assert f"where the truth was planted: {planted_words('cam')}\n" in listed
