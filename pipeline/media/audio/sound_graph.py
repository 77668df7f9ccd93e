"""The way from log-mel pictures to waves as an ONNX graph: `MelCodec.decode` by convolutions and two loops."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.media.audio.mel_codec import ITERATIONS, MOMENTUM, SHARPENING, SILENCE, SOUND, MelCodec, tables_of

if TYPE_CHECKING:
    import onnx

GRAPH = """
sound (float[batch, 1, {mels}, {frames}] {pictures}) => (float[batch, 1, {samples}] {sound})
{{
  snd_clipped = Clip ({pictures}, snd_minus_one, snd_one)
  snd_picture = Squeeze (snd_clipped, snd_axis)
  snd_scaled = Mul (snd_picture, snd_slope)
  snd_levels = Add (snd_scaled, snd_middle)
  snd_loud = Exp (snd_levels)
  snd_above = Sub (snd_loud, snd_floor)
  snd_bands = Relu (snd_above)
  snd_start = MatMul (snd_spread, snd_bands)
  snd_found = Loop <body = sharpen (int64 snd_i, bool snd_in, float[batch, {bins}, {frames}] snd_f)
      => (bool snd_out, float[batch, {bins}, {frames}] snd_f_next)
    {{
      snd_out = Identity (snd_in)
      snd_shown = MatMul (snd_filters, snd_f)
      snd_safe = Add (snd_shown, snd_silence)
      snd_share = Div (snd_bands, snd_safe)
      snd_factor = MatMul (snd_spread, snd_share)
      snd_f_next = Mul (snd_f, snd_factor)
    }}> (snd_sharpening, snd_true, snd_start)
  snd_half = Mul (snd_found, snd_scale)
  snd_magnitudes = Concat <axis = 1> (snd_half, snd_half)
  snd_first = Mul (snd_magnitudes, snd_phases)
  snd_nothing = Sub (snd_first, snd_first)
  snd_spectrum, snd_last = Loop <body = step (int64 snd_j, bool snd_on, float[batch, {parts}, {frames}] snd_s,
      float[batch, {parts}, {frames}] snd_before) => (bool snd_on_next, float[batch, {parts}, {frames}] snd_s_next,
      float[batch, {parts}, {frames}] snd_now)
    {{
      snd_on_next = Identity (snd_on)
      snd_joined = ConvTranspose <strides = [{hop}]> (snd_s, snd_inverse)
      snd_cut = Slice (snd_joined, snd_margin, snd_end, snd_time)
      snd_wave = Mul (snd_cut, snd_gain)
      snd_padded = Pad (snd_wave, snd_pads, snd_zero)
      snd_now = Conv <strides = [{hop}]> (snd_padded, snd_forward)
      snd_change = Sub (snd_now, snd_before)
      snd_push = Mul (snd_change, snd_momentum)
      snd_ahead = Add (snd_now, snd_push)
      snd_squares = Mul (snd_ahead, snd_ahead)
      snd_real = Slice (snd_squares, snd_none, snd_bins, snd_axis)
      snd_imaginary = Slice (snd_squares, snd_bins, snd_parts, snd_axis)
      snd_sum = Add (snd_real, snd_imaginary)
      snd_power = Add (snd_sum, snd_silence)
      snd_length = Sqrt (snd_power)
      snd_lengths = Concat <axis = 1> (snd_length, snd_length)
      snd_unit = Div (snd_ahead, snd_lengths)
      snd_s_next = Mul (snd_magnitudes, snd_unit)
    }}> (snd_iterations, snd_true, snd_first, snd_nothing)
  snd_all = ConvTranspose <strides = [{hop}]> (snd_spectrum, snd_inverse)
  snd_middle_part = Slice (snd_all, snd_margin, snd_end, snd_time)
  {sound} = Mul (snd_middle_part, snd_gain)
}}
"""


def add_sound(model: onnx.ModelProto, codec: MelCodec, pictures: str) -> None:
    """Add the output `audio`, float [batch, 1, samples], to a graph whose output `pictures` holds log-mel pictures."""
    import onnx

    sizes = {"mels": codec.mels, "frames": codec.frames, "samples": codec.samples, "bins": codec.bins}
    text = GRAPH.format(pictures=pictures, sound=SOUND, parts=2 * codec.bins, hop=codec.hop, **sizes)
    sound = onnx.parser.parse_graph(text)
    model.graph.node.extend(sound.node)
    model.graph.output.extend(sound.output)
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), f"snd_{name}") for name, value in constants(codec).items()
    )


def add_clipped(model: onnx.ModelProto, codec: MelCodec, waves: str) -> None:
    """Add the output `audio`, float [batch, 1, samples], to a graph whose output `waves` is [batch, 1, 1, samples]."""
    import onnx

    text = f"""
    sound (float[batch, 1, 1, {codec.samples}] {waves}) => (float[batch, 1, {codec.samples}] {SOUND})
    {{
      snd_clipped = Clip ({waves}, snd_minus_one, snd_one)
      {SOUND} = Squeeze (snd_clipped, snd_time)
    }}
    """
    sound = onnx.parser.parse_graph(text)
    model.graph.node.extend(sound.node)
    model.graph.output.extend(sound.output)
    values = {"minus_one": np.float32(-1), "one": np.float32(1), "time": np.array([2], dtype=np.int64)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(np.asarray(value), f"snd_{name}") for name, value in values.items()
    )


def constants(codec: MelCodec) -> dict[str, Any]:
    """Return the constants of the graph by name."""
    tables, bins = tables_of(codec), codec.bins
    nepers = codec.floor_db * np.log(10) / 20
    floats = {
        "minus_one": -1,
        "one": 1,
        "zero": 0,
        "slope": -nepers / 2,
        "middle": nepers / 2,
        "floor": 10 ** (codec.floor_db / 20),
        "spread": np.ascontiguousarray(tables.spread.T),
        "filters": tables.filters,
        "silence": SILENCE,
        "scale": codec.window / 4,
        "phases": np.ascontiguousarray(tables.phases.T),
        "inverse": tables.inverse[:, None],
        "forward": tables.forward[:, None],
        "gain": tables.gain,
        "momentum": MOMENTUM,
    }
    integers = {
        "axis": [1],
        "time": [2],
        "none": [0],
        "bins": [bins],
        "parts": [2 * bins],
        "margin": [codec.margin],
        "end": [codec.margin + codec.samples],
        "pads": [0, 0, codec.margin, 0, 0, codec.window - codec.hop - codec.margin],
        "sharpening": SHARPENING,
        "iterations": ITERATIONS,
    }
    return {
        **{name: np.asarray(value, dtype=np.float32) for name, value in floats.items()},
        **{name: np.asarray(value, dtype=np.int64) for name, value in integers.items()},
        "true": np.asarray(True),
    }
