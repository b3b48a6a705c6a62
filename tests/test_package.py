"""The package as a whole: its public names, what it imports and when, and what it must never import."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import phonoscope

SOURCES = sorted(Path(phonoscope.__file__).parent.rglob("*.py"))
REFUSED = {"torchvision", "torchaudio", "timm", "pytorch_grad_cam", "zennit", "librosa", "quantus", "tgt"}


def imports_of(path):
    """Top-level packages that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


def test_refused_packages_are_imported_nowhere():
    assert len(SOURCES) > 50
    for path in SOURCES:
        assert not imports_of(path) & REFUSED, path
    assert "torch" in set.union(*map(imports_of, SOURCES))  # the search finds what is there


def test_every_module_imports():
    root = Path(phonoscope.__file__).parent.parent
    for path in SOURCES:
        if path.name != "__main__.py":
            name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            assert import_module(name).__doc__, name


def test_public_names_resolve_and_others_do_not():
    assert {"read_corpus", "Classifier", "explain", "contrast", "formants", "PhonoscopeError"} <= set(
        phonoscope.__all__
    )
    for name in phonoscope.__all__:
        assert getattr(phonoscope, name) is not None
        assert name in dir(phonoscope)
    with pytest.raises(AttributeError, match="no attribute 'explains'"):
        _ = phonoscope.explains


def test_public_functions_and_classes_say_what_they_do():
    for name in phonoscope.__all__:
        thing = getattr(phonoscope, name)
        if callable(thing):
            assert thing.__doc__, name
            assert thing.__doc__.strip()[0].isupper(), name


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import phonoscope", ["torch", "pandas", "numpy", "scipy", "matplotlib", "typer"]),
        ("import phonoscope.corpora", ["torch", "matplotlib", "sklearn", "pocketsphinx", "parselmouth"]),
        ("import phonoscope.phonetics.formants", ["torch", "matplotlib", "sklearn", "parselmouth"]),
        ("import phonoscope.synthesis.corpus", ["torch", "matplotlib", "sklearn"]),
        ("import phonoscope.classifier", ["matplotlib", "sklearn", "transformers", "huggingface_hub"]),
    ],
)
def test_imports_stay_light(code, absent):
    check = f"{code}; import sys; print([m for m in {absent!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
