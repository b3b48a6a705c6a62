"""Things known by name: those of phonoscope, those that other packages announce, and any other by its import path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module, metadata
from typing import Any, Generic, TypeVar, cast

from phonoscope.errors import PhonoscopeError

Entry = TypeVar("Entry")


class Registry(Mapping[str, Entry], Generic[Entry]):
    """Entries of one kind by name, each imported when it is first used.

    Three ways lead to an entry: a line in the registry; an entry point of an installed package (group
    ``phonoscope.<kind>s``, such as ``phonoscope.methods``); and ``package.module:name``, which runs the code of that
    module. Whoever types an import path consents to that; whoever opens a file does not (see ``refuse_import``).

    Parameters
    ----------
    kind
        What the entries are, in the singular: ``method``, ``front end`` …
    entries
        Name → entry, or → ``module:attribute`` to import it from.
    error
        Raised for names that lead nowhere.
    """

    def __init__(
        self, kind: str, entries: Mapping[str, Entry | str], *, error: type[PhonoscopeError] = PhonoscopeError
    ) -> None:
        self.kind = kind
        self.group = f"phonoscope.{kind.replace(' ', '_')}s"
        self._own = dict(entries)
        self._error = error

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from (name for name in self._announced if name not in self._own)

    def __len__(self) -> int:
        return len({*self._own, *self._announced})

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._announced

    def __getitem__(self, name: str) -> Entry:
        if name in self._own:
            entry = self._own[name]
            if isinstance(entry, str):
                entry = self._own[name] = self._imported(entry)
            return entry
        if name in self._announced:
            try:
                return self._announced[name].load()
            except Exception as error:  # code of another package: whatever it raises
                raise self._error(
                    f"the {self.kind} {name!r} of the package {_package(self._announced[name])} cannot be imported: "
                    f"{error}"
                ) from error
        raise KeyError(name)

    def find(self, name: str) -> Entry:
        """Return the entry of a name, or of an import path that its user typed.

        Raises
        ------
        PhonoscopeError
            Of the registry's kind, if there is none.
        """
        if name in self:
            return self[name]
        if ":" in name:
            return self._imported(name)
        raise self._error(
            f"{self.kind} {name!r} is not known; choose one of {', '.join(self)}, or give package.module:name"
        )

    def refuse_import(self, name: str, origin: object, *, trust_imports: bool) -> None:
        """Refuse an import path that stands in a file, unless the file is trusted.

        Parameters
        ----------
        origin
            Which file says the name.

        Raises
        ------
        PhonoscopeError
            Of the registry's kind, if code would run that nobody agreed to run.
        """
        if ":" in name and name not in self and not trust_imports:
            raise self._error(
                f"{origin} asks to import its {self.kind} from {name!r}, which runs code of that module. If you trust "
                "it, pass trust_imports=True (--trust-imports on the command line)"
            )

    @cached_property
    def _announced(self) -> dict[str, metadata.EntryPoint]:
        return {point.name: point for point in metadata.entry_points(group=self.group)}

    def _imported(self, path: str) -> Entry:
        try:
            return cast(Entry, imported(path))
        except Exception as error:  # code of another package: whatever it raises
            raise self._error(f"{self.kind} {path!r} cannot be imported: {error}") from error


def imported(path: str) -> Any:
    """Import what ``module:attribute`` names."""
    module, _, attribute = path.partition(":")
    value: Any = import_module(module)
    for part in attribute.split("."):
        value = getattr(value, part)
    return value


def _package(point: metadata.EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "?"
