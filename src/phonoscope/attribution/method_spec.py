"""A method in words: ``name``, ``name(option=value)`` or ``wrapper(name(option=value), option=value)``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from phonoscope.errors import AttributionError


@dataclass(frozen=True)
class MethodSpec:
    """A method with its options as they were written, and the method that it wraps."""

    name: str
    inner: MethodSpec | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = ([] if self.inner is None else [str(self.inner)]) + [f"{k}={v}" for k, v in self.options.items()]
        return self.name + (f"({', '.join(parts)})" if parts else "")

    def names(self) -> Iterator[str]:
        """Names of the method and of those that it wraps, the outermost first."""
        yield self.name
        if self.inner is not None:
            yield from self.inner.names()


def parse_method(text: str) -> MethodSpec:
    """Read a method in words, e.g. ``smooth(integrated-gradients(baseline=floor), samples=8)``.

    Raises
    ------
    AttributionError
        If it is no text, or brackets, commas or equals signs are out of place.
    """
    if not isinstance(text, str):
        raise AttributionError(f"method is {text!r}; give the name of one, such as 'integrated-gradients'")
    spec, rest = _read(re.findall(r"[^\s(),=]+|[(),=]", text), text)
    if rest:
        raise _unreadable(text)
    return spec


def parse_methods(text: str | None) -> list[str]:
    """Take apart a list of methods in words at semicolons, and at commas that are not inside brackets."""
    parts, depth = [""], 0
    for letter in text or "":
        depth += (letter == "(") - (letter == ")")
        if letter == ";" or (letter == "," and depth == 0):
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def at_layer(method: str, layer: str | None) -> str:
    """Return a method in words with its option ``layer``; several layers are separated by commas or plus signs."""
    if not layer:
        return method

    def changed(spec: MethodSpec) -> MethodSpec:
        if spec.inner is not None:
            return replace(spec, inner=changed(spec.inner))
        return replace(spec, options={**spec.options, "layer": re.sub(r"\s*,\s*", "+", layer.strip())})

    return str(changed(parse_method(method)))


def _read(words: list[str], text: str) -> tuple[MethodSpec, list[str]]:
    if not words or words[0] in "(),=":
        raise _unreadable(text)
    name, inner, options = words[0], None, {}
    if words[1:2] != ["("]:
        return MethodSpec(name), words[1:]
    words = words[2:]
    while words[:1] != [")"]:
        if words[1:2] == ["="] and len(words) > 2 and not {words[0], words[2]} & set("(),="):
            if words[0] in options:
                raise AttributionError(f"the method {text!r} gives {words[0]} twice; give it once")
            options[words[0]] = words[2]
            words = words[3:]
        elif inner is None and not options:
            inner, words = _read(words, text)
        else:
            raise _unreadable(text)
        if words[:1] == [","] and words[1:2] != [")"]:
            words = words[1:]
        elif words[:1] != [")"]:
            raise _unreadable(text)
    return MethodSpec(name, inner, options), words[1:]


def _unreadable(text: str) -> AttributionError:
    return AttributionError(
        f"the method {text!r} cannot be read; write a name, as in gradient, with options if need be, as in "
        "integrated-gradients(baseline=floor, steps=8) or smooth(gradient)"
    )
