"""The routes of the viewer: requests in, JSON, arrays and sounds out; every fault is a plain sentence."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
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
from phonoscope.viewer import asked as read
from phonoscope.viewer.guard import Guard
from phonoscope.viewer.own import MOST_BYTES
from phonoscope.viewer.packing import MEDIA_TYPE
from phonoscope.viewer.session import OpenRun, Session, UnknownNameError
from phonoscope.viewer.subject import Subject

STATIC = Path(__file__).with_name("static")
SOUNDS = ("plain", "only", "without", "band")
_MOST_JSON_BYTES = 64 * 2**10
_NARROWEST_HZ = 10.0


def build_app(session: Session, *, token: str, port: int, on_start: Callable[[], None] = lambda: None) -> Starlette:
    """Make the application.

    Parameters
    ----------
    token, port
        Who may talk to it; see `Guard`.
    on_start
        Called when it is ready to answer.
    """
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> Any:
        on_start()
        yield

    routes = [
        Route("/", _index),
        Route("/api/runs", _runs),
        Route("/api/tokens", _tokens),
        Route("/api/confusions", _confusions),
        Route("/api/place", _place),
        Route("/api/token", _token),
        Route("/api/tracks", _tracks),
        Route("/api/picture", _picture),
        Route("/api/methods", _methods),
        Route("/api/map", _map),
        Route("/api/hear", _hear),
        Route("/api/sound", _sound),
        Route("/api/notes", _notes, methods=["GET"]),
        Route("/api/notes", _put_note, methods=["POST"]),
        Route("/api/notes", _remove_note, methods=["DELETE"]),
        Route("/api/export", _export),
        Route("/api/own", _add_own, methods=["POST"]),
        Route("/api/own", _own, methods=["GET"]),
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


def _opened(request: Request) -> OpenRun:
    return _session(request).run(read.whole(request.query_params, "run"))


def _subject(request: Request) -> tuple[OpenRun, Subject]:
    opened = _opened(request)
    return opened, opened.subject(read.text(request.query_params, "token"))


async def _index(_request: Request) -> Response:
    return FileResponse(STATIC / "index.html", media_type="text/html; charset=utf-8")


def _runs(request: Request) -> Response:
    return _json([opened.about() for opened in _session(request).runs])


def _tokens(request: Request) -> Response:
    asked, columns = request.query_params, _opened(request).columns
    return _json(columns.page(read.wanted(asked), read.whole(asked, "offset"), read.whole(asked, "limit", 100)))


def _confusions(request: Request) -> Response:
    opened = _opened(request)
    counts = opened.columns.confusions(read.wanted(request.query_params), opened.run.labels)
    return _json({"labels": opened.run.labels, "counts": counts})


def _place(request: Request) -> Response:
    """Where a token stands among those wanted; null if it is not among them or not of this run."""
    opened, token = _opened(request), read.text(request.query_params, "token")
    known = token in opened.columns.names
    place = opened.columns.place(read.wanted(request.query_params), token) if known else None
    return _json({"place": place, "known": known})


def _token(request: Request) -> Response:
    opened, subject = _subject(request)
    columns, own = opened.columns, subject.token not in opened.columns.names
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
        "own": own,
    }
    if own:
        p = opened.ear.probabilities(subject)
        row = {"predicted": opened.run.labels[int(np.argmax(p))], "confidence": max(p)}
        facts |= {"row": row, "probabilities": p, "stored": [], "around": [], "formants": None}
    else:
        row = columns.row(subject.token)
        known = row["predicted"] is not None
        facts |= {
            "row": row,
            "probabilities": [row.get(f"p_{label}") for label in opened.run.labels] if known else None,
            "stored": [name for name in opened.stored() if opened.has_map(name, subject.token)],
            "around": columns.beside(subject.token, subject.shown_start, shown_end),
            "formants": opened.formants_of(subject.token),
        }
    return _json(facts)


def _tracks(request: Request) -> Response:
    from phonoscope.viewer.pictures import tracks_of

    return _json(tracks_of(_subject(request)[1]))


def _picture(request: Request) -> Response:
    from phonoscope.viewer.pictures import WINDOWS_SECONDS, picture_of

    opened, subject = _subject(request)
    asked = request.query_params
    packed = picture_of(
        _rendered(request, opened, subject),
        subject.sample_rate,
        subject.shown_start,
        window=read.choice(asked, "window", list(WINDOWS_SECONDS)),
        top_hz=read.number(asked, "top_hz", opened.max_hz, 100.0, subject.sample_rate / 2),
    )
    return Response(packed, media_type=MEDIA_TYPE)


def _methods(request: Request) -> Response:
    """The methods with their options; the page asks when it has shown something, so the network is loaded too."""
    _session(request).warm_up()
    from phonoscope.attribution import METHODS

    return _json(
        [{"name": m.name, "family": m.family, "summary": m.summary, "options": m.options} for m in METHODS.values()]
    )


def _asked_map(request: Request, opened: OpenRun, subject: Subject) -> tuple[Any, float]:
    """Return the stored or computed map that a request names, and the seconds it took."""
    asked = request.query_params
    stored = read.text(asked, "stored")
    if stored:
        found = opened.stored_map(stored, subject.token)
        if found is None:
            raise UnknownNameError(f"the run holds no {stored} map of this token; compute one")
        return found, 0.0
    return opened.ear.map(
        subject,
        read.text(asked, "method", "cam"),
        read.text(asked, "target", "predicted"),
        read.text(asked, "versus"),
        read.text(asked, "layer"),
        read.whole(asked, "seed"),
    )


def _map(request: Request) -> Response:
    from phonoscope.viewer.pictures import map_of

    opened, subject = _subject(request)
    found, seconds = _asked_map(request, opened, subject)
    return Response(map_of(found, subject, seconds=seconds), media_type=MEDIA_TYPE)


def _rendered(request: Request, opened: OpenRun, subject: Subject) -> np.ndarray:
    """Sound of a token with what is around it: as it is, only or without what a map shows, or with a band taken out."""
    asked = request.query_params
    what = read.choice(asked, "what", SOUNDS)
    if what == "plain":
        return subject.waveform
    if what == "band":
        from phonoscope.viewer.live import Band, without_band

        top = subject.sample_rate / 2
        low, high = (read.number(asked, name, None, 0.0, top) for name in ("low", "high"))
        if high - low < _NARROWEST_HZ:
            raise read.AskedError(f"the band {low:.0f}–{high:.0f} Hz is too narrow; drag over {_NARROWEST_HZ:g} Hz")
        keep = read.choice(asked, "keep", ("0", "1")) == "1"
        depth = read.number(asked, "depth_db", -80.0 if keep else -40.0, -120.0, 0.0)
        return without_band(subject, Band(low, high, keep, depth))
    from phonoscope.attribution.listening import masked_sounds

    threshold = read.number(asked, "threshold", 0.0, 0.0, 1.0)
    masked = masked_sounds(
        subject.waveform,
        subject.sample_rate,
        _asked_map(request, opened, subject)[0].labelled(),
        context_seconds=subject.context / subject.sample_rate,
        threshold=threshold or None,
        keep_context=True,
    )
    return masked.only if what == "only" else masked.without


def _hear(request: Request) -> Response:
    """Probabilities of the classes for a changed sound, and the milliseconds that it took from request to answer."""
    started = time.perf_counter()
    opened, subject = _subject(request)
    p = opened.ear.probabilities(subject, _rendered(request, opened, subject))
    return _json({"probabilities": p, "ms": 1000 * (time.perf_counter() - started)})


def _sound(request: Request) -> Response:
    from phonoscope.viewer.pictures import wav_of

    opened, subject = _subject(request)
    sound = _rendered(request, opened, subject)
    if read.choice(request.query_params, "part", ("around", "token", "stretch")) == "token":
        sound = sound[subject.context : len(sound) - subject.context]
    begin, end = (read.optional_number(request.query_params, name) for name in ("begin", "end"))
    if begin is not None and end is not None:
        first = round((begin - subject.shown_start) * subject.sample_rate)
        last = round((end - subject.shown_start) * subject.sample_rate)
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
            raise read.AskedError(f"{name} of a note must be a number")
        note[name] = value
    if isinstance(given.get("id"), int):
        note["id"] = given["id"]
    return _json({"note": opened.notes.put(note), "saved": opened.notes.saved})


def _remove_note(request: Request) -> Response:
    notes = _opened(request).notes
    notes.remove(read.whole(request.query_params, "id"))
    return _json({"notes": notes.all(), "saved": notes.saved})


def _export(request: Request) -> Response:
    from phonoscope.viewer.notes import to_csv, to_textgrids

    opened, asked = _opened(request), request.query_params
    notes = opened.notes.all()
    if read.choice(asked, "of", ("notes", "filtered")) == "notes":
        tokens = list(dict.fromkeys(note["token"] for note in notes if note["token"] in opened.columns.names))
    else:
        tokens = opened.columns.chosen_names(read.wanted(asked))
    own = [note for note in notes if note["token"] in set(tokens)]
    if read.choice(asked, "as", ("csv", "textgrid")) == "csv":
        name, content, kind = "tokens.csv", to_csv(opened.columns, tokens, own).encode("utf-8"), "text/csv"
    else:
        name, content = to_textgrids(opened.columns, tokens, own)
        kind = "application/zip" if name.endswith(".zip") else "text/plain"
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)
    return Response(content, media_type=kind, headers={"content-disposition": f'attachment; filename="{plain}"'})


async def _add_own(request: Request) -> Response:
    """Take a recording: the body is the file itself."""
    content = await _limited_body(request, MOST_BYTES)
    if content is None:
        return _json({"error": f"Recordings of more than {MOST_BYTES // 2**20} MB are refused."}, 413)
    name = read.text(request.query_params, "name", "recording") or "recording"
    try:
        made = await run_in_threadpool(_session(request).own.add, content, name)
    except AudioError as error:
        return _json({"error": str(error)}, 415)
    return _json({"number": made.number, "name": made.name, "seconds": made.seconds, "sample_rate": made.sample_rate})


def _own(request: Request) -> Response:
    """Spectrogram of a whole own recording, at the rate of a run's classifier."""
    from phonoscope.viewer.pictures import picture_of

    opened = _opened(request)
    try:
        recording = opened.own.get(read.whole(request.query_params, "number"))
    except KeyError:
        raise UnknownNameError("this recording is not held any more; drop it on the page again") from None
    rate = opened.sample_rate
    packed = picture_of(recording.at(rate), rate, 0.0, window="wide", top_hz=opened.max_hz)
    return Response(packed, media_type=MEDIA_TYPE)


async def _json_body(request: Request) -> dict[str, Any]:
    import json

    content = await _limited_body(request, _MOST_JSON_BYTES)
    try:
        value = json.loads(content) if content is not None else None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise read.AskedError("expected a small JSON object")
    return value


async def _limited_body(request: Request, most: int) -> bytes | None:
    """Body of a request; None, without reading on, as soon as it is longer than allowed."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said) > most:
        return None
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > most:
            return None
    return bytes(content)
