"""The inverse STFT of HiFi-GAN, the head that ends in it, and the error of spectra."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from scipy import signal
from torch import Tensor

from pipeline.gans.variants.hifigan.inverse_stft import InverseSTFT, SpectrumHead
from pipeline.gans.variants.hifigan.spectral_error import SpectralError, levels
from pipeline.media.audio.mel_codec import MelCodec, tables_of

SIZES = [(256, 128), (64, 16), (16, 4), (4, 2), (1024, 256)]


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def transform(waves: Tensor, window: int, hop: int) -> Tensor:
    """Return the spectra of waves [n, samples] by scipy, real then imaginary parts, [n, 2 * bins, columns]."""
    margin = (window - hop) // 2
    padded = np.pad(waves.numpy(), ((0, 0), (margin, window - hop - margin)))
    options = {"window": "hann", "nperseg": window, "noverlap": window - hop, "boundary": None, "padded": False}
    _, _, spectra = signal.stft(padded, return_onesided=True, **options)
    spectra = spectra * signal.get_window("hann", window).sum()
    return torch.from_numpy(np.concatenate([spectra.real, spectra.imag], axis=1))


@pytest.mark.parametrize(("window", "hop"), SIZES)
@pytest.mark.parametrize("columns", [1, 2, 7])
@pytest.mark.usefixtures("double")
def test_the_inverse_of_a_transform_is_the_wave(window: int, hop: int, columns: int) -> None:
    waves = torch.rand(3, columns * hop, generator=torch.Generator().manual_seed(0)) * 2 - 1
    again = InverseSTFT(window, hop)(transform(waves, window, hop))
    assert again.shape == (3, 1, columns * hop)
    assert (again[:, 0] - waves).abs().max() < 1e-12


def test_it_inverts_any_spectra_as_griffin_lim_does() -> None:
    codec = MelCodec(8000, 256, 128, 32, 5, 0.0, 4000.0, -80.0)
    spectra = torch.randn(2, 2 * codec.bins, 5, generator=torch.Generator().manual_seed(0))
    theirs = codec.invert(np.ascontiguousarray(spectra.numpy().transpose(0, 2, 1)))
    assert tables_of(codec).gain.max() < 5
    assert np.allclose(InverseSTFT(256, 128)(spectra)[:, 0], theirs, atol=1e-4)


def test_the_head_makes_the_tone_that_its_layer_says() -> None:
    """Phases that advance by the hop at the frequency of one bin are a cosine."""
    window, hop, columns, place = 64, 16, 9, 5
    head = SpectrumHead(2, window, hop)
    advance = 2 * np.pi * place / window * (torch.arange(columns) * hop - head.inverse.margin)
    values = torch.zeros(1, columns, 3 * 33)
    values[:, :, :33] = -40
    # The Hann window shows a tone of amplitude 0.5 at three frequencies, with signs that alternate.
    for offset, level, sign in ((-1, 4, -1), (0, 8, 1), (1, 4, -1)):
        values[:, :, place + offset] = np.log(level)
        values[:, :, 33 + place + offset] = sign * advance.cos() * 100
        values[:, :, 66 + place + offset] = sign * advance.sin() * 100
    head.norm, head.spectrum = torch.nn.Identity(), torch.nn.Identity()  # type: ignore[assignment]
    wave = head(values.transpose(1, 2))
    expected = 0.5 * (2 * np.pi * place / window * torch.arange(columns * hop)).cos()
    inner = slice(window, -window)
    assert (wave[0, 0] - expected)[inner].abs().max() < 1e-4


def test_the_head_is_finite_without_a_direction_and_bounded() -> None:
    head = SpectrumHead(2, 16, 4)
    with torch.no_grad():
        head.spectrum.weight.zero_()
        head.spectrum.bias.zero_()
    maps = torch.zeros(1, 2, 3, requires_grad=True)
    head(maps).sum().backward()
    assert maps.grad is not None
    assert maps.grad.isfinite().all()
    with torch.no_grad():
        head.spectrum.bias.fill_(1e4)
    assert head(torch.zeros(1, 2, 3)).abs().max() < 20


def test_the_error_of_spectra_is_that_of_the_logarithm() -> None:
    noise = torch.rand(2, 1, 1, 512, generator=torch.Generator().manual_seed(0)) * 2 - 1
    error = SpectralError((16, 128))
    assert error(noise, noise) == 0
    assert error(noise / 2, noise).item() == pytest.approx(2 * np.log(2), rel=0.01)
    assert error(torch.zeros_like(noise), torch.zeros_like(noise) + 1e-5) == 0


@pytest.mark.parametrize("window", [16, 64])
def test_the_levels_are_those_of_torch(window: int) -> None:
    noise = torch.rand(2, 1, 1, 256, generator=torch.Generator().manual_seed(0)) * 2 - 1
    hann = torch.hann_window(window)
    spectra = torch.stft(noise[:, 0, 0], window, window // 4, None, hann, True, "constant", return_complex=True)
    expected = (spectra.abs() / (window / 4)).clamp(min=1e-3).log()
    assert np.allclose(levels(noise, window).transpose(1, 2), expected, atol=1e-3)


def test_short_windows_are_taken() -> None:
    waves = torch.rand(1, 1, 1, 32)
    assert SpectralError((1, 2, 8))(waves, waves) == 0
