"""Texts under transformers' recognisers, from small random weights and tokenizers written here."""

import json

import numpy as np
import pytest
import torch

from phonoscope.errors import ClassifierError
from phonoscope.networks.outside.texts import CtcTexts, SequenceTexts, build_texts
from phonoscope.networks.outside.tokenising import decoder_prompt, text_recogniser

transformers = pytest.importorskip("transformers", reason="the extra hf (transformers) is not installed")
SAMPLES = 4000


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def ctc_model(kind, **changes):
    config = getattr(transformers, f"{kind}Config")(
        **{
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
            "conv_dim": [8] * 7,
            "num_conv_pos_embeddings": 16,
            "num_conv_pos_embedding_groups": 2,
            "vocab_size": 14,
            "pad_token_id": 0,
            **changes,
        }
    )
    return getattr(transformers, f"{kind}ForCTC")(config).eval()


def whisper(symbols):
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1) | dict.fromkeys(
        ("encoder_attention_heads", "decoder_attention_heads"), 2
    )
    config = transformers.WhisperConfig(
        vocab_size=symbols,
        num_mel_bins=8,
        d_model=16,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=30,
        max_target_positions=24,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        decoder_start_token_id=1,
        **sizes,
    )
    return transformers.WhisperForConditionalGeneration(config).eval()


def speech_to_text():
    config = transformers.Speech2TextConfig(
        vocab_size=20,
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        input_feat_per_channel=8,
        conv_channels=16,
        max_source_positions=60,
        max_target_positions=24,
        decoder_start_token_id=2,
    )
    return transformers.Speech2TextForConditionalGeneration(config).eval()


def encoder_decoder():
    decoder = transformers.BertConfig(
        vocab_size=20,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        is_decoder=True,
        add_cross_attention=True,
    )
    encoder = ctc_model("Wav2Vec2").config
    config = transformers.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder)
    config.decoder_start_token_id, config.pad_token_id = 2, 0
    return transformers.SpeechEncoderDecoderModel(config).eval()


RECOGNISERS = {
    "wav2vec 2.0": (lambda: CtcTexts(ctc_model("Wav2Vec2"), [[5, 6], [5, 7]]), (2, SAMPLES)),
    "HuBERT": (lambda: CtcTexts(ctc_model("Hubert"), [[5, 6], [5, 7]]), (2, SAMPLES)),
    "WavLM": (lambda: CtcTexts(ctc_model("WavLM"), [[5, 6], [5, 7]]), (2, SAMPLES)),
    "Whisper": (lambda: SequenceTexts(whisper(20), [[5, 6, 0], [5, 7, 0]], prompt=[1], end=0), (2, 8, 60)),
    "Speech2Text": (lambda: SequenceTexts(speech_to_text(), [[5, 6, 2], [5, 7, 2]], prompt=[2], end=2), (2, 60, 8)),
    "Speech encoder-decoder": (
        lambda: SequenceTexts(encoder_decoder(), [[5, 6, 3], [5, 7, 3]], prompt=[2], end=3),
        (2, SAMPLES),
    ),
}


@pytest.mark.parametrize("name", RECOGNISERS)
def test_recognisers_give_differentiable_scores_and_stay_as_they_were(name):
    make, shape = RECOGNISERS[name]
    network, inputs = make().double(), torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    rng, numpy_rng = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    scores = network(inputs)
    assert scores.shape == (2, 2)
    assert (scores < 0).all()
    (gradient,) = torch.autograd.grad((scores[:, 0] - scores[:, 1]).sum(), inputs)
    assert (gradient.flatten(1).abs().sum(1) > 0).all()
    direction, step = torch.nn.functional.normalize(gradient.flatten(), dim=0).reshape(shape), 1e-5
    with torch.no_grad():
        up, down = network(inputs + step * direction), network(inputs - step * direction)
    slope = ((up - down)[:, 0] - (up - down)[:, 1]).sum() / (2 * step)
    assert slope.item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert (np.random.get_state()[1] == numpy_rng).all()  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), rng)


@pytest.mark.parametrize("name", RECOGNISERS)
def test_recognisers_are_made_again_from_json_and_transcribe(name):
    make, shape = RECOGNISERS[name]
    network, inputs = make(), torch.randn(*shape)
    again = build_texts(network.model, json.loads(json.dumps(network.config())))
    with torch.no_grad():
        torch.testing.assert_close(again(inputs), network(inputs))
    assert type(again) is type(network)
    transcripts = network.transcribe(inputs)
    assert len(transcripts) == 2
    assert all(len(tokens) <= 64 for tokens in transcripts)


def test_a_part_is_scored_given_what_stands_before_it():
    model, inputs = whisper(20), torch.randn(2, 8, 60)
    texts = [{"tokens": [5, 6, 7], "span": span} for span in ([0, 3], [0, 1], [1, 2], [2, 3])]
    with torch.no_grad():
        whole, *parts = SequenceTexts(model, texts, prompt=[1, 3], end=0)(inputs).unbind(1)
        logits = model(inputs, decoder_input_ids=torch.tensor([[1, 3, 5, 6]] * 2)).logits.log_softmax(2)
    torch.testing.assert_close(sum(parts), whole)
    for position, (token, part) in enumerate(zip([5, 6, 7], parts, strict=True), start=1):
        torch.testing.assert_close(part, logits[:, position, token])


def test_the_encoder_runs_once_for_all_texts():
    network, runs = SequenceTexts(whisper(20), [[5], [6], [7, 8]], prompt=[1], end=0), []
    hook = network.model.get_encoder().register_forward_hook(lambda *_: runs.append(1))
    network(torch.randn(1, 8, 60))
    hook.remove()
    assert len(runs) == 1


def test_transcription_agrees_with_generate():
    model, inputs = speech_to_text(), torch.randn(2, 60, 8)
    network = SequenceTexts(model, [[5]], prompt=[2], end=2)
    generated = model.generate(inputs, max_new_tokens=8, num_beams=1, do_sample=False, eos_token_id=2)[:, 1:].tolist()
    expected = [row[: row.index(2)] if 2 in row else row for row in generated]
    assert network.transcribe(inputs, max_tokens=8) == expected


def test_texts_longer_than_the_decoder_are_refused():
    SequenceTexts(whisper(20), [[5] * 24], prompt=[1], end=0)(torch.randn(1, 8, 60))
    with pytest.raises(ClassifierError, match="25 tokens after a prompt of 1; the decoder has 24 positions"):
        SequenceTexts(whisper(20), [[5], [5] * 25], prompt=[1], end=0)


def test_an_encoder_decoder_needs_an_encoder_and_a_prompt():
    with pytest.raises(ClassifierError, match="Linear has no get_encoder"):
        SequenceTexts(torch.nn.Linear(1, 1), [[5]], prompt=[1], end=0)
    with pytest.raises(ClassifierError, match="prompt is empty"):
        SequenceTexts(whisper(20), [[5]], prompt=[], end=0)


def of_several_languages():
    model = whisper(20)
    model.generation_config.lang_to_id = {"<|de|>": 11, "<|en|>": 12}
    model.generation_config.task_to_id = {"transcribe": 13, "translate": 14}
    model.generation_config.no_timestamps_token_id = 15
    return model


def test_prompts_come_from_the_models_configuration():
    several = of_several_languages()
    assert decoder_prompt(several, language="en") == [1, 12, 13, 15]
    assert decoder_prompt(several, language="de", task="translate") == [1, 11, 14, 15]
    assert decoder_prompt(whisper(20)) == [1]
    forced = of_several_languages()
    forced.generation_config.forced_decoder_ids = [[1, 12], [2, 13], [3, 15]]
    assert decoder_prompt(forced) == [1, 12, 13, 15]
    assert decoder_prompt(forced, language="de") == [1, 11, 13, 15]
    english = whisper(20)
    english.generation_config.no_timestamps_token_id = 15
    assert decoder_prompt(english) == [1, 15]
    translates = speech_to_text()
    translates.generation_config.forced_bos_token_id = 9
    assert decoder_prompt(translates) == [2, 9]
    assert decoder_prompt(encoder_decoder()) == [2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "knows 2 languages and say which.*de, en"),
        ({"language": "fr"}, "'fr' is not among them"),
        ({"language": "en", "task": "sing"}, "no task 'sing'; it has: transcribe, translate"),
    ],
)
def test_prompts_that_cannot_be_are_refused(options, message):
    with pytest.raises(ClassifierError, match=message):
        decoder_prompt(of_several_languages(), **options)


def test_the_kind_of_recogniser_follows_from_its_configuration():
    ctc = text_recogniser(ctc_model("Wav2Vec2", pad_token_id=3), [[5], [6]])
    assert isinstance(ctc, CtcTexts)
    assert ctc.blank == 3
    sequence = text_recogniser(of_several_languages(), [[5], [6]], language="en")
    assert isinstance(sequence, SequenceTexts)
    assert sequence.config() == {
        "texts": [{"tokens": [5], "span": [0, 1]}, {"tokens": [6], "span": [0, 1]}],
        "prompt": [1, 12, 13, 15],
        "end": 0,
    }


@pytest.mark.parametrize(("make", "end"), [(speech_to_text, 2), (encoder_decoder, 3)])
def test_encoder_decoders_need_a_token_that_ends_a_text(make, end):
    model = make()
    model.generation_config.eos_token_id = model.config.eos_token_id = None
    with pytest.raises(ClassifierError, match="which token ends a text is not known"):
        text_recogniser(model, [[5], [6]])
    model.generation_config.eos_token_id = [end, 9]
    assert text_recogniser(model, [[5], [6]]).end == end
