"""Messages about data are written for images. This module says them for the items of any medium.

Names of settings, files and arrays stay: `train.total_images`, data/images, `images`, image-to-image.
"""

import re

IMAGE = re.compile(r"(?<![\w.`:/-])(?:([Aa])n )?([Ii])mage(s?)(?![\w`-]|\.\w|/(?!s\b))")
TEXT = re.compile(r"(?<=>)[^<>]+(?=<)")
"""Text between the tags of a page."""
PLAIN = "image"


def say(text: str, noun: str) -> str:
    """Return a message about images as one about items of another kind.

    Args:
        text: The message.
        noun: One item in words, such as "clip"; its plural ends in s.
    """

    def word(found: re.Match[str]) -> str:
        article, first, plural = found.groups(default="")
        name = (noun.capitalize() if first == "I" else noun) + plural
        return f"{article}{'n' if noun[0] in 'aeiou' else ''} {name}" if article else name

    return text if noun == PLAIN else IMAGE.sub(word, text)


def say_page(page: str, noun: str) -> str:
    """Return a page with its texts about items of another kind; tags and their attributes stay."""
    return page if noun == PLAIN else TEXT.sub(lambda found: say(found[0], noun), page)
