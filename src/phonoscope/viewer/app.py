"""The routes of the viewer: requests in, JSON, arrays and sounds out; every fault is a plain sentence."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from phonoscope.errors import AudioError, PhonoscopeError
from phonoscope.files import to_json
from phonoscope.viewer.guard import Guard
from phonoscope.viewer.live import without_band
from phonoscope.viewer.moving import CUES, MOST_AT_ONCE, Moved, read_move, stimuli, tracks
from phonoscope.viewer.notes import to_csv, to_textgrids
from phonoscope.viewer.packing import MEDIA_TYPE
from phonoscope.viewer.pictures import WINDOWS_SECONDS, map_of, picture_of, tracks_of, wav_of
from phonoscope.viewer.query import Query, QueryError, UnknownNameError
from phonoscope.viewer.session import OpenRun, Session
from phonoscope.viewer.subject import Subject
from phonoscope.viewer.uploads import MOST_BYTES

STATIC = Path(__file__).with_name("static")
SOUNDS = ("plain", "only", "without", "band", "moved")
_MOST_JSON_BYTES = 64 * 2**10
_NARROWEST_HZ = 10.0


def build_app(session: Session, *, token: str, port: int, on_start: Callable[[], None] = lambda: None) -> Starlette:
    """Make the application.

    Parameters
    ----------
    session
        What is shown.
    token, port
        Who may talk to it; see `Guard`.
    on_start
        Called when it is ready to answer.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        on_start()
        yield

    routes = [
        Route("/", _index),
        Route("/api/runs", _runs),
        Route("/api/tokens", _tokens),
        Route("/api/confusions", _confusions),
        Route("/api/place", _rank),
        Route("/api/token", _token),
        Route("/api/tracks", _tracks),
        Route("/api/picture", _picture),
        Route("/api/methods", _methods),
        Route("/api/map", _map),
        Route("/api/hear", _probabilities),
        Route("/api/cues", _cues),
        Route("/api/moved", _moved),
        Route("/api/heard", _heard, methods=["POST"]),
        Route("/api/sound", _sound),
        Route("/api/notes", _notes, methods=["GET"]),
        Route("/api/notes", _put_note, methods=["POST"]),
        Route("/api/notes", _remove_note, methods=["DELETE"]),
        Route("/api/export", _export),
        Route("/api/own", _add_upload, methods=["POST"]),
        Route("/api/own", _upload, methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Guard, token=token, port=port)],
        exception_handlers={PhonoscopeError: _refused, HTTPException: _refused, Exception: _broken},
        lifespan=lifespan,
    )
    app.state.session = session
    return app


def _json(value: Any, status: int = 200, **more: Any) -> Response:
    return Response(to_json(value), status, media_type="application/json", **more)


async def _refused(_request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException):
        words = {404: "There is nothing at this address.", 405: "This address does not take such a request."}
        return _json({"error": words.get(error.status_code, str(error.detail))}, error.status_code)
    return _json({"error": str(error)}, 404 if isinstance(error, UnknownNameError) else 400)


async def _broken(_request: Request, error: Exception) -> Response:
    return _json({"error": f"The viewer failed ({type(error).__name__}); its terminal says where."}, 500)


def _session(request: Request) -> Session:
    return request.app.state.session


def _query(request: Request) -> Query:
    return Query(request.query_params)


def _opened(request: Request) -> OpenRun:
    return _session(request).run(_query(request).whole("run"))


def _subject(request: Request) -> tuple[OpenRun, Subject]:
    opened = _opened(request)
    return opened, opened.subject(_query(request).text("token"))


async def _index(_request: Request) -> Response:
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


def _runs(request: Request) -> Response:
    return _json([opened.about() for opened in _session(request).runs])


def _tokens(request: Request) -> Response:
    query, columns = _query(request), _opened(request).columns
    return _json(columns.page(query.wanted(), query.whole("offset"), query.whole("limit", 100)))


def _confusions(request: Request) -> Response:
    opened = _opened(request)
    counts = opened.columns.confusions(_query(request).wanted(), opened.run.labels)
    return _json({"labels": opened.run.labels, "counts": counts})


def _rank(request: Request) -> Response:
    """Where a token stands among those wanted; null if it is not among them or not of this run."""
    opened, query = _opened(request), _query(request)
    token = query.text("token")
    known = token in opened.columns.names
    return _json({"place": opened.columns.rank(query.wanted(), token) if known else None, "known": known})


def _token(request: Request) -> Response:
    opened, subject = _subject(request)
    columns, uploaded = opened.columns, subject.token not in opened.columns.names
    shown_end = subject.shown_start + len(subject.waveform) / subject.sample_rate
    facts: dict[str, Any] = {
        "token": subject.token,
        "start": subject.start,
        "end": subject.end,
        "shown_start": subject.shown_start,
        "shown_end": shown_end,
        "recording_seconds": subject.recording_seconds,
        "sample_rate": subject.sample_rate,
        "labels": opened.run.labels,
        "max_hz": opened.max_hz,
        "own": uploaded,
    }
    if uploaded:
        said = opened.classifiers.answer(subject)
        row = {"predicted": said.predicted, "confidence": max(said.probabilities) if said.probabilities else None}
        facts |= {"row": row, **said._asdict(), "stored": [], "around": [], "formants": None}
    else:
        row = columns.row(subject.token)
        known = row["predicted"] is not None
        facts |= {
            "row": row,
            "probabilities": columns.of_labels(row, opened.run.labels, "p_") if known else None,
            "scores": columns.of_labels(row, opened.run.labels, "score_") if known else None,
            "stored": [name for name in opened.stored() if subject.token in opened.maps(name)],
            "around": columns.beside(subject.token, subject.shown_start, shown_end),
            "formants": opened.formants_of(subject.token),
        }
    return _json(facts)


def _tracks(request: Request) -> Response:
    return _json(tracks_of(_subject(request)[1]))


def _picture(request: Request) -> Response:
    opened, subject = _subject(request)
    query = _query(request)
    packed = picture_of(
        _rendered(query, opened, subject),
        subject.sample_rate,
        subject.shown_start,
        window=query.choice("window", list(WINDOWS_SECONDS)),
        top_hz=query.number("top_hz", opened.max_hz, 100.0, subject.sample_rate / 2),
    )
    return Response(packed, media_type=MEDIA_TYPE)


def _methods(request: Request) -> Response:
    """The methods with their options; the page asks when it has shown something, so the network is loaded too."""
    _session(request).warm_up()
    from phonoscope.attribution import METHODS

    return _json(
        [{"name": m.name, "family": m.family, "summary": m.summary, "options": m.options} for m in METHODS.values()]
    )


def _chosen_map(query: Query, opened: OpenRun, subject: Subject) -> tuple[xr.DataArray, float]:
    """Return the stored or computed map that a request names, and the seconds it took."""
    stored = query.text("stored")
    if not stored:
        method, target = query.text("method", "cam"), query.text("target", "predicted")
        further = query.text("versus"), query.text("layer"), query.whole("seed")
        return opened.classifiers.map(subject, method, target, *further)
    kept = opened.maps(stored).get(subject.token)
    if kept is None:
        raise UnknownNameError(f"the run holds no {stored} map of this token; compute one")
    return kept, 0.0


def _map(request: Request) -> Response:
    opened, subject = _subject(request)
    chosen, seconds = _chosen_map(_query(request), opened, subject)
    return Response(map_of(chosen, subject, seconds=seconds), media_type=MEDIA_TYPE)


def _rendered(query: Query, opened: OpenRun, subject: Subject) -> np.ndarray:
    """Sound of a token with what is around it: as it is, masked by a map, without a band, or with cues moved."""
    what = query.choice("what", SOUNDS)
    if what == "plain":
        return subject.waveform
    if what == "moved":
        return _with_cues(query, opened, subject).waveform
    if what == "band":
        top = subject.sample_rate / 2
        low, high = (query.number(name, None, 0.0, top) for name in ("low", "high"))
        if high - low < _NARROWEST_HZ:
            raise QueryError(f"the band {low:.0f}–{high:.0f} Hz is too narrow; drag over {_NARROWEST_HZ:g} Hz")
        keep = query.choice("keep", ("0", "1")) == "1"
        depth = query.number("depth_db", -80.0 if keep else -40.0, -120.0, 0.0)
        return without_band(subject, low, high, keep=keep, depth_db=depth)
    from phonoscope.attribution.listening import masked_sounds

    masked = masked_sounds(
        subject.waveform,
        subject.sample_rate,
        _chosen_map(query, opened, subject)[0],
        context_seconds=subject.context / subject.sample_rate,
        threshold=query.number("threshold", 0.0, 0.0, 1.0) or None,
        keep_context=True,
    )
    return masked.only if what == "only" else masked.without


def _probabilities(request: Request) -> Response:
    """What the classifier says of a changed sound, and the milliseconds that it took from request to answer."""
    started = time.perf_counter()
    opened, subject = _subject(request)
    said = opened.classifiers.answer(subject, _rendered(_query(request), opened, subject))
    return _json({**said._asdict(), "ms": 1000 * (time.perf_counter() - started)})


def _with_cues(query: Query, opened: OpenRun, subject: Subject) -> Moved:
    given = {name: query.optional_number(name) for name in CUES}
    return opened.moved(subject.token, read_move(given, opened.movable(subject.token)))


def _cues(request: Request) -> Response:
    """What can be moved in a token, its formant tracks, and where the classes of the run lie; the network is loaded."""
    opened, subject = _subject(request)
    can = opened.movable(subject.token)
    (said,) = opened.classifiers.answers(subject, [subject.with_context(0.0)])
    found = tracks(can)
    cues = {
        name: {"before": can.before[name], "limits": can.limits.get(name), "absent": can.absent.get(name, "")}
        for name in CUES
    }
    times = [at + subject.shown_start for at in found["time"]]
    return _json({"cues": cues, **found, "time": times, "means": opened.class_means(subject.sex), **said._asdict()})


def _moved(request: Request) -> Response:
    """A token with cues moved: its picture, what became of each cue, what is heard, and in how many milliseconds."""
    started = time.perf_counter()
    opened, subject = _subject(request)
    query = _query(request)
    made = _with_cues(query, opened, subject)
    (said,) = opened.classifiers.answers(subject, [made.waveform[subject.context : -subject.context]])
    facts = {"cues": made.cues, "words": made.words, "end": subject.start + made.seconds, **said._asdict()}
    packed = picture_of(
        made.waveform,
        subject.sample_rate,
        subject.shown_start,
        window=query.choice("window", list(WINDOWS_SECONDS)),
        top_hz=query.number("top_hz", opened.max_hz, 100.0, subject.sample_rate / 2),
        **facts,
        ms=1000 * (time.perf_counter() - started),
    )
    return Response(packed, media_type=MEDIA_TYPE)


async def _heard(request: Request) -> Response:
    (opened, subject), asked = _subject(request), await _json_body(request)
    return await run_in_threadpool(_heard_of_many, opened, subject, asked.get("moves"))


def _heard_of_many(opened: OpenRun, subject: Subject, moves: Any) -> Response:
    """What is heard of a token with cues moved in several ways."""
    several = isinstance(moves, list) and 1 <= len(moves) <= MOST_AT_ONCE
    if not several or not all(isinstance(move, dict) for move in moves):
        raise QueryError(f"expected 1 to {MOST_AT_ONCE} objects, of values by name of the cue")
    can = opened.movable(subject.token)
    sounds, facts = stimuli(can, [read_move(move, can) for move in moves])
    said = opened.classifiers.answers(subject, sounds)
    return _json([{**fact, **answer._asdict()} for fact, answer in zip(facts, said, strict=True)])


def _sound(request: Request) -> Response:
    opened, subject = _subject(request)
    query = _query(request)
    sound = _rendered(query, opened, subject)
    if query.choice("part", ("around", "token", "stretch")) == "token":
        sound = sound[subject.context : len(sound) - subject.context]
    begin, end = (query.optional_number(name) for name in ("begin", "end"))
    if begin is not None and end is not None:
        first, last = (round((edge - subject.shown_start) * subject.sample_rate) for edge in (begin, end))
        sound = sound[max(first, 0) : max(last, 0)]
        if len(sound) == 0:
            raise AudioError("the stretch chosen holds no sound")
    return Response(wav_of(sound, subject.sample_rate, ramps=True), media_type="audio/wav")


def _notes(request: Request) -> Response:
    notes = _opened(request).notes
    return _json({"notes": notes.all(), "saved": notes.saved})


async def _put_note(request: Request) -> Response:
    opened, note = _opened(request), await _json_body(request)
    return await run_in_threadpool(_put, opened, note)


def _put(opened: OpenRun, given: dict[str, Any]) -> Response:
    token = str(given.get("token", ""))
    if token not in opened.columns.names:
        raise UnknownNameError("notes are kept for tokens of the run; this is none")
    note: dict[str, Any] = {"token": token, "text": str(given.get("text", ""))}
    for name in ("start", "end", "low", "high"):
        value = given.get(name)
        if value is not None and (not isinstance(value, (int, float)) or not abs(value) < 1e9):
            raise QueryError(f"{name} of a note must be a number")
        note[name] = value
    if isinstance(given.get("id"), int):
        note["id"] = given["id"]
    return _json({"note": opened.notes.put(note), "saved": opened.notes.saved})


def _remove_note(request: Request) -> Response:
    notes = _opened(request).notes
    notes.remove(_query(request).whole("id"))
    return _json({"notes": notes.all(), "saved": notes.saved})


def _export(request: Request) -> Response:
    opened, query = _opened(request), _query(request)
    notes = opened.notes.all()
    if query.choice("of", ("notes", "filtered")) == "notes":
        tokens = list(dict.fromkeys(note["token"] for note in notes if note["token"] in opened.columns.names))
    else:
        tokens = opened.columns.chosen_names(query.wanted())
    chosen = set(tokens)
    notes = [note for note in notes if note["token"] in chosen]
    if query.choice("as", ("csv", "textgrid")) == "csv":
        name, content, kind = "tokens.csv", to_csv(opened.columns, tokens, notes).encode("utf-8"), "text/csv"
    else:
        name, content = to_textgrids(opened.columns, tokens, notes)
        kind = "application/zip" if name.endswith(".zip") else "text/plain"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{plain}"'})


async def _add_upload(request: Request) -> Response:
    """Take a recording: the body is the file itself."""
    content = await _limited_body(request, MOST_BYTES)
    if content is None:
        return _json({"error": f"Recordings of more than {MOST_BYTES // 2**20} MB are refused."}, 413)
    name = _query(request).text("name", "recording") or "recording"
    try:
        made = await run_in_threadpool(_session(request).uploads.add, content, name)
    except AudioError as error:
        return _json({"error": str(error)}, 415)
    return _json({"number": made.number, "name": made.name, "seconds": made.seconds, "sample_rate": made.sample_rate})


def _upload(request: Request) -> Response:
    """Spectrogram of a whole uploaded recording, at the rate of a run's classifier."""
    opened = _opened(request)
    recording = _session(request).uploads.get(_query(request).whole("number"))
    rate = opened.sample_rate
    packed = picture_of(recording.at(rate), rate, 0.0, window="wide", top_hz=opened.max_hz)
    return Response(packed, media_type=MEDIA_TYPE)


async def _json_body(request: Request) -> dict[str, Any]:
    content = await _limited_body(request, _MOST_JSON_BYTES)
    try:
        value = json.loads(content) if content is not None else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise QueryError("expected a small JSON object")
    return value


async def _limited_body(request: Request, most: int) -> bytes | None:
    """Body of a request; None, without reading on, as soon as it is longer than allowed."""
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > most:
        return None
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            return None
    return bytes(content)
