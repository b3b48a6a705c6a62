"""Perception experiments on models from elsewhere, without a run: what each of them hears is known."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

import phonoscope as ps
from phonoscope.corpora import read_corpus
from phonoscope.errors import ExperimentError, PerceptionError
from phonoscope.experiments.folder import Run
from phonoscope.phonetics.pitch import pitch
from phonoscope.synthesis.corpus import synthesise_tokens
from phonoscope.tasks import load_recipe, run_experiment
from phonoscope.tasks.perceive.asking import some_at_a_time

RATE = 16000
LOGITS_PER_DB = 0.3


def loudness(sounds):
    """A function of sounds that hears level alone."""
    decibels = np.array([10 * np.log10(np.mean(np.square(sound)) + 1e-12) for sound in sounds])
    return np.stack([np.zeros(len(sounds)), LOGITS_PER_DB * (decibels + 23.5)], axis=1)


class Tilt(torch.nn.Module):
    """One logit: the level above 1500 Hz relative to that below, so that loudness does not matter."""

    def forward(self, sounds):
        power = torch.fft.rfft(sounds).abs().square()
        hertz = torch.fft.rfftfreq(sounds.shape[-1], 1 / 16000)
        high, low = power[:, hertz > 1500].sum(1), power[:, hertz <= 1500].sum(1)
        return (torch.log(high / low) + 3.0)[:, None]


@pytest.fixture(scope="module")
def vowels():
    """Waveforms of six talkers' vowels."""
    return synthesise_tokens(4, vowels=["i", "u", "ɑ"], repeats=1, sample_rate=RATE, seed=3)


@pytest.fixture(scope="module")
def stretches(talkers, tmp_path_factory):
    """A table of some vowels of the corpus of talkers, named by file alone."""
    tokens = read_corpus(talkers, classes="all")
    path = tmp_path_factory.mktemp("stretches") / "vowels.csv"
    some = tokens.groupby("speaker").head(2)
    some.assign(recording=some["recording"].str.rpartition("/")[2])[["recording", "start", "end"]].to_csv(path)
    return path


@pytest.fixture(scope="module")
def asked(talkers, stretches, phonoscope, tmp_path_factory):
    out = tmp_path_factory.mktemp("asked") / "heard"
    model = (f"{__name__}:loudness", "--trust-imports", "--sample-rate", RATE, "--model-labels", "soft,loud")
    corpus = ("--corpus", talkers, "--labels", stretches)
    answer = phonoscope("perceive", *model, *corpus, "--cues", "level,f2", "--tokens", 16, "--out", out, "--json")
    assert answer.status == 0, answer.err
    return out, answer, (*model, *corpus)


def test_a_function_that_hears_level_hears_nothing_else(asked):
    run, results = Run(asked[0]), asked[1].json
    assert {"curves", "slopes", "boundaries", "weights", "sentences"} <= set(results)
    slopes = pd.DataFrame(results["slopes"]).set_index(["class", "cue"])
    assert {name for name, _ in slopes.index} == {"soft", "loud"}  # tokens have no labels: the model's own answers
    for spoken, sign in (("soft", -1), ("loud", 1)):
        assert slopes.loc[(spoken, "level"), "slope"] == pytest.approx(sign * LOGITS_PER_DB, rel=0.01)
        assert abs(slopes.loc[(spoken, "f2"), "slope"]) < 0.1 * LOGITS_PER_DB
    weights = run.table("weights").query("`class` == 'loud'").set_index("cue")["per_unit"]
    assert weights["level"] == pytest.approx(LOGITS_PER_DB, rel=0.01)
    assert abs(weights["f2"]) < 0.01
    assert "level" in results["sentences"][0]
    boundary = run.table("boundaries").query("cue == 'level'").set_index("class").loc["soft", "boundary"]
    assert boundary == pytest.approx(-23.5, abs=0.2)


def test_what_cannot_stand_beside_a_function_is_said(asked):
    run = Run(asked[0])
    assert set(run.facts["absent_controls"]) == {"random", "linear"}
    page = (asked[0] / "report.html").read_text(encoding="utf-8")
    assert "no weights that could be drawn anew" in page
    assert "have no labels" in page
    assert f"{__name__}:loudness" in page


def test_people_are_asked_about_the_same_stretches(asked, phonoscope, tmp_path):
    few = ("--cues", "level", "--tokens", 4)
    for kind, opened in (("web", "listening.html"), ("praat", "listening.praat")):
        answer = phonoscope("perceive", *asked[2], *few, "--for", kind, "--out", tmp_path / kind)
        assert answer.status == 0, answer.err
        assert (tmp_path / kind / opened).is_file()
    stimuli = pd.read_csv(tmp_path / "praat" / "stimuli.csv")
    answers = [
        {**row, "participant": who, "answer": "loud" if row["achieved"] > -23.5 + i % 3 else "soft", "seconds": 1.0}
        for i, who in enumerate("abcdefgh")
        for row in stimuli.to_dict("records")
    ]
    pd.DataFrame(answers).assign(trial=range(len(answers))).to_csv(tmp_path / "answers.csv", index=False)
    more = ("--listeners", tmp_path / "answers.csv", "--out", tmp_path / "beside", "--cues", "level", "--tokens", 8)
    assert phonoscope("perceive", *asked[2], *more).status == 0
    assert len(Run(tmp_path / "beside").table("beside_listeners"))


def test_an_interrupted_experiment_goes_on_without_asking_again(talkers, finished, tmp_path):
    class CutError(Exception):
        pass

    def stop(line):
        said.append(line)
        if line.endswith("of 6 tokens") and cut:
            raise CutError

    recipe, said, cut = load_recipe("perceive").changed(cues="level", tokens=6), [], True
    how = {"source": finished[0] / "classifier", "corpus": talkers, "labels": "phones", "say": stop}
    with pytest.raises(CutError):
        run_experiment(recipe, tmp_path / "out", **how)
    parts = list((tmp_path / "out" / "_parts").glob("part-*.parquet"))
    made = [part.stat().st_mtime_ns for part in parts]
    assert made
    with pytest.raises(CutError):
        run_experiment(recipe, tmp_path / "out", resume=True, **how)
    assert [part.stat().st_mtime_ns for part in parts] == made
    cut = False
    assert len(run_experiment(recipe, tmp_path / "out", resume=True, **how).tokens) == 6


def test_a_classifier_hears_the_phones_as_its_run_did(finished, talkers, phonoscope, tmp_path):
    model = (finished[0] / "classifier", "--corpus", talkers, "--labels", "phones")
    answer = phonoscope("perceive", *model, "--cues", "f2", "--tokens", 12, "--out", tmp_path / "heard", "--json")
    assert answer.status == 0, answer.err
    run, source = Run(tmp_path / "heard"), Run(finished[0])
    stimuli = pd.read_parquet(run.folder / "stimuli.parquet").query("step == 0 and not sham").set_index("token")
    known = source.predictions.query("fold == 0").set_index("token")  # of the same classifier
    both = stimuli.index.intersection(known.index)
    assert len(both)
    for label in run.labels:
        assert np.allclose(stimuli.loc[both, f"p_{label}"], known.loc[both, f"p_{label}"], atol=0.02)
    assert set(run.tokens["class"]) == set(source.labels)
    assert {"random", "linear"} <= set(answer.json["slopes"][0])  # the twin learns from the other tokens
    assert run.facts["absent_controls"] == {}


def height(sounds):
    """A function of sounds that hears F0 alone, in semitones above 160 Hz."""
    found = [np.asarray(pitch(sound, RATE)) for sound in sounds]
    hertz = np.array([np.nanmedian(values) if np.isfinite(values).any() else 160.0 for values in found])
    return 12 * np.log2(hertz / 160)


@pytest.mark.parametrize(("cue", "per_unit"), [("f0", 0.5), ("level", 0.0)])
def test_a_function_of_f0_has_the_slope_that_it_was_given(vowels, cue, per_unit):
    model = ps.wrap(lambda sounds: np.outer(height(sounds), [0.0, 0.5]), RATE, ["low", "high"])
    heard = ps.perceive(model, vowels[0], RATE, cues=[cue], shams=False)
    risen = heard.slopes["slope"] * heard.slopes["class"].map({"high": 1, "low": -1})
    assert risen.to_numpy() == pytest.approx(per_unit, abs=0.03)


def test_one_logit_of_a_torchscript_file(vowels, tmp_path):
    torch.jit.script(Tilt()).save(tmp_path / "tilt.pt")
    model = ps.load(tmp_path / "tilt.pt", sample_rate=RATE, labels=["dark", "bright"])
    speakers = vowels[1]["speaker"].tolist()
    heard = ps.perceive(model, vowels[0], RATE, cues=["tilt", "level"], speakers=speakers)
    slopes = heard.slopes.query("`class` == 'dark'").set_index("cue")
    assert slopes.loc["tilt", "slope"] * slopes.loc["tilt", "sham"] != 0
    assert abs(slopes.loc["level", "slope"]) < 1e-3 * abs(slopes.loc["tilt", "slope"])
    assert heard.stimuli["p_bright"].between(0, 1).all()
    assert str(heard).splitlines() == heard.sentences


def test_a_wav2vec_that_scales_every_sound_is_deaf_to_level(vowels, tmp_path, phonoscope):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    small |= {"conv_dim": [8] * 7, "classifier_proj_size": 8, "num_conv_pos_embeddings": 16}
    small |= {"num_conv_pos_embedding_groups": 2, "id2label": {0: "yes", 1: "no", 2: "up"}}
    model = transformers.Wav2Vec2ForSequenceClassification(transformers.Wav2Vec2Config(**small))
    with torch.no_grad():
        model.classifier.weight *= 30
    model.save_pretrained(tmp_path / "hub")
    transformers.Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "hub")
    for number, (sound, label) in enumerate(zip(vowels[0][:6], ["yes", "no", "up"] * 2, strict=True)):
        ps.audio.write_audio(tmp_path / "words" / label / f"{number}.wav", sound, RATE)
    out = tmp_path / "heard"
    answer = phonoscope("perceive", tmp_path / "hub", "--corpus", tmp_path / "words", "--cues", "level,tilt", "--out",
                        out, "--json")  # fmt: skip
    assert answer.status == 0, answer.err
    run = Run(out)
    assert run.facts["labelled"]
    assert sorted(run.tokens["class"]) == ["no", "no", "up", "up", "yes", "yes"]
    sizes = run.table("slopes").groupby("cue")["slope"].agg(lambda column: column.abs().max())
    assert sizes["level"] < 0.02 * sizes["tilt"]
    stimuli = pd.read_parquet(out / "stimuli.parquet").query("step == 0 and not sham and cue == 'level'")
    classifier = ps.load(tmp_path / "hub")
    sounds = [ps.read_audio(tmp_path / "words" / name, RATE)[0] for name in stimuli["recording"]]
    assert np.allclose(stimuli[["p_yes", "p_no", "p_up"]], classifier.predict(sounds)[["p_yes", "p_no", "p_up"]],
                       atol=1e-3)  # fmt: skip
    assert json.dumps(answer.json)


def test_wrong_uses_are_answered_in_words(asked, finished, talkers, vowels, tmp_path, phonoscope):
    def refused(*arguments):
        answer = phonoscope("perceive", *arguments, "--out", tmp_path / "out")
        assert answer.status == 1
        return answer.err

    assert "give --corpus FOLDER" in refused(finished[0] / "classifier")
    assert "is a run, which knows its tokens" in refused(finished[0], "--corpus", talkers)
    assert "--labels phones" in refused(*asked[2], "--phone-tier", "phones")
    assert "none in common" in refused(finished[0] / "classifier", "--corpus", talkers, "--labels", "speakers")
    numbers = (f"{__name__}:loudness", "--trust-imports", "--corpus", talkers, "--kind", "embedding")
    assert "similarity to references" in refused(*numbers)
    nowhere = tmp_path / "nowhere.csv"
    nowhere.write_text("recording,start,end\nelsewhere.wav,0,1\n", encoding="utf-8")
    assert "names no recording" in refused(*asked[2][:-1], nowhere)
    nowhere.write_text("recording,start,end\nelsewhere.wav,0,one\n", encoding="utf-8")
    assert "line 2" in refused(*asked[2][:-1], nowhere)
    with pytest.raises(ExperimentError, match="perceive MODEL"):
        run_experiment(load_recipe("perceive"), tmp_path / "none")
    model = ps.wrap(loudness, RATE, ["soft", "loud"])
    with pytest.raises(PerceptionError, match="8000 Hz"):
        ps.perceive(model, vowels[0], 8000)
    with pytest.raises(PerceptionError, match="give one to each"):
        ps.perceive(model, vowels[0], RATE, labels=["soft"])


def test_long_sounds_are_taken_one_by_one():
    blocks = list(some_at_a_time([0.1] * 20 + [40.0, 0.1, 31.0, 2.0]))
    assert [(block.start, block.stop) for block in blocks] == [(0, 16), (16, 20), (20, 21), (21, 23), (23, 24)]


def pitch_and_level(sounds):
    """Two numbers: F0 in semitones above 160 Hz, and level in dB."""
    return np.stack([height(sounds), 10 * np.log10([np.mean(np.square(sound)) + 1e-12 for sound in sounds])], axis=1)


def test_a_model_that_gives_numbers_has_slopes_of_them(talkers, stretches, phonoscope, tmp_path):
    model = (f"{__name__}:pitch_and_level", "--trust-imports", "--sample-rate", RATE, "--model-labels", "F0,dB")
    corpus = ("--corpus", talkers, "--labels", stretches, "--kind", "numbers", "--tokens", 12)
    out = tmp_path / "heard"
    answer = phonoscope("perceive", *model, *corpus, "--cues", "level,f0", "--out", out, "--json")
    assert answer.status == 0, answer.err
    rows = pd.DataFrame(answer.json["slopes"])
    assert (rows["against"] == "").all()
    slopes = rows.set_index(["class", "cue"])["slope"]
    assert slopes["F0", "f0"] == pytest.approx(1.0, abs=0.05)
    assert slopes["dB", "level"] == pytest.approx(1.0, abs=0.01)
    assert abs(slopes["F0", "level"]) < 0.02
    assert set(rows.loc[rows["cue"] == "f0", "unit"]) == {"per semitone"}
    assert answer.json["boundaries"] == answer.json["weights"] == []
    still = [row["answers"]["dB"] for row in answer.json["curves"] if row["cue"] == "level" and row["class"] == "dB"]
    assert np.diff(still) == pytest.approx(4.0, abs=0.1)
    assert any(line.startswith("It hears level: dB rises by 1 ") for line in answer.json["sentences"])
    assert "The model gives numbers" in (out / "report.html").read_text(encoding="utf-8")
    people = phonoscope("perceive", *model, *corpus, "--for", "web", "--out", tmp_path / "web")
    assert "no answers for people" in people.err
