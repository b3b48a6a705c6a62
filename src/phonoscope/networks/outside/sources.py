"""Where models from elsewhere come from, and how each kind is built again: transformers, files, import paths."""

from __future__ import annotations

import inspect
import io
import re
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from phonoscope.errors import ClassifierError, MissingExtraError
from phonoscope.modules import random_numbers_kept
from phonoscope.networks.outside.calling import resets_of
from phonoscope.networks.outside.recurrent import Node, find_states, known_hop
from phonoscope.networks.outside.texts import build_texts
from phonoscope.registry import imported

# TorchScript is code: what reads or writes files, or calls operators of other libraries, is not run.
_UNSAFE_SCRIPT = re.compile(r"\b(?:save|from_file|load)\(|\bops\.(?!prim\.|aten\.)\w+")


class FunctionModel(nn.Module):
    """A function of sounds: a list of 1-D float32 arrays in, scores (n, labels) out; no gradient passes through.

    Parameters
    ----------
    function
        Or whatever can be called in this way.
    """

    def __init__(self, function: Callable[[list[np.ndarray]], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, sounds: Tensor) -> Any:
        """Scores (batch, labels) of sounds (batch, samples)."""
        arrays = [np.ascontiguousarray(sound) for sound in sounds.detach().cpu().float().numpy()]
        return as_tensors(self.function(arrays), sounds.device)


def as_tensors(values: Any, device: torch.device) -> Any:
    """What a function returned, with every array and list of numbers as a tensor.

    Parameters
    ----------
    values
        Array, table, numbers, or a dictionary or tuple of such.
    device
        Of the tensors.
    """
    if isinstance(values, Mapping):
        return {key: as_tensors(value, device) for key, value in values.items()}
    if isinstance(values, tuple):
        return tuple(as_tensors(value, device) for value in values)
    if isinstance(values, Tensor):
        return values.to(device)
    array = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values)
    if array.dtype == object or not np.issubdtype(array.dtype, np.number):
        raise ClassifierError(
            f"the function returned {type(values).__name__}, not numbers; expected an array (sounds, labels)"
        )
    return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float32)).to(device)


class FileModel(nn.Module, ABC):
    """A model that lies in one file, whose bytes travel with the weights: so a saved classifier needs nothing else.

    Parameters
    ----------
    content
        Bytes of the file, shape (n,), uint8; empty until they are loaded.
    """

    content: Tensor

    def __init__(self, content: Tensor) -> None:
        super().__init__()
        self.register_buffer("content", content)

        self.register_load_state_dict_pre_hook(_make_room)
        self.register_load_state_dict_post_hook(lambda module, _keys: module.open())

    @abstractmethod
    def open(self) -> None:
        """Make the model ready to run from its bytes."""

    def file(self) -> bytes:
        """The file."""
        return self.content.cpu().numpy().tobytes()


def _make_room(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Before a file is loaded: its length is not known earlier."""
    module.content = torch.zeros_like(state[f"{prefix}content"])


class OnnxModel(FileModel):
    """An ONNX model, run by onnxruntime; no gradient passes through."""

    def open(self) -> None:
        """Open a session; see `FileModel`."""
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtraError("onnxruntime", "onnx") from error
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # what fails is raised
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            session = onnxruntime.InferenceSession(self.file(), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has errors of its own
            raise ClassifierError(f"this is no ONNX model that onnxruntime can run: {error}") from error
        self._session = session
        inputs, self._outputs = (
            [Node(node.name, node.type, node.shape) for node in nodes]
            for nodes in (session.get_inputs(), session.get_outputs())
        )
        self._states = find_states(inputs, self._outputs)
        self._hop = known_hop(inputs, self._outputs)
        self._inputs = [node for node in inputs if node not in [state.given for state in self._states]]
        fixed = self._inputs[0].shape[0] if self._inputs[0].shape else None
        if isinstance(fixed, int) and fixed != 1:
            raise ClassifierError(f"the ONNX model was exported for {fixed} sounds at a time; export it for any")
        self._singly = fixed == 1 or any(state.fixed for state in self._states)
        if self._states:
            object.__setattr__(self, "reset_states", self._forget)
        self._forget()

    def __getstate__(self) -> dict[str, Any]:
        kept_out = ("_session", "reset_states")  # which cannot be copied
        return {name: value for name, value in self.__dict__.items() if name not in kept_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if len(self.content):
            self.open()

    def _forget(self) -> None:
        """Begin the next sounds anew; see `Takes`."""
        self._carried: list[dict[str, np.ndarray]] = []
        self._before: Tensor | None = None

    @property
    def arguments(self) -> list[str]:
        """Names of what it must be given: all inputs but its states."""
        return [node.name for node in self._inputs]

    def forward(self, inputs: Tensor, beside: Tensor | int | None = None) -> Any:
        """Run it; a model with states goes on from the sounds before, if they were as many, until ``reset_states()``.

        Parameters
        ----------
        inputs
            Sounds (batch, samples) or (batch, 1, samples), or pictures.
        beside
            Second input, for models that have one: lengths, or the sample rate.
        """
        given = [inputs] if beside is None else [inputs, beside]
        if len(given) != len(self._inputs):
            names = ", ".join(self.arguments)
            raise ClassifierError(f"the ONNX model takes {len(self._inputs)} inputs ({names}), not {len(given)}")
        if self._hop is not None:
            given[0] = self._after_context(inputs, *self._hop.samples(beside if isinstance(beside, int) else None))
        arrays = {node.name: _array(value, node) for value, node in zip(given, self._inputs, strict=True)}
        count = len(inputs)
        runs = [slice(i, i + 1) for i in range(count)] if self._singly else [slice(None)]
        if len(self._carried) != len(runs) or any(self._of_others(carried, count) for carried in self._carried):
            each = 1 if self._singly else count
            self._carried = [{state.given.name: state.start(each) for state in self._states} for _ in runs]
        answers = []
        for number, part in enumerate(runs):
            fed = {name: array[part] if array.ndim and len(array) == count else array for name, array in arrays.items()}
            values = self._session.run(None, fed | self._carried[number])
            found = {node.name: value for node, value in zip(self._outputs, values, strict=True)}
            self._carried[number] = {s.given.name: np.asarray(found.pop(s.output)) for s in self._states}
            answers.append({name: value for name, value in found.items() if isinstance(value, np.ndarray)})
        whole = answers[0]
        if len(answers) > 1:
            whole = {name: np.concatenate([answer[name] for answer in answers]) for name in whole}
        tensors = {k: torch.from_numpy(np.ascontiguousarray(v)).to(inputs.device) for k, v in whole.items()}
        return next(iter(tensors.values())) if len(tensors) == 1 else tensors

    def _of_others(self, carried: Mapping[str, np.ndarray], count: int) -> bool:
        """Whether states are those of another number of sounds."""
        each = 1 if self._singly else count
        return any(carried[state.given.name].shape != state.start(each).shape for state in self._states)

    def _after_context(self, sounds: Tensor, window: int, samples: int) -> Tensor:
        """Sounds of a window's length with the end of those before in front; zeros in front of the first."""
        if sounds.shape[-1] != window:
            raise ClassifierError(f"the ONNX model takes {window} samples at a time, not {sounds.shape[-1]}")
        before = self._before
        if before is None or before.shape[:-1] != sounds.shape[:-1]:
            before = sounds.new_zeros((*sounds.shape[:-1], samples))
        self._before = sounds[..., -samples:].detach()
        return torch.cat([before.to(sounds), sounds], -1)


def _array(value: Tensor | int, node: Node) -> np.ndarray:
    """A value as an input of a graph wants it: of its type, and a number as a scalar, or alone in an array."""
    kind = _ONNX_TYPES.get(node.type, np.float32)
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy().astype(kind)
    if len(node.shape) > 1:
        raise ClassifierError(f"the ONNX model's input {node.name!r} has {len(node.shape)} dimensions; it is no number")
    return np.full([1] * len(node.shape), value, dtype=kind)


_ONNX_TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
}


class ScriptModel(FileModel):
    """A TorchScript model; layers inside it cannot be looked at."""

    def open(self) -> None:
        """Load the archive; see `FileModel`."""
        refuse_unsafe_script(self.file())
        try:
            script = torch.jit.load(io.BytesIO(self.file()), map_location="cpu")
        except Exception as error:  # torch raises what it likes
            first = str(error).strip().partition("\n")[0]
            raise ClassifierError(f"this is no TorchScript archive that PyTorch can load: {first}") from error
        object.__setattr__(self, "script", script.eval())  # its weights are in the file already
        if reset := resets_of(script):
            object.__setattr__(self, reset, getattr(script, reset))

    def forward(self, *inputs: Tensor) -> Any:
        """Run it."""
        script: Any = vars(self)["script"]
        return script(*inputs)

    def _apply(self, fn: Any, recurse: bool = True) -> ScriptModel:
        super()._apply(fn, recurse)
        if "script" in vars(self):
            vars(self)["script"]._apply(fn)
        return self


def script_weights(content: Tensor) -> dict[str, Tensor]:
    """Weights of a TorchScript archive by their names, from its bytes (n,), uint8.

    Raises
    ------
    ClassifierError
        If it is not safe to open, or no such archive.
    """
    script: Any = vars(model_of_file("torchscript", content))["script"]
    return {name: value for name, value in script.state_dict().items() if isinstance(value, Tensor)}


def refuse_unsafe_script(content: bytes) -> None:
    """Refuse a TorchScript archive whose code reads or writes files, or calls operators of other libraries.

    Raises
    ------
    ClassifierError
        If it does, or is no such archive.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            sources = [n for n in archive.namelist() if "/code/" in f"/{n}" and n.endswith(".py")]
            code = {name: archive.read(name).decode("utf-8", "replace") for name in sources}
    except zipfile.BadZipFile as error:
        raise ClassifierError("this is no TorchScript archive; save one with torch.jit.save") from error
    for name, text in code.items():
        if unsafe := _UNSAFE_SCRIPT.search(text):
            raise ClassifierError(
                f"the TorchScript archive calls {unsafe.group().rstrip('(')!r} ({name}), which can touch files or "
                "foreign libraries: it is not run"
            )


def file_content(path: Path) -> Tensor:
    """Bytes of a file, shape (n,), uint8."""
    return torch.from_numpy(np.fromfile(path, dtype=np.uint8))


def model_of_file(kind: str, content: Tensor) -> FileModel:
    """Open a model that lies in a file.

    Parameters
    ----------
    kind
        ``onnx`` or ``torchscript``.
    content
        Its bytes.
    """
    model = _FILES[kind](content)
    model.open()
    return model


_FILES: dict[str, type[FileModel]] = {"onnx": OnnxModel, "torchscript": ScriptModel}


def imported_model(path: str) -> nn.Module:
    """Import what ``package.module:name`` names: a module, a function that makes one, or a function of sounds.

    Raises
    ------
    ClassifierError
        If there is nothing of that name, or it is neither.
    """
    try:
        with random_numbers_kept():
            value = imported(path)
            is_model = isinstance(value, nn.Module)
            if isinstance(value, type) or (callable(value) and not is_model and _needs_nothing(value)):
                value = value()
    except Exception as error:  # code of another package: whatever it raises
        raise ClassifierError(f"{path!r} cannot be imported: {type(error).__name__}: {error}") from error
    return as_model(value, path)


def as_model(value: Any, name: str = "the model") -> nn.Module:
    """Return a module as it is, and a function of sounds as a `FunctionModel`.

    Raises
    ------
    ClassifierError
        If it is neither.
    """
    if isinstance(value, torch.jit.ScriptModule):
        buffer = io.BytesIO()
        torch.jit.save(value, buffer)
        return model_of_file("torchscript", torch.frombuffer(bytearray(buffer.getvalue()), dtype=torch.uint8))
    if isinstance(value, nn.Module):
        return value
    if isinstance(value, type):
        made = f"{value.__name__}(…)"
        raise ClassifierError(f"{name} is the class {value.__name__}; expected a model that it makes: {made}")
    if callable(value):
        return FunctionModel(value)
    raise ClassifierError(
        f"{name} is a {type(value).__name__}; expected a torch module, or a function from a list of sounds to an array "
        "(sounds, labels)"
    )


def _needs_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function can be called without arguments: then it makes a model, and is none."""
    try:
        parameters: Sequence[inspect.Parameter] = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(p.default is not p.empty or p.kind in variable for p in parameters)


def rebuilt_model(source: Mapping[str, Any]) -> nn.Module:
    """Build a model from what a saved classifier says of it; weights come later.

    Parameters
    ----------
    source
        ``kind`` (``transformers``, ``onnx``, ``torchscript``, ``import``); ``architecture`` and ``config``, and
        ``part`` where it is the encoder alone; or ``path``; and ``texts``, as of ``build_texts``, where texts are
        compared.

    Raises
    ------
    ClassifierError
        If the kind is not known, or the model cannot be built.
    """
    if "texts" in source:
        of_model = {key: value for key, value in source.items() if key != "texts"}
        return build_texts(rebuilt_model(of_model), source["texts"])
    kind = source.get("kind")
    if kind in _FILES:
        return _FILES[kind](torch.zeros(0, dtype=torch.uint8))
    if kind == "import":
        return imported_model(source["path"])
    if kind == "transformers":
        model: Any = transformers_model(source["architecture"], source["config"])
        return model.get_encoder() if source.get("part") == "encoder" else model
    raise ClassifierError(f"a model from {kind!r} cannot be built")


def transformers_model(architecture: str, config: Mapping[str, Any]) -> nn.Module:
    """Build a model of the library transformers with random weights.

    Parameters
    ----------
    architecture
        Name of its class, as ``architectures`` in ``config.json`` has it.
    config
        The rest of ``config.json``.

    Raises
    ------
    ClassifierError
        If the library has no such model.
    """
    library = transformers_library()
    model_class = getattr(library, architecture, None)
    if not (isinstance(model_class, type) and issubclass(model_class, library.PreTrainedModel)):
        raise ClassifierError(f"transformers {library.__version__} has no model called {architecture!r}")
    values = dict(config)
    settings = library.AutoConfig.for_model(values.pop("model_type"), **values)
    with torch.random.fork_rng():
        return model_class(settings).eval()


def transformers_library() -> Any:
    """The library transformers, without its progress bars and advice.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise MissingExtraError("transformers", "hf") from error
    return transformers
