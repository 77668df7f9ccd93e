"""The error of a file that is no usable image."""

from pipeline.media.codec import BadItem


class BadImage(BadItem):
    """These bytes are not an image that can be used; the message is the reason, without the file's name."""
