"""The layouts that are known, and the recordings of a folder by the layout that fits it."""

from pathlib import Path

from phonoscope.corpora import asvspoof, folder, librispeech, ljspeech, speech_commands, spoken_digits, timit
from phonoscope.corpora.recording import Layout, Recording
from phonoscope.corpora.unpack import tables_with_sound
from phonoscope.errors import CorpusError
from phonoscope.registry import Registry

LAYOUTS: Registry[Layout] = Registry(
    "layout",
    {
        "ljspeech": ljspeech,
        "timit": timit,
        "speech_commands": speech_commands,
        "spoken_digits": spoken_digits,
        "asvspoof": asvspoof,
        "librispeech": librispeech,
        "folder": folder,
    },
    error=CorpusError,
)
# Fits whatever holds a recording, so that it is tried last.
_GENERAL = "folder"
_UNPACK = "{0} holds recordings in Parquet tables; write them as files first: phonoscope unpack {0} --out FOLDER"


def find_recordings(root: str | Path, layout: str = "auto") -> tuple[Path, str, list[Recording]]:
    """List the recordings of a corpus folder.

    Parameters
    ----------
    root : path
        Folder of the corpus.
    layout : str
        A name in `LAYOUTS`, ``package.module:name`` (which imports that module), or "auto": the first that fits.

    Returns
    -------
    root : Path
        Full path of the folder.
    layout : str
        Name of the layout.
    recordings : list of Recording
        In the order of the layout.

    Raises
    ------
    CorpusError
        If the folder or the layout is not known, or no recording is there.
    """
    folder = Path(root)
    if folder.suffix.lower() == ".parquet" and folder.is_file() and tables_with_sound(folder):
        raise CorpusError(_UNPACK.format(folder))
    if not folder.is_dir():
        raise CorpusError(f"the corpus folder {folder} was not found")
    folder = folder.resolve()
    if layout == "auto":
        by_generality = sorted(LAYOUTS, key=lambda name: name == _GENERAL)
        layout = next((name for name in by_generality if LAYOUTS[name].detect(folder)), _GENERAL)
    recordings = list(LAYOUTS.find(layout).recordings(folder))
    if not recordings and tables_with_sound(folder):
        raise CorpusError(_UNPACK.format(folder))
    if not recordings:
        raise CorpusError(
            f"no recordings were found in {folder} (layout {layout}); expected WAV, FLAC, OGG, MP3 or SPHERE files"
        )
    return folder, layout, recordings
