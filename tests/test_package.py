"""The package as a whole: its public names, what it imports and when, and what it must never import."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from itertools import chain
from pathlib import Path

import pytest

import phonoscope

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = Path(phonoscope.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
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


PACKAGE_OF = {  # where its name is not that of the import
    "PIL": "pillow",
    "parselmouth": "praat-parselmouth",
    "sklearn": "scikit-learn",
}


def names_of(requirements):
    return {re.match(r"[\w-]+", requirement)[0].lower() for requirement in requirements}


def test_everything_that_is_imported_is_declared_and_everything_declared_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = names_of(project["dependencies"])
    extras = project["optional-dependencies"]
    wanted = set.union(*map(imports_of, SOURCES)) - set(sys.stdlib_module_names) - {"phonoscope", "benchmarks"}
    wanted = {PACKAGE_OF.get(name, name).lower() for name in wanted}
    users = ("align", "praat", "hf", "captum", "onnx", "ray", "web")
    assert wanted - needed - names_of(chain.from_iterable(extras[name] for name in users)) == set()
    assert needed - wanted == set()
    pinned = names_of((ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    assert (needed | names_of(chain.from_iterable(extras.values()))) - pinned == set()


def test_every_module_imports():
    for path in SOURCES:
        if path.name != "__main__.py":
            name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
            assert import_module(name).__doc__, name


def test_public_names_resolve_and_others_do_not():
    assert {"read_corpus", "Classifier", "explain", "contrast", "formants", "PhonoscopeError"} <= set(
        phonoscope.__all__
    )
    for name in phonoscope.__all__:
        assert getattr(phonoscope, name) is not None
        assert name in dir(phonoscope)
    assert dir(phonoscope) == sorted(phonoscope.__all__), "and nothing else is shown"
    with pytest.raises(AttributeError, match="no attribute 'explains'"):
        _ = phonoscope.explains


def test_type_checkers_see_the_public_names_and_where_they_are_made():
    """The package has type hints for its users (PEP 561), behind names that are imported on first use too."""
    assert PACKAGE.joinpath("py.typed").is_file()
    stub = ast.parse(PACKAGE.joinpath("__init__.pyi").read_text(encoding="utf-8"))
    shown = {node.names[0].asname: node for node in stub.body if isinstance(node, ast.ImportFrom)}
    assert {*shown, "__version__"} == set(phonoscope.__all__)
    for name, node in shown.items():
        # a room may be called itself
        shown_here, made = getattr(phonoscope, name), getattr(import_module(node.module), node.names[0].name)
        assert made in (shown_here, getattr(shown_here, "__call__", None))  # noqa: B004


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
