"""Figures of an audit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from phonoscope.audio import read_audio
from phonoscope.errors import PhonoscopeError
from phonoscope.report.audit import draw_in_data, draw_used
from phonoscope.report.plates import Plate, Sound, make_panel
from phonoscope.report.sounds import wav_address
from phonoscope.report.spectrograms import draw_spectrogram, wideband_spectrogram
from phonoscope.report.style import draw_alone, panel_grid
from phonoscope.tasks.content import Content
from phonoscope.tasks.figures.figure import Figure, FigureRequest

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas


def shortcuts_of_run(request: FigureRequest) -> Canvas:
    """Both questions side by side, a row for each shortcut."""
    findings = asked(request.content.table("findings"))
    figure = request.canvas(14.0 + 5.0 * len(findings))
    left, right = panel_grid(figure, 2, 2)[:, 0]
    draw_in_data(left, findings, chance=_chance(request.content))
    draw_used(right, findings)
    right.set_yticklabels([])
    return figure


def shortcuts_plate(content: Content) -> Plate:
    """Both questions, a panel each."""
    findings = asked(content.table("findings"))
    height = 0.9 + 0.24 * len(findings)
    told = draw_alone(4.0, height, draw_in_data, findings, chance=_chance(content))
    used = draw_alone(4.0, height, draw_used, findings)
    worst = findings.iloc[int(findings["difference"].fillna(0).to_numpy().argmax())]
    panels = [
        make_panel("shortcuts-in-data", told, "How well each property tells the classes by itself."),
        make_panel("shortcuts-used", used, f"What exchanges take from the answers: most, that of {worst['shortcut']}."),
    ]
    return SHORTCUTS_FIGURE.plate(panels, findings)


def sounds_plate(content: Content) -> Plate | None:
    """Recordings as they are and with one property exchanged; None where nothing was found."""
    table = content.table("sounds")
    if table.empty:
        return None
    panels, lost = [], []
    for (name, token), rows in table.groupby(["shortcut", "token"], sort=False):
        sounds = []
        try:
            for row in rows.to_dict("records"):
                waveform, rate = read_audio(content.run.folder / row["file"])
                said = f"{row['version']}: “{row['answer']}”"
                sounds.append(Sound(said, wav_address(waveform, rate), f"{name}, {row['version']}"))
            figure = draw_alone(3.4, 2.0, _draw_sound, waveform, rate, title=f"{name}: {rows['version'].iloc[-1]}")
        except PhonoscopeError as error:
            lost.append(f"A sound is missing: {error}.")
            continue
        first, last = rows.iloc[0], rows.iloc[-1]
        note = (
            f"{token}. Log odds of “{first['answer']}”: {first['log_odds']:.1f} as recorded, "
            f"{rows.iloc[1]['log_odds']:.1f} with the {name} of its own class, {last['log_odds']:.1f} with that of "
            "another."
        ).replace("-", "−")
        alt = f"Spectrogram of {token} with the {name} of another class."
        panels.append(make_panel(f"audit-sound-{name}", figure, alt, note, sounds))
    return Plate(
        "audit-sounds",
        "Listen to what was exchanged",
        "The recording whose answer an exchange moved most, of each property that was found.",
        "First the recording as it is, then with this property of another recording of its own class, then with that "
        "of another class; beside each what the model answers. If the last sounds like the first and is answered "
        "otherwise, the model hears something that you would not call speech.",
        panels,
        table,
        " ".join(lost),
    )


def asked(findings: pd.DataFrame) -> pd.DataFrame:
    """Findings on properties of the sound, in which the model could be asked.

    Parameters
    ----------
    findings
        Table of an audit.
    """
    return findings[findings["difference"].notna()].reset_index(drop=True)


def _draw_sound(axes: Axes, waveform: object, rate: int, *, title: str = "") -> None:
    spectrogram = wideband_spectrogram(waveform, rate)  # ty: ignore[invalid-argument-type]
    draw_spectrogram(axes, spectrogram)
    axes.set_title(title)


def _chance(content: Content) -> float:
    return 1 / max(content.tokens["class"].nunique(), 1)


def _example(axes: Axes) -> None:
    draw_used(axes, pd.DataFrame({
        "shortcut": ["edge-silence", "level", "hum"], "difference": [1.8, 0.1, 0.0],
        "difference_low": [1.4, -0.1, -0.1], "difference_high": [2.2, 0.3, 0.1],
        "finding": ["in the data and used", "cannot be told", "clean"],
    }))  # fmt: skip


SHORTCUTS_FIGURE = Figure(
    name="shortcuts",
    says="which properties tell the classes, and which of them the model uses",
    needs="``findings_table`` of an audit",
    draw=draw_used,
    of_run=shortcuts_of_run,
    example=_example,
    title="Two questions for each property",
    caption="Left: how well the property alone tells the classes of recordings that were not learnt from. Right: how "
    "much more of the answer’s log odds is lost when it is exchanged with another class than within the class.",
    reading=(
        "A property that lies right of the line on both sides is in the data and used: a shortcut. One that tells the "
        "classes, but whose exchange does nothing, is in the data and not used. Bars are 95 % intervals over speakers "
        "or recordings, and trainings."
    ),
    tasks=("audit",),
    height_mm=80.0,
)
