"""Piano rolls: time from left to right, pitch from bottom to top, one colour a voice or track."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PIL import Image

from pipeline.arrays import UInt8Array
from pipeline.media.music.midi import Note

Parts: TypeAlias = Sequence[Sequence[Note]]
"""Notes of each voice or track of one item."""

COLOURS = ((214, 69, 65), (230, 145, 40), (38, 150, 85), (58, 83, 155), (140, 80, 160), (90, 90, 90))
"""Colours of voices or tracks, from the first one down; further ones repeat them."""

BLACK_KEYS = (1, 3, 6, 8, 10)
WHITE, SHADE, GRID, GAP_COLOUR = 255, 240, 205, 150
GAP = 4
"""Pixels between two rolls."""


@dataclass(frozen=True)
class Ruling:
    """The paper of a roll.

    Attributes:
        low, high: Range of the pitches, both included.
        steps: Time steps.
        quarter: Time steps of a quarter note; a line shows where each begins.
    """

    low: int
    high: int
    steps: int
    quarter: int


def draw_roll(parts: Parts, ruling: Ruling, *, step: int, row: int) -> UInt8Array:
    """Draw one item, uint8 [H, W, 3].

    Args:
        parts: Notes of each voice or track, in time steps.
        ruling: Range and duration.
        step, row: Width of a time step and height of a pitch, in pixels.
    """
    low, high = ruling.low, ruling.high
    picture = np.full(((high - low + 1) * row, ruling.steps * step, 3), WHITE, dtype=np.uint8)
    for pitch in range(low, high + 1):
        if pitch % 12 in BLACK_KEYS:
            picture[(high - pitch) * row : (high - pitch + 1) * row] = SHADE
    for number, notes in reversed(list(enumerate(parts))):  # the first voice is on top
        colour = np.array(COLOURS[number % len(COLOURS)], dtype=np.uint8)
        for note in notes:
            top, left = (high - note.pitch) * row, note.start * step
            picture[top : top + row, left : note.end * step] = colour
            picture[top : top + row, left] = colour // 2  # where a note begins
    for line in range(ruling.quarter, ruling.steps, ruling.quarter):
        column = picture[:, line * step]
        column[(column >= SHADE).all(axis=1)] = GRID
    return picture


def draw_sheet(items: Sequence[Parts], ruling: Ruling, *, columns: int | None, cell: int) -> Image.Image:
    """Draw items on one sheet, row by row.

    Args:
        columns: Items in a row; None makes the sheet as square as possible.
        cell: A roll is at least so wide, in pixels.
    """
    n, steps = len(items), ruling.steps
    step, row = max(1, math.ceil(2 * cell / steps)), 3 if cell >= 96 else 2
    rolls = [draw_roll(parts, ruling, step=step, row=row) for parts in items]
    height, width = rolls[0].shape[:2]
    columns = min(n, columns or max(1, round(math.sqrt(n * height / width))))
    rows = math.ceil(n / columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), GAP_COLOUR, dtype=np.uint8)
    for place, roll in enumerate(rolls):
        y, x = divmod(place, columns)
        sheet[GAP + y * (height + GAP) :, GAP + x * (width + GAP) :][:height, :width] = roll
    return Image.fromarray(sheet)
