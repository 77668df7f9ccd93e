"""Piano rolls: time from left to right, pitch from bottom to top, one colour a voice."""

import math

import numpy as np
from PIL import Image

from pipeline.arrays import Int64Array, UInt8Array

COLOURS = ((214, 69, 65), (230, 145, 40), (38, 150, 85), (58, 83, 155), (140, 80, 160), (90, 90, 90))
"""Colours of the voices, from the first one down; further voices repeat them."""

BLACK_KEYS = (1, 3, 6, 8, 10)
WHITE, SHADE, GRID, GAP_COLOUR = 255, 240, 205, 150
GAP = 4
"""Pixels between two rolls."""


def draw_roll(pitches: Int64Array, low: int, high: int, *, step: int, row: int, quarter: int) -> UInt8Array:
    """Draw one item, pitches [steps, voices], uint8 [H, W, 3].

    Args:
        low, high: Range of the pitches, both included.
        step, row: Width of a time step and height of a pitch, in pixels.
        quarter: Time steps of a quarter note; a line shows where each begins.
    """
    steps, voices = pitches.shape
    small = np.full((high - low + 1, steps, 3), WHITE, dtype=np.uint8)
    small[[high - pitch for pitch in range(low, high + 1) if pitch % 12 in BLACK_KEYS]] = SHADE
    for voice in reversed(range(voices)):  # the first voice is on top
        at = np.flatnonzero(pitches[:, voice] >= 0)
        small[high - pitches[at, voice], at] = COLOURS[voice % len(COLOURS)]
    picture = small.repeat(row, axis=0).repeat(step, axis=1)
    starts = np.ones_like(pitches, dtype=bool)
    starts[1:] = pitches[1:] != pitches[:-1]
    for at, voice in np.argwhere(starts & (pitches >= 0)):
        top = (high - int(pitches[at, voice])) * row
        picture[top : top + row, at * step] = picture[top : top + row, at * step] // 2  # where a note begins
    for line in range(quarter, steps, quarter):
        column = picture[:, line * step]
        column[(column >= SHADE).all(axis=1)] = GRID
    return picture


def draw_sheet(batch: Int64Array, low: int, high: int, *, columns: int | None, cell: int, quarter: int) -> Image.Image:
    """Draw items, pitches [n, steps, voices], on one sheet, row by row.

    Args:
        columns: Items in a row; None makes the sheet as square as possible.
        cell: A roll is at least so wide, in pixels.
    """
    n, steps, _ = batch.shape
    step, row = max(1, math.ceil(2 * cell / steps)), 3 if cell >= 96 else 2
    rolls = [draw_roll(pitches, low, high, step=step, row=row, quarter=quarter) for pitches in batch]
    height, width = rolls[0].shape[:2]
    columns = min(n, columns or max(1, round(math.sqrt(n * height / width))))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), GAP_COLOUR, dtype=np.uint8)
    for place, roll in enumerate(rolls):
        y, x = divmod(place, columns)
        sheet[GAP + y * (height + GAP) :, GAP + x * (width + GAP) :][:height, :width] = roll
    return Image.fromarray(sheet)
