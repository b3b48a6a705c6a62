"""The page as a reader's browser gets it: whole, offline, escaped, and honest about what is missing."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from phonoscope.errors import ExperimentError
from phonoscope.report import write_report
from phonoscope.report.page import download, letters_of
from phonoscope.tasks.content import read_content

SECTIONS = ["summary", "corpus", "accuracy", "vowels", "maps", "profiles", "shares", "evidence", "claims", "provenance"]
VOID = {"meta", "img", "br", "hr", "input", "link", "source", "path", "use", "rect", "image", "stop", "circle"}
RUNS = ["vowels", "voicing", "bare", "untested"]
EVIL = "<script>alert('x')</script>"


class Page(HTMLParser):
    """What is needed of a parsed page: tags with attributes, text, and tags that were never closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.misplaced: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.misplaced.append(tag)

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def plates(page: Page) -> set[str]:
    return {figure["id"] for figure in page.of("figure")}


def test_vowel_run_has_every_section_in_order_and_every_plate(report_of):
    page = read(report_of("vowels"))
    assert [section["id"] for section in page.of("section")] == SECTIONS
    expected = (
        "examples accuracy confusions asymmetries vowels maps-all maps-correct maps-errors profiles shares training"
    )
    assert plates(page) == {f"plate-{name}" for name in [*expected.split(), "training"]}


def test_voicing_run_has_shares_of_the_voiced_class_only(report_of):
    page = read(report_of("voicing"))
    assert [section["id"] for section in page.of("section")] == SECTIONS
    assert "No formants, hence no share: unvoiced." in page.text
    drawn = [svg["aria-label"] for svg in page.of("svg") if svg["aria-label"].startswith("Share over chance")]
    assert [text.split(":")[0] for text in drawn] == ["Share over chance, voiced"]
    assert "No two classes were confused at all" in page.text


@pytest.mark.parametrize("run", RUNS)
def test_nothing_is_fetched_from_outside(report_of, run):
    path = report_of(run)
    page = read(path)
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
            value = attributes.get(name, "")
            assert not value or value.startswith(("data:", "#", "figures/")), f"<{tag} {name}={value[:60]}>"
    assert len(page.of("script")) == 1
    assert not page.of("link")
    text = path.read_text(encoding="utf-8")
    assert "@import" not in text
    assert not re.search(r"url\(\s*['\"]?(?!#|data:font/woff;base64,|['\"])", text)


@pytest.mark.parametrize("run", RUNS)
def test_the_policy_lets_no_request_out_and_no_script_but_the_pages_own_run(report_of, run):
    path = report_of(run)
    text = path.read_text(encoding="utf-8")
    policies = [m["content"] for m in read(path).of("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policies[0].split(";"))
    assert rules["default-src"] == "'none'"
    assert {rules[kind] for kind in ("img-src", "media-src", "font-src")} == {"data:"}
    script = re.search(r"<script>(.*?)</script>", text, flags=re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert text.index("Content-Security-Policy") < text.index("<style>")


def test_sizes_stay_small(report_of):
    path = report_of("vowels")
    assert path.stat().st_size < 5_000_000


@pytest.mark.parametrize("run", RUNS)
def test_markup_is_whole_and_identifiers_are_unique(report_of, run):
    page = read(report_of(run))
    assert page.open == []
    assert page.misplaced == []
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    there = set(ids)
    assert len(ids) == len(there)
    for tag, attributes in page.tags:
        for name in ("href", "xlink:href"):
            if attributes.get(name, "").startswith("#"):
                assert attributes[name][1:] in there, (tag, attributes[name])
        for reference in re.findall(r"url\(#([\w-]+)\)", " ".join(attributes.values())):
            assert reference in there


@pytest.mark.parametrize("run", RUNS)
def test_contents_lead_to_every_section(report_of, run):
    page = read(report_of(run))
    targets = [a["href"] for a in page.of("a") if a.get("href", "").startswith("#") and "class" not in a]
    assert targets == [f"#{name}" for name in SECTIONS]


def test_labels_are_text_never_markup_nor_formulas(report_of):
    path = report_of("bare")
    text = path.read_text(encoding="utf-8")
    assert text.lower().count("<script") == 1  # the page's own
    assert "&lt;script&gt;alert(" in text
    assert EVIL in Page(text).text
    names = [file.name for file in (path.parent / "figures").iterdir()]
    assert len(names) > 10
    assert all(re.fullmatch(r"[A-Za-z0-9_.-]+", name) for name in names)


def test_hostile_question_and_reason_are_text(report_of):
    page = read(report_of("bare"))
    assert page.of("img") == []
    assert page.of("b") == []
    assert "<img src=x onerror=y>" in page.text
    assert "<b>bold</b>" in page.text


def test_every_picture_is_described_and_every_plate_is_explained_with_its_data(report_of):
    text = report_of("vowels").read_text(encoding="utf-8")
    drawn = Page(text).of("svg")
    assert len(drawn) > 15
    assert all(svg["role"] == "img" and len(svg["aria-label"]) > 12 for svg in drawn)
    for figure in re.findall(r"<figure.*?</figure>", text, flags=re.DOTALL):
        assert "How to read this" in figure
        assert figure.count('class="data"') == 1


def test_data_links_hold_the_tables(report_of):
    path = report_of("vowels")
    links = {a["download"]: a["href"] for a in read(path).of("a") if "download" in a}
    embedded = pd.read_csv(io.BytesIO(base64.b64decode(links["shares.csv"].split(",", 1)[1])))
    stored = pd.read_parquet(path.parent / "tables" / "shares.parquet")
    pd.testing.assert_frame_equal(embedded, stored, check_dtype=False)
    for name, link in links.items():
        assert (path.parent / "figures" / name).is_file()
        assert link.startswith("data:text/csv") or link == f"figures/{name}"


def test_large_tables_are_packed_and_only_huge_ones_linked():
    small, large = pd.DataFrame({"a": range(10)}), pd.DataFrame({"a": range(40_000)})
    link, name = download(small, "x")
    assert link.startswith("data:text/csv")
    assert name == "x.csv"
    link, name = download(large, "x")
    assert name == "x.csv.gz"
    kept = pd.read_csv(io.BytesIO(gzip.decompress(base64.b64decode(link.split(",", 1)[1]))))
    pd.testing.assert_frame_equal(kept, large)
    noise = pd.DataFrame(np.random.default_rng(0).normal(size=(40_000, 5)))
    assert download(noise, "x") == ("figures/x.csv", "x.csv")


def test_rare_letters_come_along_in_a_font_that_has_them():
    from fontTools.ttLib import TTFont

    css = letters_of("taken for /ɝ/, /ʃ/ and /θ/; plain text")
    font = TTFont(io.BytesIO(base64.b64decode(re.search(r"base64,([^\"]+)", css)[1])))
    assert {ord(letter) for letter in "ɝʃθ"} <= set(font.getBestCmap())
    assert len(css) < 10_000
    assert letters_of("plain text, naïve") == ""


def test_each_example_is_heard_as_it_is_with_the_map_and_without_errors_first(report_of):
    page = read(report_of("vowels"))
    said = [a["aria-label"] for a in page.of("audio")]
    assert len(said) == 4 * 4  # three recognised vowels and one error, four ways
    assert [text.split(", ", 2)[-1] for text in said[:4]] == [
        "with its surroundings",
        "alone",
        "only what the map points at",
        "without what the map points at",
    ]
    sounds = [soundfile.read(io.BytesIO(base64.b64decode(a["src"].split(",", 1)[1]))) for a in page.of("audio")]
    for start in range(0, len(sounds), 4):
        four = [samples[np.abs(samples) > 0] for samples, _ in sounds[start : start + 4]]
        levels = [np.sqrt(np.sum(one**2) / one.size) for one in four]
        assert max(levels) < 1.2 * min(levels)  # equally loud but for the silence that cannot be told from zeros
        assert max(np.abs(one).max() for one in four) <= 1.0
    drawn = [svg["aria-label"] for svg in page.of("svg") if "Wide-band" in svg["aria-label"]]
    assert "taken for" in drawn[0]


def test_damaged_sound_is_named_and_the_rest_goes_on(report_of):
    page = read(report_of("bare"))
    assert len(page.of("audio")) == 3 * 2  # no maps there: surroundings and token alone
    assert "Nothing can be masked" in page.text
    assert "An example is missing" in page.text
    assert "00.wav" in page.text


def test_run_without_formants_says_so(report_of):
    page = read(report_of("bare"))
    assert {"plate-vowels", "plate-shares"}.isdisjoint(plates(page))
    assert "There is no vowel chart: no token of this run has measured formants." in page.text
    assert "Shares were not measured" in page.text
    assert "Whether the maps sit on formants was not measured" in page.text


def test_missing_parts_of_a_run_are_noted_not_fatal(fake_run):
    folder = fake_run(labels=("i", "u"))
    (folder / "formants.parquet").unlink()
    (folder / "examples" / "examples.csv").unlink()
    absent = read_content(folder).absent
    assert set(absent) == {"formants", "examples"}
    assert "formants.parquet is missing" in absent["formants"]


def test_class_without_tested_tokens_is_named(report_of):
    page = read(report_of("untested"))
    assert "No such token: /u/." in page.text
    assert "No tested token: /u/." in page.text
    assert "No formants, hence no share: /u/." in page.text


def test_no_errors_leave_an_explained_gap(report_of):
    page = read(report_of("voicing"))
    assert "No such token: voiced, unvoiced." in page.text
    assert "100.0 %" in page.text
    assert not any("maps-errors" in a.get("download", "") for a in page.of("a"))


def test_run_without_claims_training_or_baselines(report_of):
    page = read(report_of("untested"))
    assert "This experiment tests no claims of a paper." in page.text
    assert "There are no training curves" in page.text
    assert "No baselines were measured" in page.text
    assert "plate-training" not in plates(page)


def test_figures_lie_beside_the_report_and_the_same_run_gives_the_same_bytes(report_of, tmp_path):
    first = report_of("voicing")
    out = write_report(first.parent, tmp_path / "elsewhere" / "page.html")
    assert out == tmp_path / "elsewhere" / "page.html"
    assert out.read_bytes() == first.read_bytes()
    drawn = {path.name for path in (out.parent / "figures").iterdir()}
    assert {"confusions.svg", "maps-all-1-voiced.svg", "shares-1-voiced.svg", "vowels-1.svg", "shares.csv"} <= drawn
    assert not (out.parent.parent / "report.html").exists()


def test_vowel_files_are_named_in_ascii(report_of):
    drawn = {path.name for path in (report_of("vowels").parent / "figures").glob("maps-all-*.svg")}
    assert drawn == {"maps-all-1-i.svg", "maps-all-2-ae.svg", "maps-all-3-u.svg"}


def test_figures_follow_the_theme_of_the_page_and_stand_alone(report_of):
    path = report_of("vowels")
    page = path.read_text(encoding="utf-8")
    alone = (path.parent / "figures" / "confusions.svg").read_text(encoding="utf-8")
    assert "var(--ink, #1b2126)" in alone  # outside the page the fallback counts
    assert "prefers-color-scheme: dark" in page
    declared = set(re.findall(r"(--[a-z]+):", page))
    assert set(re.findall(r"var\((--[a-z]+)", page)) <= declared


def test_unfinished_run_is_refused(tmp_path):
    with pytest.raises(ExperimentError, match="no finished run"):
        write_report(tmp_path)


def test_unknown_upper_border_is_refused(fake_run):
    folder = fake_run(labels=("i", "u"))
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del facts["max_hz"], facts["front_end"]["max_hz"]
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(ExperimentError, match="up to which frequency"):
        write_report(folder)


def test_importing_the_room_is_light():
    code = "import sys, phonoscope.report; print({'torch', 'matplotlib', 'jinja2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_drawing_leaves_pyplot_and_its_settings_alone():
    code = (
        "import sys, matplotlib; before = matplotlib.rcParams.copy();"
        "from phonoscope.report.shares import ratio_legend; from phonoscope.report.style import to_svg;"
        "to_svg(ratio_legend(), 'x'); print('matplotlib.pyplot' in sys.modules, before == matplotlib.rcParams.copy())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
