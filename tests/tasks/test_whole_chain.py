"""A model of each kind of output on recordings, from its name on: run, evidence, report, viewer.

The networks are tiny and named by their import path, as a user names those of a module of one's own.
"""

import html
import json
import math
import re
import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from matplotlib.text import Text
from starlette.testclient import TestClient
from torch.nn import functional

import phonoscope as ps
from phonoscope.audio import write_audio
from phonoscope.errors import ClassifierError
from phonoscope.experiments.evidence_run import run_evidence
from phonoscope.tasks.figures import figure_of_run
from phonoscope.tasks.reporting import write_report
from phonoscope.viewer.app import build_app
from phonoscope.viewer.session import Session

RATE, WORDS = 8000, ["no", "yes"]
HOST, SECRET = "127.0.0.1:8123", "the-secret-of-these-tests"


class Network(torch.nn.Module):
    """Rectified filters of the sound, and sums of their means."""

    scores = 2

    def __init__(self):
        super().__init__()
        drawn = torch.Generator().manual_seed(0)
        self.filters = torch.nn.Parameter(torch.randn(6, 1, 40, generator=drawn))
        self.out = torch.nn.Linear(6, self.scores)
        with torch.no_grad():
            self.out.weight.copy_(torch.randn(self.out.weight.shape, generator=drawn))
            self.out.bias.zero_()

    def frames(self, sounds):
        return self.out(functional.relu(functional.conv1d(sounds[:, None], self.filters, stride=20)).transpose(1, 2))

    def forward(self, sounds):
        return self.frames(sounds).mean(1)


class Three(Network):
    scores = 3


class OneNumber(Network):
    scores = 1


class OverTime(Network):
    def forward(self, sounds):
        return self.frames(sounds)


class Recogniser(Network):
    """The CTC loss of two texts over an alphabet of three symbols and a blank."""

    scores = 4
    texts = ((1, 2), (1, 3))

    def forward(self, sounds):
        over_time = self.frames(sounds).log_softmax(2).transpose(0, 1)
        heard = torch.full((len(sounds),), len(over_time))
        losses = [
            functional.ctc_loss(
                over_time, torch.tensor([text] * len(sounds)), heard, torch.full_like(heard, 2), reduction="none"
            )
            for text in self.texts
        ]
        return -torch.stack(losses, 1)


class Embedding(Network):
    scores = 5


def loudness(sounds):
    level = [float(np.log(np.square(sound).mean() + 1e-9)) for sound in sounds]
    return np.array([[x, -x] for x in level])


def noise(seed, seconds=0.3):
    """Noise below or above 1 kHz."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(round(seconds * RATE)))
    hertz = np.fft.rfftfreq(round(seconds * RATE), 1 / RATE)
    spectrum[(hertz < 1000) == bool(seed % 2)] = 0
    sound = np.fft.irfft(spectrum)
    return (0.1 * sound / sound.std()).astype(np.float32)


def named(name, labels=WORDS, **how):
    return ps.load(f"{__name__}:{name}", trust_imports=True, sample_rate=RATE, labels=labels, **how)


def to_references():
    references = {word: [noise(90 + number)] for number, word in enumerate(WORDS)}
    return ps.similarity(f"{__name__}:Embedding", references, trust_imports=True, sample_rate=RATE)


# How each is made, the unit of its maps, and what its page says.
KINDS = {
    "classes": (lambda: named("Network"), "logit", "gives scores of classes"),
    "labels": (lambda: named("Three", ["creaky", *WORDS], kind="labels"), "logit", "Several labels may hold at once"),
    "one logit": (lambda: named("OneNumber"), "logit", "maps of the two are opposites"),
    "numbers": (lambda: named("OneNumber", ["F0"], kind="numbers"), "unit of the output", "raises it"),
    "frames": (lambda: named("OverTime", frames="max"), "logit", "the largest of its frames"),
    "texts": (lambda: named("Recogniser", kind="texts"), "log probability", "log probabilities"),
    "similarity": (to_references, "cosine", "an embedding, compared with references of each label"),
    "function": (
        lambda: named("loudness"),
        "logit",
        "It cannot be told whether the maps depend on the model’s weights",
    ),
}
WITHOUT_PROBABILITIES = ("numbers", "similarity")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("noises")
    for number in range(4):
        write_audio(root / WORDS[number % 2] / f"s{number}.wav", noise(number), RATE)
    return root


def page_of(run, *, drawn=False):
    """The report; its figures are made, but drawn only where that is asked for: else their texts stand there."""

    def texts_of(figure, name):
        texts = [html.escape(text.get_text()) for text in figure.findobj(Text)]
        return f'<svg id="{name}" viewBox="0 0 9 9"><text>{" ".join(texts)}</text></svg>'

    with pytest.MonkeyPatch.context() as patch:
        if not drawn:
            patch.setattr("phonoscope.report.plates.to_svg", texts_of)
        return write_report(run.folder, formats=("svg",)).read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=KINDS)
def chain(request, corpus, tmp_path_factory):
    """A run of one kind, its evidence, and its page."""
    folder = tmp_path_factory.mktemp("chain")
    saved = KINDS[request.param][0]().save_pretrained(folder / "model")
    run = ps.run_experiment(
        ps.load_recipe("recordings"), folder / "run", corpus, model=saved, device="cpu", trust_imports=True
    )
    facts = run_evidence(
        run.folder,
        methods=[run.facts["method"]],
        measures=["causal-agreement", "randomisation"],
        tokens=4,
        trust_imports=True,
    )
    page = page_of(run, drawn=request.param == "classes")
    return SimpleNamespace(kind=request.param, run=run, evidence=facts, page=page)


def words_of(page):
    """What a reader of a page sees, and what is read aloud of its pictures."""
    spoken = " ".join(re.findall(r'(?:alt|aria-label)="([^"]*)"', page))
    seen = re.sub(r"<[^>]*>", " ", re.sub(r"(?s)<(script|style)[^>]*>.*?</\1>", " ", page))
    return re.sub(r"\s+", " ", f"{html.unescape(seen)} {html.unescape(spoken)}")


def asking(folder):
    """A viewer of a run that is asked as its page asks; what it answers is strict JSON."""
    app = build_app(Session([folder], trust_imports=True), token=SECRET, port=8123)
    headers = {"X-Phonoscope-Token": SECRET, "Origin": f"http://{HOST}"}
    client = TestClient(app, base_url=f"http://{HOST}", headers=headers)

    def ask(path, status=200, **values):
        answer = client.get(f"/api/{path}", params={"run": 0, **values})
        assert answer.status_code == status, answer.text
        if answer.headers["content-type"] == "application/json":
            return strict(answer.text)
        (length,) = struct.unpack_from("<I", answer.content)
        return strict(answer.content[8 : 8 + length])

    return ask


def strict(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_page_says_units_and_holds_no_empty_number(chain):
    _, unit, sentence = KINDS[chain.kind]
    words = words_of(chain.page)
    assert chain.run.facts["output_unit"] == unit
    assert sentence in words
    assert chain.run.results["in_hertz"].startswith("Half of the evidence")
    assert chain.run.results["in_hertz"] in words
    assert re.findall(r".{40}\b(?:nan|NaN|None|inf)\b", words) == []
    assert re.findall(r"[ML] ?nan", chain.page) == []
    assert ("there is one class, and no other to compare it with" in words) == (
        len(set(chain.run.tokens["class"])) == 1
    )
    assert ("The model gives a number" in words) == (chain.kind == "numbers")
    assert ("How often the network is right" in words) == (chain.kind != "numbers")


def test_evidence_judges_the_method_that_is_drawn(chain):
    assert chain.run.facts["method"] in chain.evidence["methods"]
    judged = {verdict["method"]: verdict["summary"] for verdict in chain.evidence["verdicts"]}
    assert judged[chain.run.facts["method"]]
    assert "methods explained" in words_of(chain.page)


def test_viewer_answers_its_first_requests(chain):
    _, unit, _ = KINDS[chain.kind]
    ask = asking(chain.run.folder)
    (about,) = ask("runs")
    assert (about["labels"], about["unit"]) == (chain.run.labels, unit)
    page = ask("tokens")
    assert page["total"] == 4
    token = page["rows"][0][page["columns"].index("token")]
    facts = ask("token", token=token)
    assert facts["row"]["predicted"] in chain.run.labels
    heard = ask("hear", token=token, what="band", low=500, high=1500, keep=0)
    for said in (facts, heard):
        if chain.kind in WITHOUT_PROBABILITIES:
            assert said["probabilities"] is None
            assert len(said["scores"]) == len(chain.run.labels)
            assert all(math.isfinite(value) for value in said["scores"])
        else:
            assert said["scores"] is None
            assert all(0 <= p <= 1 for p in said["probabilities"])
            assert chain.kind == "labels" or math.isclose(sum(said["probabilities"]), 1, abs_tol=1e-5)
    (stored,) = facts["stored"]
    for wanted in ({"stored": stored}, {"method": "band-stop", "target": "predicted"}):
        assert ask("map", token=token, **wanted)["units"] == unit
    assert np.sum(ask("confusions")["counts"]) == 4


def test_figures_are_drawn_of_a_class_that_has_recordings(chain):
    for name in ("map", "profile"):  # the first label of several has no recording
        assert figure_of_run(chain.run.folder, name).axes


def test_a_model_in_memory_has_a_report_and_says_what_it_cannot_do(corpus, tmp_path):
    wrapped = ps.wrap(Network(), RATE, WORDS)
    run = ps.run_experiment(ps.load_recipe("recordings"), tmp_path / "run", corpus, model=wrapped, device="cpu")
    page = words_of(page_of(run))
    assert "The model was passed from memory" in page
    ask = asking(run.folder)
    token = str(run.tokens["token"].iloc[0])
    assert ask("map", token=token, stored=run.facts["method"])["units"] == "logit"
    assert "wrapped in memory" in ask("map", 400, token=token, method="band-stop", target="predicted")["error"]
    with pytest.raises(ClassifierError, match="make the run with a model that has a name"):
        run_evidence(run.folder, tokens=4)
