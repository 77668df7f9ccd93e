"""Recognise files that Pillow cannot read by their content, and say what to do about each."""

from PIL import Image, TiffImagePlugin

NOT_AN_IMAGE = "not an image (or its header is damaged)"
INSTALL = "install it with `pip install 'ganline[{}]'`"
HEIC = f"an HEIC image, which pillow-heif reads: {INSTALL.format('formats')}, or convert it to JPEG"
JXL = f"a JPEG XL image, which pillow-jxl-plugin reads: {INSTALL.format('formats')}, or convert it to PNG"
DICOM = f"a DICOM file, which pydicom reads: {INSTALL.format('dicom')}, or convert it to 16-bit PNG"
RAW = "a camera's raw file: develop it to TIFF or JPEG (it holds a small preview, which is not used)"
ARCHIVE = "not an image but {}: unpack it, or name it as data.source if it holds all data"
VIDEO = "not an image but a video: extract its frames"

SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    *((0, start, JXL) for start in (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    (128, b"DICM", DICOM),
    (0, b"8BPS", "a Photoshop file: export it as PNG or TIFF"),
    *((0, start, RAW) for start in (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb")),
    (4, b"ftypcrx", RAW),
    (8, b"CR\2\0", RAW),
    *((4, b"ftyp" + brand, HEIC) for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")),
    (4, b"ftyp", VIDEO),
    (0, b"\x1aE\xdf\xa3", VIDEO),
    (8, b"AVI ", VIDEO),
    (0, b"PK\3\4", ARCHIVE.format("a zip archive")),
    (0, b"\x1f\x8b", ARCHIVE.format("a gzip archive")),
    (257, b"ustar", ARCHIVE.format("a tar archive")),
    (0, b"7z\xbc\xaf\x27\x1c", "not an image but a 7z archive: unpack it"),
    (0, b"Rar!", "not an image but a RAR archive: unpack it"),
    (0, b"version https://git-lfs", "a Git LFS pointer, whose image is not here: run `git lfs pull`"),
    (0, b"/annex/objects/", "a git-annex pointer, whose image is not here: run `git annex get`"),
    (0, b"%PDF", "not an image but a PDF: extract its pages as PNG"),
    (0, b"%!PS", "not an image but PostScript: convert it to PNG"),
    (0, b"\xc5\xd0\xd3\xc6", "not an image but PostScript: convert it to PNG"),
)
"""Position, bytes, and what a file with these bytes is; the first that fits counts."""

DVC_FILE = "a .dvc file, whose data are not here: run `dvc pull`, or leave it out"
SVG = "not an image but a drawing (SVG): convert it to PNG"
HTML = "not an image but a web page, most likely an error message: download the file again"


def explain_unknown(data: bytes) -> str:
    """Return what a file is that cannot be read as an image, and what to do."""
    for position, start, words in SIGNATURES:
        if data[position : position + len(start)] == start:
            return words
    text = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith(b"<"):
        return SVG if b"<svg" in text else HTML if b"<html" in text else NOT_AN_IMAGE
    lines = text.split(b"\n")
    if any(line.startswith(b"outs:") for line in lines) and b"path:" in text:
        return DVC_FILE
    return NOT_AN_IMAGE


def is_raw_preview(image: Image.Image) -> bool:
    """Return whether a TIFF is a camera's raw file (DNG, NEF, ARW), of which Pillow reads a preview."""
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return False
    dng_version, subfile_type, further = 50706, 254, 330
    tags = image.tag_v2
    return dng_version in tags or (bool(tags.get(subfile_type, 0) & 1) and further in tags)
