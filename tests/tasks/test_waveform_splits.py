"""Splits end to end: random by name, official lists, speakers of LibriSpeech; identical clips never on two sides."""

from pathlib import Path

import numpy as np
import pytest

from phonoscope.audio import read_audio, write_audio
from phonoscope.experiments.folder import Run

RATE = 8000
RECIPE = """
name = "small"
task = "{task}"
sample_rate = {rate}
seconds = {seconds}
networks = ["sub-segmental"]
curve = []
null_seeds = 3
clips_per_class = 3

[split]
by = "{by}"

[training]
epochs = {epochs}
min_steps = 0
batch_size = 16
noise = 0.0
"""


def write_recipe(folder: Path, task: str, by: str, rate: int = RATE, seconds: float = 0.1, epochs: int = 2) -> Path:
    path = folder / f"{task}-{by}.toml"
    path.write_text(RECIPE.format(task=task, by=by, rate=rate, seconds=seconds, epochs=epochs), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    """Two words of ten speakers, two takes each; clips of the first speaker also stand under the second's name."""
    root = tmp_path_factory.mktemp("splits") / "commands"
    random = np.random.default_rng(0)
    time = np.arange(RATE // 8) / RATE
    for word, hz in {"low": 300.0, "high": 1800.0}.items():
        for speaker in range(10):
            for take in range(2):
                wave = 0.2 * np.sin(2 * np.pi * hz * random.uniform(0.9, 1.1) * time)
                wave = (wave + 0.02 * random.standard_normal(len(time))).astype(np.float32)
                write_audio(root / word / f"s{speaker}_nohash_{take}.wav", wave, RATE)
                if speaker == 0:
                    write_audio(root / word / f"s1_nohash_{take + 5}.wav", wave, RATE)
    tested = [
        f"{word}/s{speaker}_nohash_{take}.wav" for word in ("low", "high") for speaker in (0, 9) for take in (0, 1)
    ]
    (root / "testing_list.txt").write_text("\n".join(tested) + "\n")
    (root / "validation_list.txt").write_text("low/s8_nohash_0.wav\nhigh/s8_nohash_0.wav\n")
    return root


def parts_of(folder: Path) -> dict[str, str]:
    tokens = Run(folder).tokens
    assert tokens.groupby("audio_sha256")["split"].nunique().max() == 1
    assert tokens["audio_sha256"].duplicated().sum() == 4
    return dict(zip(tokens["recording"], tokens["split"], strict=True))


def test_the_random_split_of_the_paper_parts_speakers_but_not_copies(words, phonoscope, tmp_path):
    recipe = write_recipe(tmp_path, "words", "speaker")
    out = tmp_path / "run"
    answer = phonoscope("run", recipe, "--corpus", words, "--out", out, "--split-by", "recording", "--json")
    assert answer.status == 0, answer.err
    parts = parts_of(out)
    sides = {}
    for name, part in parts.items():
        sides.setdefault(name.split("/")[1].split("_")[0], set()).add(part)
    assert max(len(one) for one in sides.values()) > 1
    counts = [sum(part == name for part in parts.values()) for name in ("train", "validation", "test")]
    assert counts == pytest.approx([0.6 * 44, 0.2 * 44, 0.2 * 44], abs=3)
    assert Run(out).facts["unit"] == "recording"
    assert answer.json["n_test"] == counts[2]
    assert Run(out).predictions["token"].isin(Run(out).tokens.query("split == 'test'")["token"]).all()


def test_official_lists_are_followed_end_to_end(words, phonoscope, tmp_path):
    recipe = write_recipe(tmp_path, "words", "official")
    out = tmp_path / "run"
    answer = phonoscope("run", recipe, "--corpus", words, "--out", out, "--json")
    assert answer.status == 0, answer.err
    parts = parts_of(out)
    listed = (words / "testing_list.txt").read_text().split()
    copies = [f"{word}/s1_nohash_{take}.wav" for word in ("low", "high") for take in (5, 6)]
    assert {name for name, part in parts.items() if part == "test"} == {*listed, *copies}
    validation = (words / "validation_list.txt").read_text().split()
    assert {name for name, part in parts.items() if part == "validation"} == set(validation)
    assert set(Run(out).predictions["token"]) == {f"{name[:-4]}:0000" for name in [*listed, *copies]}


def test_lists_that_leave_nothing_to_test_are_refused(words, phonoscope, tmp_path):
    corpus = tmp_path / "commands"
    for path in words.rglob("*.wav"):
        (corpus / path.parent.name).mkdir(parents=True, exist_ok=True)
        (corpus / path.parent.name / path.name).write_bytes(path.read_bytes())
    recipe = write_recipe(tmp_path, "words", "official")
    (corpus / "validation_list.txt").write_text("low/s3_nohash_0.wav\n")
    (corpus / "testing_list.txt").write_text("other/s3_nohash_0.wav\n")
    out = tmp_path / "run"
    answer = phonoscope("run", recipe, "--corpus", corpus, "--out", out)
    assert answer.status != 0
    assert "leave no recording of the classes to test" in answer.err
    assert not out.exists()


def test_speakers_of_librispeech_are_told_apart_in_utterances_never_heard(talkers, phonoscope, tmp_path):
    """Four synthetic talkers with twelve utterances each in two chapters, one utterance under two names."""
    root = tmp_path / "LibriSpeech"
    speakers = ["; ID | SEX | SUBSET | MINUTES | NAME"]
    for number, path in enumerate(sorted(talkers.rglob("*.wav"))[:4], start=100):
        speech, rate = read_audio(path)
        for place, utterance in enumerate(np.array_split(speech, 12)):
            chapter = 7 + place // 6
            name = f"dev-clean/{number}/{chapter}/{number}-{chapter}-{place:04d}.flac"
            write_audio(root / name, utterance, rate, subtype="PCM_16")
        write_audio(root / f"dev-clean/{number}/8/{number}-8-0099.flac", utterance, rate, subtype="PCM_16")
        speakers.append(f"{number} | {'F' if number % 2 else 'M'} | dev-clean | 8.00 | Somebody")
    (root / "SPEAKERS.TXT").write_text("\n".join(speakers) + "\n")
    recipe = write_recipe(tmp_path, "speakers", "recording", rate=16000, seconds=0.25, epochs=12)
    out = tmp_path / "run"
    answer = phonoscope("run", recipe, "--corpus", root / "dev-clean", "--out", out, "--json")
    assert answer.status == 0, answer.err
    run = Run(out)
    tokens = run.tokens
    assert run.facts["corpus"]["settings"]["layout"] == "librispeech"
    assert run.labels == ["100", "101", "102", "103"]
    assert tokens.groupby("class")["sex"].first().tolist() == ["m", "f", "m", "f"]
    assert len(tokens) == 52
    assert tokens.groupby("audio_sha256")["split"].nunique().max() == 1
    assert tokens["audio_sha256"].duplicated().sum() == 4
    # Every speaker is trained on and tested.
    assert (tokens.groupby("class")["split"].nunique() == 3).all()
    baselines = run.table("baselines").set_index("name")["balanced_accuracy"]
    assert answer.json["networks"][0]["balanced_accuracy"] > baselines["majority class"]
    assert (out / "report.html").is_file()
