"""MB read a second in each alignment format other than TextGrid.

Run: ``python -m benchmarks.formats [rounds]``.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.measure import Bar, Measurement, alone, alternately
from phonoscope.corpora.annotations import elan, json_files, lines, partitur, tables, transcripts_timed
from phonoscope.corpora.annotations.tiers_of import collector_paused

LEAST = 10.0  # MB a second
INTERVALS = 20_000
BARS = {
    name: Bar(1.0, peer=f"{LEAST:g} MB/s", absolute=True)
    for name in (
        "CTM", "HTK labels", "HTK master label file", "xwaves labels", "Audacity labels", "condensed alignments",
        "table of stretches", "emuDB annotation", "MFA JSON", "gentle JSON", "Whisper JSON", "ELAN", "BAS Partitur",
        "CHAT", "subtitles",
    )
}  # fmt: skip


def texts() -> dict[str, tuple[Callable, str]]:
    """Reader and a text of many intervals, by the name of the format."""
    edges = [round(0.08 * place, 2) for place in range(INTERVALS + 1)]
    rows = [(edges[n], edges[n + 1], ("S", "IY1", "AH0", "K")[n % 4]) for n in range(INTERVALS)]
    htk = "".join(f"{round(a * 1e7)} {round(b * 1e7)} {label}\n" for a, b, label in rows)
    entries = [[a, b, label] for a, b, label in rows]
    words = [{"word": c, "alignedWord": c, "case": "success", "start": a, "end": b,
              "phones": [{"duration": 0.08, "phone": c}]} for a, b, c in rows]  # fmt: skip
    items = [{"id": n, "sampleStart": round(a * 16000), "sampleDur": 1279, "labels": [{"name": "MAU", "value": c}]}
             for n, (a, _, c) in enumerate(rows)]  # fmt: skip
    slots = "".join(f'<TIME_SLOT TIME_SLOT_ID="ts{n}" TIME_VALUE="{round(1000 * t)}"/>' for n, t in enumerate(edges))
    annotations = "".join(
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" TIME_SLOT_REF1="ts{n}" TIME_SLOT_REF2="ts{n + 1}">'
        f"<ANNOTATION_VALUE>{label}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
        for n, (_, _, label) in enumerate(rows)
    )
    stamp = [f"{int(t) // 3600:02}:{int(t) // 60 % 60:02}:{int(t) % 60:02},{round(t * 1000) % 1000:03}" for t in edges]
    level = {"name": "MAU", "type": "SEGMENT", "items": items}
    utterance = "*CHI:\tgo on . \x15{0}_{1}\x15\n%wor:\tgo \x15{0}_{1}\x15 on \x15{0}_{1}\x15 .\n"
    return {
        "CTM": (lines.read_ctm, "".join(f"utt{n // 50} 1 {a} 0.08 {c} 1.0\n" for n, (a, _, c) in enumerate(rows))),
        "HTK labels": (lines.read_htk, htk),
        "HTK master label file": (lines.read_mlf, f'#!MLF!#\n"*/a.lab"\n{htk}.\n'),
        "xwaves labels": (lines.read_xwaves, "#\n" + "".join(f"    {b:.6f}  121 {label}\n" for _, b, label in rows)),
        "Audacity labels": (lines.read_audacity, "".join(f"{a:.6f}\t{b:.6f}\t{label}\n" for a, b, label in rows)),
        "condensed alignments": (lines.read_condensed, '1-2-3 ",GO,ON,IN," "0.5,0.9,1.2,1.5,2.0"\n' * (INTERVALS // 4)),
        "table of stretches": (
            tables.read_table, "Begin,End,Label,Type\n" + "".join(f"{a},{b},{c},phones\n" for a, b, c in rows)
        ),
        "emuDB annotation": (
            json_files.read_emu, json.dumps({"name": "a", "annotates": "a.wav", "sampleRate": 16000, "levels": [level]})
        ),
        "MFA JSON": (json_files.read_mfa, json.dumps({"end": 1, "tiers": {"phones": {"entries": entries}}})),
        "gentle JSON": (json_files.read_gentle, json.dumps({"words": words})),
        "Whisper JSON": (
            json_files.read_whisper,
            json.dumps({"segments": [{"start": 0, "end": 9, "text": "a", "words": words}]}),
        ),
        "ELAN": (
            elan.read_eaf,
            f'<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER><TIER TIER_ID="phones">{annotations}</TIER>'
            "</ANNOTATION_DOCUMENT>",
        ),
        "BAS Partitur": (
            partitur.read_par,
            "SAM: 16000\n" + "".join(f"MAU:\t{round(a * 16000)}\t1279\t{n}\t{c}\n" for n, (a, _, c) in enumerate(rows)),
        ),
        "CHAT": (
            transcripts_timed.read_chat,
            "@Begin\n" + "".join(utterance.format(round(1000 * a), round(1000 * b)) for a, b, _ in rows),
        ),
        "subtitles": (
            transcripts_timed.read_subtitles,
            "".join(f"{n}\n{stamp[n]} --> {stamp[n + 1]}\n{c}\n\n" for n, (_, _, c) in enumerate(rows)),
        ),
    }  # fmt: skip


def measure(rounds: int) -> Iterator[Measurement]:
    """Text in memory to tiers, by the CPU's clock."""
    for name, (read, text) in texts().items():

        def once(read: Callable = read, text: str = text) -> None:
            with collector_paused():  # as `read_alignment` does
                read(text, Path("a"))

        spent = alternately(rounds, once)[:, 0]
        rates = len(text.encode()) / 1e6 / spent
        note = f"{INTERVALS / np.median(spent):.0f} intervals or lines a second"
        yield Measurement(name, float(np.median(rates)), LEAST, "MB/s", tuple((rates / LEAST).tolist()), note)


if __name__ == "__main__":
    alone(BARS, measure)
