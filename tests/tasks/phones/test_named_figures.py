"""Figures by name: every one has an example, is drawn in Hz and s, and prints with its letters."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata

import numpy as np
import pandas as pd
import pytest
import typer
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from phonoscope.audio import write_audio
from phonoscope.classifier import Classifier
from phonoscope.cli.figure import figure as command
from phonoscope.errors import PhonoscopeError
from phonoscope.frontends import Spectrogram
from phonoscope.phonetics.confusions import asymmetry_table
from phonoscope.report import asymmetry, overlays, speech, vowel_scales
from phonoscope.report.printed import print_figure, save_figure, undrawable
from phonoscope.tasks.content import read_content
from phonoscope.tasks.figures import FIGURES, draw, figure_of_run
from phonoscope.tasks.figures.class_map import chance_cells, compare_with_chance

IPA = "i æ ɝ ɑ u p t k f s tʃ ʃ θ"
RATE = 16_000
OF_TABLES = [*(name for name, figure in FIGURES.items() if "phones" in figure.tasks), "truth"]


def new_axes():
    return print_figure(60).subplots()


# The registry


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_says_what_it_is_under_its_own_name(name):
    figure = FIGURES[name]
    assert figure.name == name
    assert callable(figure.draw)
    assert callable(figure.example)
    assert len(figure.says) > 20
    assert figure.needs


def test_unknown_figure_is_refused_with_the_names():
    with pytest.raises(PhonoscopeError, match=r"figure 'profil' is not known; choose one of .*profile"):
        draw("profil", new_axes())


def test_draw_returns_the_axes_it_drew_on():
    axes = new_axes()
    table = pd.DataFrame({"epoch": [1, 2], "train_loss": [1.0, 0.5], "validation_loss": [1.1, 0.7]})
    assert draw("training", axes, table, "loss") is axes
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [1.0, 0.5])


@pytest.mark.parametrize("name", ["profile", "class-map", "map", "vowels", "asymmetry", "spectrogram-wide"])
def test_examples_draw_labelled_axes_without_missing_letters(name):
    figure = print_figure(FIGURES[name].height_mm)
    FIGURES[name].example(figure.subplots())
    assert figure.axes[0].get_xlabel() or figure.axes[0].child_axes
    assert figure.axes[0].get_ylabel() or name == "asymmetry"
    assert undrawable(figure) == set()


# Print


def test_one_and_two_columns_have_their_width_in_mm():
    assert print_figure(50).get_figwidth() * 25.4 == pytest.approx(85)
    assert print_figure(50, columns=2).get_figwidth() * 25.4 == pytest.approx(175)
    assert print_figure(50, width_mm=120).get_figheight() * 25.4 == pytest.approx(50)
    with pytest.raises(PhonoscopeError, match="1 or 2 columns"):
        print_figure(50, columns=3)
    with pytest.raises(PhonoscopeError, match="cannot be printed"):
        print_figure(50, width_mm=5)


def test_pdf_carries_a_font_with_every_phone_and_the_same_figure_the_same_bytes(tmp_path):
    from fontTools.ttLib import TTFont
    from matplotlib.font_manager import findfont

    figure = print_figure(30)
    figure.text(0.1, 0.5, IPA)
    assert undrawable(figure) == set()
    pdf = save_figure(figure, tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in pdf  # TrueType, embedded
    assert b"/Type3" not in pdf
    assert save_figure(figure, tmp_path / "b.pdf").read_bytes() == pdf
    drawn = TTFont(findfont("DejaVu Sans")).getGlyphSet()
    names = TTFont(findfont("DejaVu Sans")).getBestCmap()
    assert all(drawn[names[ord(letter)]].width > 0 for letter in IPA if letter != " ")


def test_svg_has_outlines_and_plain_colours(tmp_path):
    figure = print_figure(30)
    figure.text(0.1, 0.5, "ʃ")
    text = save_figure(figure, tmp_path / "a.svg").read_text(encoding="utf-8")
    assert "<text" not in text
    assert "var(--" not in text


def test_png_has_white_paper_at_300_dots_an_inch(tmp_path):
    from PIL import Image

    figure = print_figure(30)
    picture = Image.open(save_figure(figure, tmp_path / "a.png"))
    assert picture.size[0] == pytest.approx(85 / 25.4 * 300, abs=2)
    assert picture.convert("RGBA").getpixel((2, 2)) == (255, 255, 255, 255)
    assert figure.patch.get_alpha() == 0.0  # as it was


def test_unknown_formats_are_refused_and_nothing_is_left(tmp_path):
    with pytest.raises(PhonoscopeError, match=r"\.pdf, \.svg, \.png"):
        save_figure(print_figure(30), tmp_path / "a.eps")
    assert list(tmp_path.iterdir()) == []


def test_letters_without_a_glyph_are_named():
    figure = print_figure(30)
    figure.text(0.1, 0.5, "a\ue123")
    assert undrawable(figure) == {"\ue123"}


# Maps over spectrograms


@given(st.floats(20, 20_000))
def test_bark_and_hertz_are_inverse(hz):
    assert float(overlays.bark_to_hz(overlays.hz_to_bark(hz))) == pytest.approx(hz, rel=1e-9)


def test_bark_is_that_of_the_published_formula():
    assert float(overlays.hz_to_bark(1000.0)) == pytest.approx(26.81 / 2.96 - 0.53)


def small_map() -> xr.DataArray:
    coords = {"frequency": [500.0, 1500.0], "time": [0.02, 0.06]}
    return xr.DataArray([[2.0, -1.0], [0.0, 1.0]], dims=("frequency", "time"), coords=coords)


def flat_spectrogram() -> xr.DataArray:
    coords = {"frequency": np.arange(0, 2000, 100.0), "time": np.arange(0, 0.08, 0.01)}
    return xr.DataArray(np.zeros((20, 8)), dims=("frequency", "time"), coords=coords)


def test_opacity_of_a_cell_is_its_share_of_the_limit_and_its_hue_its_sign():
    axes = new_axes()
    mappable = overlays.draw_overlay(axes, flat_spectrogram(), small_map(), max_hz=2000, span=(0, 0.08))
    colours = np.asarray(axes.collections[1].get_array())
    most = overlays._MOST_OPAQUE
    np.testing.assert_allclose(colours[..., 3], [[most, most / 2], [0, most / 2]], atol=0.01)
    assert colours[0, 0, 0] > colours[0, 0, 2]  # for: red
    assert colours[0, 1, 2] > colours[0, 1, 0]  # against: blue
    assert mappable.get_clim() == (-2.0, 2.0)
    assert axes.get_ylim() == (0, 2000)
    assert [child.get_ylabel() for child in axes.child_axes] == ["Bark"]


def test_positive_map_hides_what_speaks_against():
    axes = new_axes()
    mappable = overlays.draw_overlay(
        axes, flat_spectrogram(), small_map(), max_hz=2000, span=(0, 0.08), sign="positive"
    )
    assert np.asarray(axes.collections[1].get_array())[0, 1, 3] == 0
    assert mappable.get_clim() == (0.0, 2.0)
    with pytest.raises(PhonoscopeError, match="signed or positive"):
        overlays.draw_overlay(axes, flat_spectrogram(), small_map(), max_hz=2000, sign="both")


def test_hatched_are_exactly_the_cells_of_chance():
    axes = new_axes()
    edges = np.array([0.0, 10.0, 20.0]), np.array([0.0, 1.0, 2.0, 3.0])
    overlays.hatch_cells(axes, np.array([[True, False, False], [False, False, True]]), *edges)
    paths = axes.collections[0].get_paths()
    corners = [tuple(path.get_extents().bounds) for path in paths]
    assert corners == [(0.0, 0.0, 1.0, 10.0), (2.0, 10.0, 1.0, 10.0)]
    assert axes.collections[0].get_hatch() == overlays.HATCH


# Speech


def tone(seconds: float = 0.4) -> np.ndarray:
    return np.sin(2 * np.pi * 300 * np.arange(round(seconds * RATE)) / RATE)


def test_speckles_are_drawn_where_the_sound_is_loud():
    sound = tone()
    sound[RATE // 5 :] *= 0.001
    times = np.array([0.05, 0.1, 0.3])
    coords = {"time": times, "formant": [1, 2]}
    hz = xr.Dataset({"frequency": (("time", "formant"), [[300, 900], [310, np.nan], [320, 950]])}, coords=coords)
    axes = new_axes()
    speech.draw_speckles(axes, hz, sound, RATE)
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), [300, 310])
    np.testing.assert_array_equal(axes.lines[1].get_xdata(), [0.05])


def test_tiers_carry_labels_and_the_time_axis():
    axes = new_axes()
    tiers = {"phone": pd.DataFrame({"start": [0.0, 0.2], "end": [0.2, 0.4], "label": ["æ", "t"]})}
    speech.draw_speech(axes, tone(), RATE, tiers=tiers)
    (strip,) = axes.child_axes
    assert [text.get_text() for text in strip.texts] == ["æ", "t"]
    assert strip.texts[1].get_position()[0] == pytest.approx(0.3)
    assert strip.get_xlabel() == "Time (s)"
    assert axes.get_xlabel() == ""
    assert strip.get_xlim() == axes.get_xlim()


def test_nearby_tiers_start_at_the_cut():
    tokens = pd.DataFrame({"start": [1.0, 2.0], "end": [1.1, 2.1], "label": ["i", "u"], "word": ["see", None]})
    tiers = speech.nearby_tiers(tokens, 0.9, 1.5)
    assert tiers["phone"]["label"].tolist() == ["i"]
    np.testing.assert_allclose(tiers["phone"][["start", "end"]].to_numpy(), [[0.1, 0.2]])
    assert tiers["in word"]["label"].tolist() == ["see"]


# Vowel scales and asymmetries


def test_lobanov_has_mean_zero_and_unit_spread_in_every_speaker():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"f1_50": rng.normal(500, 100, 40), "f2_50": rng.normal(1500, 300, 40)})
    speakers = pd.Series(["a", "b"] * 20)
    z = vowel_scales.scaled_formants(table, "lobanov", speakers)
    grouped = z.groupby(speakers)
    np.testing.assert_allclose(grouped["f2_50"].mean(), 0, atol=1e-12)
    np.testing.assert_allclose(grouped["f1_50"].std(), 1)
    with pytest.raises(PhonoscopeError, match="speaker of every token"):
        vowel_scales.scaled_formants(table, "lobanov")


def test_scales_leave_the_table_and_other_columns_alone():
    table = pd.DataFrame({"token": ["a"], "f1_50": [500.0], "b1_50": [80.0]})
    bark = vowel_scales.scaled_formants(table, "bark")
    assert bark["b1_50"].tolist() == [80.0]
    assert bark["f1_50"].tolist() == pytest.approx([float(overlays.hz_to_bark(500.0))])
    assert table["f1_50"].tolist() == [500.0]


def test_pairs_are_ordered_by_how_one_sided_they_are_and_people_stand_beside():
    true = ["æ"] * 20 + ["ɑ"] * 20
    predicted = ["æ"] * 12 + ["ɑ"] * 8 + ["ɑ"] * 20
    rows = asymmetry.asymmetry_rows(asymmetry_table(true, predicted))
    assert (rows["label_a"][0], rows["label_b"][0]) == ("æ", "ɑ")
    axes = new_axes()
    asymmetry.draw_asymmetry(axes, rows)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["æ → ɑ"]
    ends = [line.get_xdata() for line in axes.lines if len(line.get_xdata()) == 2]
    np.testing.assert_allclose(ends[0], [40.0, 0.0])
    assert len(ends) == 1 + np.isfinite(rows["human_a_as_b"]).sum()


# Of a run


@pytest.mark.parametrize("name", [name for name in OF_TABLES if name != "methods"])
def test_figures_of_a_run_from_its_tables(report_of, name):
    figure = figure_of_run(report_of("vowels").parent, name, columns=2)
    assert figure.get_figwidth() * 25.4 == pytest.approx(175)
    assert undrawable(figure) == set()
    assert any(axes.has_data() for axes in figure.axes)


def test_class_and_choices_are_checked(report_of):
    run = report_of("vowels").parent
    assert len(figure_of_run(run, "profile", label="i").axes) == 2
    with pytest.raises(PhonoscopeError, match=r"no class 'x'; it has i, æ, u"):
        figure_of_run(run, "profile", label="x")
    with pytest.raises(PhonoscopeError, match="--token means nothing"):
        figure_of_run(run, "profile", token="a")
    with pytest.raises(PhonoscopeError, match="run: phonoscope evidence"):
        figure_of_run(run, "methods")
    with pytest.raises(PhonoscopeError, match="where its recordings lie"):
        figure_of_run(run, "spectrogram-wide")


def test_mean_maps_are_tested_against_the_other_classes(report_of):
    content = read_content(report_of("vowels").parent)
    tested = compare_with_chance(content)
    mask = chance_cells(tested, "u")
    # planted: the profile's slope rises with the class's number, so its ends differ and its middle does not
    assert not mask[0].any()
    assert not mask[-1].any()
    assert mask[3].all()
    assert compare_with_chance(content, "no-such-method") is None
    assert chance_cells(None, "u") is None


# The command


def run_command(*arguments: str):
    app = typer.Typer()
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def test_command_lists_every_figure():
    done = run_command("--list")
    assert done.exit_code == 0
    assert [re.split(r"\s{2,}", line)[0] for line in done.output.splitlines()] == list(FIGURES)


def test_listing_figures_imports_neither_networks_nor_drawing():
    code = (
        "import sys; from phonoscope.tasks.figures import FIGURES; list(FIGURES.values());"
        "print({'torch', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_command_writes_what_it_says(report_of, tmp_path):
    out = tmp_path / "fig.pdf"
    done = run_command(str(report_of("vowels").parent), "confusions", "--out", str(out))
    assert done.exit_code == 0
    assert done.output.splitlines()[-1] == f"wrote {out}"
    assert out.read_bytes().startswith(b"%PDF")


def test_command_without_an_answer_to_where_is_refused(report_of):
    done = run_command(str(report_of("vowels").parent), "confusions")
    assert isinstance(done.exception, PhonoscopeError)
    assert "--out fig.pdf" in str(done.exception)


# Of a run's sounds


@pytest.fixture(scope="module")
def run_with_sounds(fake_runs, tmp_path_factory):
    """A run whose recordings are tones of 0.2 s, every token from 0.05 to 0.15 s."""
    folder = fake_runs("sounds", labels=("i", "u"))
    root = tmp_path_factory.mktemp("recordings")
    tokens = pd.read_parquet(folder / "tokens.parquet").assign(corpus="tones", word="see")
    for recording in tokens["recording"].unique():
        write_audio(root / recording, 0.3 * tone(0.2)[::2], RATE // 2)
    tokens.attrs = {"roots": {"tones": str(root)}}
    tokens.to_parquet(folder / "tokens.parquet", index=False)
    return folder


def test_spectrogram_of_a_token_stands_in_its_recording(run_with_sounds):
    figure = figure_of_run(run_with_sounds, "spectrogram-wide", label="u")
    axes = figure.axes[0]
    assert axes.get_xlim() == pytest.approx((0, 0.2), abs=1e-3)  # context is cut at the ends of the recording
    assert [strip.get_yticklabels()[0].get_text() for strip in axes.child_axes] == ["phone", "in word"]
    marked = [line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert marked == pytest.approx([0.05, 0.15])
    assert figure_of_run(run_with_sounds, "spectrogram-narrow").axes[0].get_ylim() == (0, 3000)


def test_map_of_a_token_lies_on_its_time_and_ends_at_the_networks_border(run_with_sounds):
    token = str(read_content(run_with_sounds).run.maps("cam")["token"].values[0])
    figure = figure_of_run(run_with_sounds, "map", token=token)
    axes = figure.axes[0]
    cells = axes.collections[1]
    corners = np.asarray(cells.get_coordinates())
    np.testing.assert_allclose(corners[0, 0], [0.0, 0.0], atol=1e-9)
    np.testing.assert_allclose(corners[-1, -1], [0.1, 4000.0])
    assert token in axes.get_title(loc="left")
    with pytest.raises(PhonoscopeError, match="no token 'x'"):
        figure_of_run(run_with_sounds, "map", token="x")


def test_networks_on_spectrograms_have_layers_but_no_first_layer_on_the_waveform(run_with_sounds):
    front_end = Spectrogram(RATE // 2, max_hz=4000.0, rows=16, columns=8)
    Classifier.build(front_end, "compact", ["i", "u"]).save_pretrained(run_with_sounds / "classifier")
    with pytest.raises(PhonoscopeError, match="takes spectrograms"):
        figure_of_run(run_with_sounds, "wigner")
    figure = figure_of_run(run_with_sounds, "layers")
    assert len(figure.axes[0].get_xticklabels()) >= 3
    assert "random weights" in figure.axes[0].get_legend_handles_labels()[1]


# A figure from outside the package: one file, no other edit


TOY = """
from phonoscope.tasks.figures import Figure


def draw_counts(axes, counts):
    axes.bar(range(len(counts)), counts)


def of_run(request):
    figure = request.canvas(40)
    tokens = request.content.tokens
    draw_counts(figure.subplots(), [int((tokens["class"] == label).sum()) for label in request.labels])
    return figure


COUNTS = Figure(
    name="counts",
    says="how many tokens each class has",
    needs="a list of counts",
    draw=draw_counts,
    of_run=of_run,
    example=lambda axes: draw_counts(axes, [3, 1, 2]),
    title="Counts of {what}",
    reading="A tall bar is a common class.",
    choices=("class",),
)
NOTHING = 3
"""


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Iterator[str]:
    (tmp_path / "toy_figure.py").write_text(TOY, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "toy_figure:COUNTS"
    sys.modules.pop("toy_figure", None)


def test_a_figure_of_ones_own_is_drawn_by_its_import_path(toy, two_vowels, tmp_path):
    assert len(figure_of_run(two_vowels, toy).axes[0].patches) == 2
    assert len(figure_of_run(two_vowels, toy, label="i").axes[0].patches) == 1
    assert len(draw(toy, new_axes(), [1, 2, 3]).patches) == 3
    with pytest.raises(PhonoscopeError, match="--token means nothing for the figure toy_figure:COUNTS"):
        figure_of_run(two_vowels, toy, token="a")
    out = tmp_path / "counts.svg"
    done = run_command(str(two_vowels), toy, "--class", "u", "--out", str(out))
    assert done.exit_code == 0, done.output
    assert out.read_text(encoding="utf-8").startswith("<?xml")


def test_a_figure_announced_by_a_package_has_a_name(toy, two_vowels, monkeypatch):
    point = metadata.EntryPoint("counts", toy, "phonoscope.figures")
    monkeypatch.setattr(metadata, "entry_points", lambda group: [point] if group == "phonoscope.figures" else [])
    FIGURES.__dict__.pop("_announced", None)
    assert "counts  " in run_command("--list").output
    assert len(figure_of_run(two_vowels, "counts").axes[0].patches) == 2
    FIGURES.__dict__.pop("_announced")


def test_what_is_no_figure_is_refused(toy, two_vowels):
    with pytest.raises(PhonoscopeError, match=r"toy_figure:NOTHING is a int; a .*Figure is expected"):
        figure_of_run(two_vowels, "toy_figure:NOTHING")


def test_plates_take_caption_and_reading_from_the_figure(toy):
    from phonoscope.tasks.figures import find_figure

    plate = find_figure(toy).plate([], pd.DataFrame(), what="vowels", width="half")
    assert (plate.key, plate.title, plate.width) == ("counts", "Counts of vowels", "half")
    assert plate.reading == "A tall bar is a common class."
