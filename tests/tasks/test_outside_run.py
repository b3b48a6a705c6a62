"""Models that were trained elsewhere, on whole recordings: labels, tables, page, evidence, viewer."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import phonoscope as ps
from phonoscope.audio import write_audio
from phonoscope.errors import CorpusError, ExperimentError
from phonoscope.experiments.evidence_run import run_evidence
from phonoscope.experiments.folder import Run
from phonoscope.networks.outside.texts import CtcTexts
from phonoscope.tasks.figures import figure_of_run
from phonoscope.tasks.outside.sentences import belief_sentence, chosen_words
from phonoscope.tasks.reporting import write_report
from phonoscope.viewer.session import Session

RATE = 8000
BANDS = {"tief": (200, 600), "hoch": (1800, 2600)}  # Hz, of the noise that makes each class
SPEAKERS = 8


class TwoBands(torch.nn.Module):
    """Answers with the log energy of two bands, so that it is known what it listens to."""

    def __init__(self) -> None:
        super().__init__()
        taps = torch.arange(-128, 129) / RATE
        edges = torch.tensor(list(BANDS.values()), dtype=torch.float32)
        low, high = ((2 * f[:, None] / RATE) * torch.sinc(2 * f[:, None] * taps) for f in edges.T)
        self.register_buffer("filters", ((high - low) * torch.hann_window(257))[:, None])

    def forward(self, sounds):
        power = torch.nn.functional.conv1d(sounds[:, None], self.filters).square().mean(-1)
        return (power + 1e-6).log()


def model():
    """For the import path of the tests."""
    return TwoBands()


def noise(band, seconds, seed):
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft(random.standard_normal(round(seconds * RATE)))
    hertz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[(hertz < band[0]) | (hertz > band[1])] = 0
    sound = np.fft.irfft(spectrum, n=round(seconds * RATE))
    return (0.1 * sound / sound.std()).astype(np.float32)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A folder a class, recordings of different length; one is damaged, one is silent."""
    root = tmp_path_factory.mktemp("noises") / "bänder"
    for number, (name, band) in enumerate(BANDS.items()):
        for i in range(SPEAKERS):
            write_audio(root / name / f"s{i}.wav", noise(band, 0.3 + 0.05 * (i % 3), 100 * number + i), RATE)
    (root / "tief" / "kaputt.wav").write_bytes(b"RIFF")
    write_audio(root / "hoch" / "still.wav", np.zeros(RATE // 2, dtype=np.float32), RATE)
    return root


def classifier(labels=tuple(BANDS)):
    return ps.wrap(TwoBands(), RATE, list(labels))


def execute(corpus, out, wrapped=None, recipe=None, **options):
    recipe = ps.load_recipe("recordings") if recipe is None else recipe
    return ps.run_experiment(recipe, out, corpus, model=wrapped or classifier(), device="cpu", **options)


@pytest.fixture(scope="module")
def finished(corpus, tmp_path_factory) -> Run:
    saved = ps.load("test_outside_run:model", trust_imports=True, sample_rate=RATE, labels=list(BANDS))
    return execute(corpus, tmp_path_factory.mktemp("runs") / "run", saved)


def test_the_evidence_lies_in_the_bands_that_the_model_reads(finished):
    assert finished.labels == list(BANDS)
    assert finished.results["accuracy"] == 1
    halves = {row["label"]: row for row in finished.results["middle_half"]}
    for name, (low, high) in BANDS.items():
        assert low - 100 < halves[name]["low_hz"] < halves[name]["high_hz"] < high + 100
        assert halves[name]["low_hz_low"] <= halves[name]["low_hz"] <= halves[name]["low_hz_high"]
    assert "hoch" in finished.results["in_hertz"]
    assert "Hz (" in finished.results["in_hertz"]
    assert finished.facts["model"]["sample_rate"] == RATE
    assert set(finished.facts["model"]) == {"source", "takes", "gives", "labels", "sample_rate"}


def test_recordings_keep_their_length_and_faulty_ones_are_counted(finished):
    tokens = finished.tokens
    assert sorted(set((tokens["end"] - tokens["start"]).round(2))) == [0.3, 0.35, 0.4]
    reasons = {entry["reason"]: entry["count"] for entry in finished.table("left_out").to_dict("records")}
    assert reasons == {"audio unreadable": 1, "silent: all its samples are the same": 1}
    maps = finished.maps("integrated-gradients")
    durations = dict(zip(maps["token"].values, maps["duration"].values, strict=True))
    for row in tokens.to_dict("records"):
        assert math.isclose(durations[row["token"]], row["end"], abs_tol=1e-3)


def test_tables_stand_beside_chance(finished):
    assert len(finished.table("time_profiles")) == 2 * 64
    assert finished.table("calibration")["chance"].iloc[0] >= 0
    assert finished.table("linear_twin")["n"].iloc[0] == 2 * SPEAKERS
    assert set(finished.table("level")["change_db"]) == {-6.0, 6.0}
    assert not finished.has_table("phones")


def test_the_page_leads_with_hertz_and_then_says_how_far_to_believe_it(finished):
    from phonoscope.tasks.outside.page import page

    findings = page(finished).summary.findings
    assert findings[0] == finished.results["in_hertz"]
    assert "has not been judged yet" in findings[1]
    text = write_report(finished.folder).read_text(encoding="utf-8")
    assert "bänder" in text
    assert "None" not in findings[1]


def test_evidence_and_viewer_work_on_the_run(finished):
    facts = run_evidence(
        finished.folder,
        methods=["integrated-gradients", "expected-gradients"],
        measures=["causal-agreement", "randomisation"],
        tokens=8,
        trust_imports=True,
    )
    assert "integrated-gradients" in facts["methods"], facts["left_out"]
    assert next(entry["method"] for entry in facts["left_out"]) == "expected-gradients"
    session = Session([finished.folder], trust_imports=True)
    opened = session.run(0)
    token = str(finished.tokens["token"].iloc[0])
    subject = opened.subject(token)
    chances = opened.classifiers.answer(subject).probabilities
    assert math.isclose(sum(chances), 1, abs_tol=1e-6)
    stored = finished.maps("integrated-gradients", [token])[0]
    made, _ = opened.classifiers.map(subject, "integrated-gradients", "true")
    np.testing.assert_allclose(made.values, stored.values, atol=1e-4 * np.abs(stored.values).max())


def test_without_labels_the_predicted_class_is_explained_and_nothing_is_right_or_wrong(corpus, tmp_path):
    run = execute(corpus, tmp_path / "run", labels="none")
    assert run.facts["labelled"] is False
    assert run.facts["target"] == "predicted"
    assert run.tokens["label"].isna().all()
    assert (run.tokens["class"] == run.tokens["token"].map(run.predictions.set_index("token")["predicted"])).all()
    assert "accuracy" not in run.results
    assert not run.has_table("confusions")
    assert write_report(run.folder).is_file()
    with pytest.raises(ExperimentError, match="needs labels"):
        execute(corpus, tmp_path / "other", recipe=ps.load_recipe("recordings").changed(target="true"), labels="none")


def test_labels_of_a_table_stand_beside_speakers_and_further_columns(corpus, tmp_path):
    rows = [f"{name}/s{i}.wav;{name.upper()};anna{i};froh" for name in BANDS for i in range(SPEAKERS)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["recording;band;speaker;emotion", *rows]), encoding="utf-8")
    with pytest.raises(CorpusError, match="--label-column"):
        execute(corpus, tmp_path / "run", labels=str(table))
    run = execute(corpus, tmp_path / "run", labels=str(table), label_column="Band")
    assert run.results["accuracy"] == 1  # TIEF is tief
    assert run.results["unit"] == "speaker"
    assert set(run.tokens["emotion"]) == {"froh"}
    reasons = run.table("left_out")["reason"].tolist()
    assert "without a label in labels.csv" in reasons


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"labels": "nowhere.csv"}, "no such file"),
        ({"map": "tief"}, "expected label=class"),
        ({"map": "tief=mittel"}, "names the class 'mittel'"),
        ({"labels": "speakers", "wrapped": classifier(["a", "b"])}, "none in common"),
    ],
)
def test_wrong_labels_are_refused_in_words_and_leave_nothing(corpus, tmp_path, options, says):
    with pytest.raises((ExperimentError, CorpusError), match=says):
        execute(corpus, tmp_path / "run", **options)
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").glob("*.json"))


def test_a_map_of_labels_says_which_class_is_meant(corpus, tmp_path):
    run = execute(corpus, tmp_path / "run", classifier(["low", "high"]), map="tief=low,hoch=high")
    assert run.results["accuracy"] == 1
    assert set(run.tokens["class"]) == {"low", "high"}


def test_folders_that_are_no_classes_are_not_taken_for_labels_unasked(corpus, tmp_path):
    run = execute(corpus, tmp_path / "run", classifier(["a", "b"]))
    assert run.facts["labelled"] is False
    assert "not called like the model" in " ".join(run.facts["corpus"]["settings"]["warnings"])


def test_the_command_takes_a_model_by_its_import_path(corpus, phonoscope, tmp_path):
    ask = ["run", "recordings", "--corpus", corpus, "--model", "test_outside_run:model", "--out", tmp_path / "run"]
    assert "--trust-imports" in phonoscope(*ask).err
    more = ("--trust-imports", "--max-per-class", 6, "--method", "gradient-x-input", "--device", "cpu", "--json")
    answer = phonoscope(*ask, *more)
    assert answer.status == 0, answer.err
    assert answer.json["model"]["labels"] == sorted(BANDS)  # those of the folders, by name
    assert answer.json["n_test"] == 12
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["method"] == "gradient-x-input"
    assert phonoscope("verify", tmp_path / "run").status == 0


def test_numbers_are_neither_right_nor_wrong(corpus, tmp_path):
    numbers = ps.wrap(TwoBands(), RATE, ["x", "y"], kind="numbers")
    with pytest.raises(ExperimentError, match="say which, --target x"):  # the larger of two is no answer
        execute(corpus, tmp_path / "none", numbers)
    run = execute(corpus, tmp_path / "run", numbers, recipe=ps.load_recipe("recordings").changed(target="y"))
    assert run.facts["labelled"] is False
    assert set(run.tokens["class"]) == set(run.predictions["predicted"]) == {"y"}
    assert not [name for name in run.predictions if name.startswith("p_")]
    page = write_report(run.folder).read_text(encoding="utf-8")
    assert "The model gives a number: nothing here says how far it is from the truth" in page
    assert "give some with --labels" not in page
    assert "softer or louder moves the number" in page
    assert "softer or louder changes the model’s answer" not in page


@pytest.mark.parametrize(
    ("scores", "unit", "missed", "chosen"),
    [
        ("classes", "logit", "0.02 logits", "the class that the model chose"),
        ("labels", "logit", "0.02 logits", "highest score"),
        ("numbers", "unit of the output", "0.02 in the unit of the output", "largest of the model"),
        ("similarities", "cosine", "0.02 in cosine", "most similar"),
        ("texts", "log probability", "0.02 in log probability", "most probable"),
    ],
)
def test_sentences_name_what_the_model_gives(scores, unit, missed, chosen):
    facts = {"scores": scores, "output_unit": unit, "labels": ["x", "y"], "results": {"max_incompleteness": 0.02}}
    assert f"by more than {missed}" in belief_sentence(facts, None, "run")
    assert chosen in chosen_words(facts)
    assert "one score" in chosen_words(facts | {"labels": ["x"]})


def test_a_model_with_a_picture_is_refused_nothing(corpus, tmp_path):
    torch.manual_seed(0)
    picture = ps.Classifier.build(ps.Spectrogram(RATE, rows=16, columns=16), "compact", list(BANDS))
    run = execute(corpus, tmp_path / "run", picture, recipe=ps.load_recipe("recordings").changed(method="cam"))
    assert run.facts["method"] == "cam"
    assert pd.notna(run.table("middle_half")["low_hz"]).all()


def test_a_recogniser_says_where_it_hears_each_text(tmp_path):
    class Symbols(torch.nn.Module):
        """CTC logits of blank, tief and hoch, frame by frame."""

        def __init__(self):
            super().__init__()
            self.bands = TwoBands()

        def forward(self, sounds):
            frames = sounds[:, : sounds.shape[1] // 400 * 400].reshape(len(sounds), -1, 400)
            levels = torch.stack([self.bands(frame) for frame in frames]) + 6
            return torch.cat([torch.zeros_like(levels[..., :1]), levels], -1)

    for number in range(2):
        sounds = [noise(BANDS[name], 0.4 + 0.2 * number, number) for name in ("tief", "hoch")]
        write_audio(tmp_path / "sounds" / f"{number}.wav", np.concatenate(sounds), RATE)
    texts = [{"tokens": [1, 2], "span": [0, 1]}, {"tokens": [1, 2], "span": [1, 2]}]
    wrapped = ps.wrap(CtcTexts(Symbols(), texts), RATE, ["[tief] hoch", "tief [hoch]"], kind="texts")
    recipe = ps.load_recipe("recordings").changed(method="gradient-x-input(space=sound)")
    run = execute(tmp_path / "sounds", tmp_path / "run", wrapped, recipe)
    places = run.table("places")
    assert places["text"].tolist() == wrapped.labels * 2
    expected = [(0, 0.4), (0.4, 0.8), (0, 0.6), (0.6, 1.2)]
    np.testing.assert_allclose(places[["start", "end"]], expected, atol=0.06)
    maps = run.maps(str(recipe.method))
    axes = figure_of_run(run.folder, "map", token=str(maps["token"].values[0])).axes[0]
    drawn = {round(float(line.get_xdata()[0]), 3) for line in axes.lines}
    assert {round(float(maps[name][0]), 3) for name in ("text_start", "text_end")} <= drawn
