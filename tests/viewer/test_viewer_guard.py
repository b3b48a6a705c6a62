"""Who is let in, and what is refused: other hosts and pages, no token, paths, large and strange files."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.testclient import TestClient

from phonoscope.viewer.app import build_app
from phonoscope.viewer.session import Session
from phonoscope.viewer.uploads import MOST_BYTES, MOST_SECONDS

PORT = 8123
TOKEN = "a-token"
HOST = f"127.0.0.1:{PORT}"
OWN = {"X-Phonoscope-Token": TOKEN}
HERE = {"Origin": f"http://{HOST}"}


@pytest.fixture
def page(made: Path) -> TestClient:
    return TestClient(build_app(Session([made]), token=TOKEN, port=PORT), base_url=f"http://{HOST}")


def wav(waveform: np.ndarray, rate: int = 16000) -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, waveform, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{PORT}", "127.0.0.1:1", "127.0.0.1", f"[::1]:{PORT}", ""]
)
def test_other_hosts_are_refused_even_with_the_token(page: TestClient, host: str) -> None:
    for path in ("/", f"/?token={TOKEN}", "/api/runs", "/static/main.js"):
        answer = page.get(path, headers={**OWN, "Host": host})
        assert answer.status_code == 403
        assert "evil" not in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", f"https://{HOST}", "http://127.0.0.1:1", f"http://{HOST}.evil.example"]
)
def test_other_pages_are_refused_even_with_the_token(page: TestClient, origin: str) -> None:
    assert page.get("/api/runs", headers={**OWN, "Origin": origin}).status_code == 403
    assert page.post("/api/own", headers={**OWN, "Origin": origin}, content=b"x").status_code == 403


def test_changing_requests_must_say_where_they_come_from(page: TestClient) -> None:
    assert page.post("/api/own", headers=OWN, content=b"x").status_code == 403
    assert page.post("/api/heard?run=0&token=x", headers=OWN, json={"moves": [{}]}).status_code == 403
    assert page.post("/api/own", headers={**OWN, **HERE}, content=b"x").status_code == 415
    assert page.delete("/api/notes?run=0&id=1", headers=OWN).status_code == 403


@pytest.mark.parametrize(
    "path", ["/", "/?token=wrong", "/?token=", "/api/runs", "/api/runs?token=a-token", "/static/main.js", "/nothing"]
)
def test_without_the_token_there_is_nothing(page: TestClient, path: str) -> None:
    answer = page.get(path)
    assert answer.status_code == 403
    assert set(answer.json()) == {"error"}
    assert "set-cookie" not in answer.headers


def test_the_address_with_the_token_makes_a_cookie_that_does_the_rest(page: TestClient) -> None:
    answer = page.get(f"/?token={TOKEN}")
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path=/" in cookie
    assert page.get("/api/runs").status_code == 200
    assert page.get("/static/main.js").status_code == 200
    page.cookies.clear()
    assert page.get("/api/runs", headers={"Cookie": f"phonoscope_{PORT}=wrong"}).status_code == 403
    assert page.get("/api/runs", headers={"Cookie": f"phonoscope_1={TOKEN}"}).status_code == 403


@pytest.mark.parametrize("path", ["/", "/api/runs", "/api/token?run=0&token=none", "/static/main.js", "/api/none"])
def test_every_answer_forbids_what_the_page_does_not_need(page: TestClient, path: str) -> None:
    for headers in (OWN, {}):
        answer = page.get(path, headers=headers)
        policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static/%2e%2e%2fguard.py",
        "/static//etc/passwd", "/static/....//app.py", "/api/../app.py", "/notes.json", "/run.json",
    ],
)  # fmt: skip
def test_no_file_outside_the_page_is_served(page: TestClient, path: str) -> None:
    answer = page.get(path, headers=OWN)
    assert answer.status_code in (400, 404, 405)
    assert "error" in answer.json()


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "run.json", "", "own:1:0.0-0.1", "own:../1:0.0-0.1", "x" * 5000]
)
def test_only_tokens_of_the_table_are_opened(page: TestClient, name: str) -> None:
    for path in ("token", "picture", "sound", "tracks", "hear", "map", "cues", "moved"):
        answer = page.get(f"/api/{path}", params={"run": 0, "token": name}, headers=OWN)
        assert answer.status_code in (400, 404)
        assert "root:" not in answer.text


@pytest.mark.parametrize("stored", ["../maps/cam", "..", "/", "cam/../cam", "none"])
def test_only_maps_of_the_run_are_opened(page: TestClient, stored: str) -> None:
    token = page.get("/api/tokens?run=0&limit=1&outcome=tested", headers=OWN).json()["rows"][0][0]
    asked = {"run": 0, "token": token, "stored": stored}
    assert page.get("/api/map", params=asked, headers=OWN).status_code == 404
    assert page.get("/api/map", params={**asked, "stored": "cam"}, headers=OWN).status_code == 200
    assert page.get("/api/map", params={**asked, "run": 7}, headers=OWN).status_code == 404


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("hear?what=band&low=1000", "high"),
        ("hear?what=band&low=nan&high=2000", "low"),
        ("hear?what=band&low=1000&high=1001", "narrow"),
        ("hear?what=loud", "plain, only"),
        ("picture?window=wider", "wide, narrow"),
        ("sound?part=stretch&begin=900&end=901", "no sound"),
        ("map?method=no-such", "not known"),
        ("map?method=os:abort", "asks to import its method"),
        ("map?method=smooth(antigravity:m)", "asks to import its method"),
        ("map?method=gradient(x=1)", "option"),
        ("map?method=gradient&target=zz", "zz"),
        ("map?method=cam&target=i&versus=i", "against itself"),
        ("sound?what=only&method=cam&threshold=7", "threshold"),
    ],
)
def test_what_makes_no_sense_is_answered_in_a_plain_sentence(page: TestClient, path: str, says: str) -> None:
    token = page.get("/api/tokens?run=0&limit=1", headers=OWN).json()["rows"][0][0]
    answer = page.get(
        f"/api/{path}",
        params={**dict(p.split("=", 1) for p in path.split("?")[1].split("&")), "run": 0, "token": token},
        headers=OWN,
    )
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert "Traceback" not in answer.text


def test_uploads_are_limited_and_must_be_audio(page: TestClient) -> None:
    both = {**OWN, **HERE}
    for content in (b"", b"not a sound", b"RIFF" + b"\0" * 100, b"<html>"):
        answer = page.post("/api/own?name=a.wav", headers=both, content=content)
        assert answer.status_code == 415
        assert "/tmp" not in answer.text
    assert page.post("/api/own", headers=both, content=b"\0" * (MOST_BYTES + 1)).status_code == 413
    chunks = (b"\0" * 2**20 for _ in range(MOST_BYTES // 2**20 + 2))  # without a length that could be believed
    assert page.post("/api/own", headers=both, content=chunks).status_code == 413
    long = wav(np.zeros(int((MOST_SECONDS + 1) * 8000), dtype=np.float32), 8000)
    answer = page.post("/api/own?name=long.wav", headers=both, content=long)
    assert answer.status_code == 415
    assert "long.wav lasts 301 s" in answer.json()["error"]
    assert page.post("/api/own?name=ok.wav", headers=both, content=wav(np.ones(8000) * 0.1)).status_code == 200


def test_notes_take_small_plain_objects_only(page: TestClient) -> None:
    both = {**OWN, **HERE}
    for content in (b"[1]", b"{", b'{"token": "none"}', b"{}" + b" " * 2**17):
        assert page.post("/api/notes?run=0", headers=both, content=content).status_code in (400, 404)
    assert page.put("/api/notes?run=0", headers=both).status_code == 405
