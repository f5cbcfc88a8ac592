"""Pictures of signed papers: encoded anew, so that nothing but the picture is kept."""

from __future__ import annotations

import io
import warnings

from PIL import Image, ImageFile, ImageOps, MpoImagePlugin, TiffImagePlugin

from xianning.sandbox import Rejected
from xianning.uploads.kinds import content_kind
from xianning.uploads.limits import SCAN_BYTES, in_sandbox, limit_size

# Pillow loads its formats late; in the child that could wait for another thread's import lock.
Image.preinit()
PRELOADED = (MpoImagePlugin, TiffImagePlugin)

MAX_PIXELS = 40_000_000
JPEG_QUALITY = 88
BROKEN_PICTURE = "图片损坏，无法读取。请重新扫描或拍照后再上传。"


def check_picture(data: bytes) -> bytes:
    """The picture encoded anew, upright and without metadata: JPEG or PNG as it came.

    Raises Rejected: not a JPEG or PNG, more than MAX_PIXELS, damaged.
    """
    limit_size(len(data), SCAN_BYTES)
    if content_kind(data) not in ("jpg", "png"):
        raise Rejected(BROKEN_PICTURE)
    clean: bytes = in_sandbox(encode_anew, data, BROKEN_PICTURE)
    return clean


def encode_anew(data: bytes) -> bytes:
    # In the sandbox: these settings end with the child.
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    # The PDF library allows half a picture for the whole process; a signed scan must be whole.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG"]) as picture:
            return _encoded(ImageOps.exif_transpose(picture), is_png=picture.format == "PNG")
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Rejected(
            f"图片超过 {MAX_PIXELS // 10_000} 万像素。请降低扫描分辨率（300 dpi 即可）后再上传。"
        ) from None


def _encoded(picture: Image.Image, *, is_png: bool) -> bytes:
    if "transparency" in picture.info:
        picture = picture.convert("RGBA")
    elif picture.mode == "P" or (not is_png and picture.mode not in ("L", "RGB")):
        picture = picture.convert("RGB")
    picture.info = {}  # profiles, comments, dates and places
    out = io.BytesIO()
    if is_png:
        picture.save(out, "PNG", compress_level=3)
    else:
        picture.save(out, "JPEG", quality=JPEG_QUALITY)
    return out.getvalue()
