"""The few kinds of errors that phonoscope raises; each says what was found, what was expected and what to do."""


class PhonoscopeError(Exception):
    """Base of every error that phonoscope raises on purpose; the command line prints it without a traceback."""


class AudioError(PhonoscopeError):
    """A recording cannot be read or used: missing, corrupt, empty, too short."""


class CorpusError(PhonoscopeError):
    """A corpus, an alignment or a phone set is not as expected."""


class ClassifierError(PhonoscopeError):
    """A classifier cannot be built, loaded or applied."""


class ShortSoundError(ClassifierError):
    """A sound is shorter than a model can take."""


class AttributionError(PhonoscopeError):
    """A map cannot be made, placed or stored."""


class PerceptionError(PhonoscopeError):
    """A sound cannot be changed as asked for, or answers to stimuli cannot be judged."""


class AuditError(PhonoscopeError):
    """An audit that cannot be made of these recordings, or of this model."""


class ExperimentError(PhonoscopeError):
    """A recipe or a run folder is not as expected."""


class MissingExtraError(PhonoscopeError):
    """An optional dependency is needed; the message names the extra that brings it."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(
            f"this needs {module}, which is not installed. Install it with: pip install 'phonoscope[{extra}]'"
        )


class CutSoundWarning(UserWarning):
    """Sounds are longer than the front end takes: part of them is not heard."""


class ScalingWarning(UserWarning):
    """A front end scales each token by its own sound and offers no way to hold that still."""


class EmptyMapWarning(UserWarning):
    """A map is zero everywhere."""


class IncompleteMapWarning(UserWarning):
    """A map does not sum to what its method promises."""
