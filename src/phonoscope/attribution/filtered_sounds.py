"""What a classifier makes of sounds of which parts are filtered out: batches of (token × band) pairs.

A front end that scales each token by its own sound scales what is left of it as it did the untouched token, so that a
band that is taken away changes that band alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from phonoscope.attribution.filtering import Filtering
from phonoscope.attribution.method import Attributed, Batch, Setting, network_inputs, unpromised
from phonoscope.attribution.passes import network_logits, portions
from phonoscope.attribution.scaling import reference_level
from phonoscope.band_filters import fft_points, match_power, pass_responses, power, reach_samples
from phonoscope.errors import AttributionError

# The level of a fill follows that of the sound, smoothed over this time.
_ENVELOPE_SECONDS = 0.02
# A spectrum and a sound of one pair, while it is filtered.
_COPIES = 8


class FilteredSounds:
    """The sounds of a batch, ready to be filtered.

    Parameters
    ----------
    bands
        Hz, shape (band, 2) for the same bands in all tokens, or (batch, band, 2).

    Attributes
    ----------
    passed
        Responses that let each band pass, shape (response, bins); ``index`` (batch, band) says which is whose.
    logits, logit
        Of the untouched tokens, shape (batch, classes), and of each one's target, shape (batch,).
    """

    @torch.no_grad()
    def __init__(self, setting: Setting, batch: Batch, how: Filtering, bands: np.ndarray) -> None:
        self.setting, self.batch, self.how = setting, batch, how
        rate, device = setting.classifier.sample_rate, batch.sounds.device
        flat = np.asarray(bands, dtype=float).reshape(-1, 2)
        self.index = torch.arange(len(flat), device=device).view(-1, bands.shape[-2]).expand(len(batch.sounds), -1)
        beside = _neighbours(flat, rate / 2) if how.fill == "noise" else flat[:0]
        reach = max(reach_samples(part, rate, how.edge_hz) for part in (flat, beside) if len(part))
        self.points = fft_points(batch.sounds.shape[1], reach)
        self.passed = pass_responses(flat, rate, self.points, how.edge_hz, device)
        # Few sounds at a time where they are long.
        bytes_each = _COPIES * self.points * batch.sounds.element_size()
        self.most = max(1, min(setting.examples, setting.memory // bytes_each))

        self.logits = network_logits(setting.classifier.network, batch.inputs, self.most)
        self.weights = batch.weigh(self.logits)
        self.logit = (self.logits * self.weights).sum(1)
        self.level = reference_level(setting.classifier, batch)
        self.power = power(batch.sounds, batch.lengths, batch.context)
        self.spectra = torch.fft.rfft(batch.sounds, n=self.points)
        self.fills = self._fills()
        self.fill_spectra = torch.fft.rfft(self.fills, n=self.points)
        self.fill_gain = torch.ones(self.index.shape, device=device)
        if how.fill == "noise":
            responses = pass_responses(beside, rate, self.points, how.edge_hz, device)
            self.fill_gain = self._level_beside(responses)

    def of(self, kept: Tensor) -> Tensor:
        """Logit of each token's target when only a part of its sound is kept, shape (batch, band).

        Parameters
        ----------
        kept
            Responses of what is kept, 0 to 1, in the order of ``passed``.
        """
        count, bands = self.index.shape
        floor = 10 ** (self.how.depth_db / 20)
        filtered_logits = self.logit.new_zeros(count * bands)
        pairs = torch.arange(count * bands, device=kept.device)
        for part in portions(len(pairs), self.most):
            owners, numbers = pairs[part] // bands, pairs[part] % bands
            response = kept[self.index[owners, numbers]]
            spectra = self.spectra[owners] * (floor + (1 - floor) * response)
            if self.how.fill != "none":
                gain = self.fill_gain[owners, numbers, None]
                spectra = spectra + self.fill_spectra[owners] * ((1 - response) * gain)
            filtered_logits[part] = self._target_logits(torch.fft.irfft(spectra, n=self.points), owners)
        return filtered_logits.view(count, bands)

    @property
    def of_nothing(self) -> Tensor:
        """Logit of each token's target for its fill alone, or for silence, shape (batch,)."""
        owners = torch.arange(len(self.fills), device=self.fills.device)
        return torch.cat([self._target_logits(self.fills[p], owners[p]) for p in portions(len(owners), self.most)])

    def attributed(self, values: Tensor, promised: Tensor | None = None) -> Attributed:
        """Make maps with one column of values (batch, band); ``promised`` (batch,) is what they should sum to."""
        left = unpromised(self.logits) if promised is None else promised - values.sum(1)
        return Attributed(values[:, :, None], self.logits, left)

    @torch.no_grad()
    def _target_logits(self, sounds: Tensor, owners: Tensor) -> Tensor:
        batch, lengths = self.batch, self.batch.lengths[owners]
        sounds = sounds[:, : batch.sounds.shape[1]]
        if self.how.match:
            sounds = match_power(sounds, self.power[owners], lengths, batch.context)
        level = None if self.level is None else self.level[owners]
        inputs = network_inputs(self.setting.classifier, batch, sounds, lengths, level)
        logits = self.setting.classifier.network(inputs)
        return (logits * self.weights[owners]).sum(1)

    def _fills(self) -> Tensor:
        """Noise that follows the level of each token, with its power, shape (batch, samples); zeros for none.

        It has the reference's long-term spectrum for ``mean``, and is white for ``noise``.
        """
        batch, rate = self.batch, self.setting.classifier.sample_rate
        if self.how.fill == "none":
            return torch.zeros_like(batch.sounds)
        noise = np.zeros(batch.sounds.shape, dtype=np.float32)
        number = self.setting.class_number(self.how.fill_class)
        for row, (seed, length) in enumerate(zip(batch.seeds, batch.lengths.tolist(), strict=True)):
            drawn = np.random.default_rng((self.setting.seed, seed)).standard_normal(length)
            if self.how.fill != "noise":
                shape = self.setting.reference.spectrum_at(np.fft.rfftfreq(length, 1 / rate), rate, number)
                drawn = np.fft.irfft(np.fft.rfft(drawn) * shape, n=length)
            noise[row, :length] = drawn
        level = _running_mean(batch.sounds.square(), max(1, round(_ENVELOPE_SECONDS * rate / 2))).sqrt()
        filled = torch.from_numpy(noise).to(batch.sounds) * level
        has = power(filled, batch.lengths, batch.context).clamp_min(torch.finfo(filled.dtype).tiny)
        return filled * (self.power / has).sqrt()[:, None]

    def _level_beside(self, responses: Tensor) -> Tensor:
        """Gain that brings the noise to the level of a band's neighbours, their geometric mean, shape (batch, band)."""
        doubled = torch.full((self.points // 2 + 1,), 2.0, device=responses.device)
        doubled[0] = 1.0
        if self.points % 2 == 0:
            doubled[-1] = 1.0
        weigh = responses.square() * doubled
        levels = [(spectra.abs().square() @ weigh.T) for spectra in (self.spectra, self.fill_spectra)]
        ratio = (levels[0] / levels[1].clamp_min(torch.finfo(weigh.dtype).tiny)).sqrt()
        below, above = ratio.view(len(ratio), -1, 2).unbind(2)
        gain = (below * above).sqrt()
        return gain.gather(1, self.index)


def _running_mean(values: Tensor, half: int) -> Tensor:
    """Mean of each value and `half` on either side along the last axis, with zeros beyond the ends; same shape."""
    sums = functional.pad(values.double(), (half + 1, half)).cumsum(-1)
    return ((sums[..., 2 * half + 1 :] - sums[..., : -(2 * half + 1)]) / (2 * half + 1)).clamp_min(0).to(values)


def _neighbours(bands: np.ndarray, top: float) -> np.ndarray:
    """Band as wide below and above each band, (band × 2, 2); where one end of the axis leaves none, the other twice."""
    width = np.diff(bands, axis=1)[:, 0]
    below = np.stack([np.maximum(bands[:, 0] - width, 0.0), bands[:, 0]], axis=1)
    above = np.stack([bands[:, 1], np.minimum(bands[:, 1] + width, top)], axis=1)
    lacks_below, lacks_above = (np.diff(side, axis=1)[:, 0] < 0.1 * width for side in (below, above))
    if (lacks_below & lacks_above).any():
        raise AttributionError("fill=noise takes its level from beside the bands, but one of them is the whole axis")
    below[lacks_below], above[lacks_above] = above[lacks_below], below[lacks_above]
    return np.stack([below, above], axis=1).reshape(-1, 2)
