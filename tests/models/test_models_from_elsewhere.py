"""The tutorial *Models from elsewhere*: each section runs as a reader would type it, with tiny checkpoints on disk."""

import importlib.util
import re

import numpy as np
import pytest
import soundfile
import torch
from outside_models import sound
from test_loading import SMALL, pooled, saved, write_ctc, write_onnx

import phonoscope as ps
from test_documentation import BLOCK, ELSEWHERE

PAGE = ELSEWHERE.read_text(encoding="utf-8")
SECTIONS = {
    text.partition("\n")[0]: [block["code"] for block in BLOCK.finditer(text) if block["marker"] == "runs"]
    for text in re.split(r"^#{2,3} ", PAGE, flags=re.MULTILINE)[1:]
}
KINDS = [title for title, blocks in SECTIONS.items() if blocks and title != "The recordings of this page"]
SPEECH = {"d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "decoder_layers": 1, "encoder_ffn_dim": 32}
SPEECH |= {"decoder_attention_heads": 2, "decoder_ffn_dim": 32, "max_source_positions": 100, "num_mel_bins": 80}
TOKENS = {"pad_token_id": 0, "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 1}


def write_checkpoints(library, folder):
    """Folders with the names that the page gives, of random weights."""
    library.logging.set_verbosity_error()
    of_waves = library.Wav2Vec2FeatureExtractor(do_normalize=True)
    names = {
        "superb/wav2vec2-base-superb-ks": "Wav2Vec2",
        "superb/hubert-base-superb-ks": "Hubert",
        "my-wavlm": "WavLM",
    }
    for name, kind in names.items():
        config = getattr(library, f"{kind}Config")(**SMALL)
        saved(library, folder / name, getattr(library, f"{kind}ForSequenceClassification")(config), of_waves)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    ast = library.ASTForAudioClassification(library.ASTConfig(**small, num_labels=3, max_length=128))
    extractor = library.ASTFeatureExtractor(max_length=128)
    saved(library, folder / "MIT/ast-finetuned-speech-commands-v2", ast, extractor)
    extractor = library.WhisperFeatureExtractor(feature_size=80, chunk_length=2)
    config = library.WhisperConfig(**SPEECH, **TOKENS, vocab_size=40, num_labels=3)
    encoder = library.WhisperForAudioClassification(config)
    saved(library, folder / "sanchit-gandhi/whisper-medium-fleurs-lang-id", encoder, extractor)
    write_ctc(library, folder / "facebook/wav2vec2-base-960h")
    merges = ["b a", "ba d", "Ġ bad", "b e", "be d", "Ġ bed", "t h", "th e", "Ġ the"]
    symbols = ["<|endoftext|>", "<|startoftranscript|>", *"abcdefghijklmnopqrstuvwxyz.'", "Ġ"]
    symbols += [merge.replace(" ", "") for merge in merges]
    tokenizer = library.WhisperTokenizer(
        vocab={symbol: at for at, symbol in enumerate(symbols)}, merges=[tuple(merge.split()) for merge in merges]
    )
    config = library.WhisperConfig(**SPEECH, **TOKENS, vocab_size=60)
    decoder = library.WhisperForConditionalGeneration(config)
    saved(library, folder / "openai/whisper-tiny.en", decoder, extractor)
    tokenizer.save_pretrained(folder / "openai/whisper-tiny.en")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the reader works: two recordings, and the checkpoints that the page names."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("elsewhere")
    for seed, word in enumerate(("yes", "no")):
        soundfile.write(place / f"{word}.wav", sound(0.6 + 0.2 * seed, seed), 16000)
    torch.jit.script(pooled()).save(str(place / "model.jit"))
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        write_onnx(place / "model.onnx")
    if importlib.util.find_spec("transformers"):
        import transformers

        write_checkpoints(transformers, place)
    return place


@pytest.mark.parametrize("title", KINDS)
def test_each_section_runs_and_gives_maps(title, folder, monkeypatch):
    codes = SECTIONS[title]
    if any(re.search(r'ps\.load\("[\w.-]+/', code) or "superb/" in code for code in codes):
        pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")
    if any(".onnx" in code for code in codes):
        pytest.importorskip("onnxruntime", reason="the extra onnx (onnxruntime) is not installed")
        pytest.importorskip("onnx", reason="onnx is not installed, so there is no file to load")
    monkeypatch.chdir(folder)
    torch.manual_seed(0)
    drawn, explain = [], ps.explain

    def noted(*arguments, **options):
        drawn.append(explain(*arguments, **options))
        return drawn[-1]

    monkeypatch.setattr(ps, "explain", noted, raising=False)
    names = {}
    for code in (*SECTIONS["The recordings of this page"], *codes):
        exec(compile(code, title, "exec"), names)
    assert isinstance(names["model"], ps.Classifier)
    assert drawn, "the section draws no map"
    for maps in drawn:
        assert maps.sizes["token"] == len(names["sounds"])
        assert np.isfinite(maps.values).all()
        assert np.abs(maps.values).max() > 0
        assert float(maps["frequency"].max()) <= 8000


def test_the_table_leads_to_every_section():
    table = PAGE.partition("## Which kind is yours?")[2].partition("\n## ")[0]
    linked = set(re.findall(r"\]\(#([\w-]+)\)", table))
    assert linked == {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in KINDS}


def test_every_kind_of_the_trial_has_its_line():
    said = "".join(code for title in KINDS for code in SECTIONS[title])
    networks = ("RawNet2", "AASIST", "ECAPA", "CRNN", "Conformer", "MFCCNet", "ImageCNN", "Tagger", "SpoofDetector")
    networks += ("PitchTracker", "FrameClassifier", "PackedLSTM", "SpeakerEncoder", "loudness")
    sources = (
        "wav2vec2-base-superb",
        "hubert",
        "wavlm",
        "ast-",
        "fleurs-lang-id",
        "whisper-tiny",
        "960h",
        ".jit",
        ".onnx",
    )
    assert [name for name in (*networks, *sources) if name not in said] == []
