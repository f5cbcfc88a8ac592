"""Names and contents of uploads, and pictures of signed papers."""

from __future__ import annotations

import io
import struct
import time
import zipfile
import zlib

import pytest
from PIL import Image, PngImagePlugin

from tests.xlsx_parts import OLE, PLAIN, encrypted_ole, packed, parts_of
from xianning import uploads, workbook
from xianning.sandbox import Rejected
from xianning.uploads import BROKEN_PICTURE, BROKEN_WORKBOOK

# Names and contents


def picture(file_format: str, size: tuple[int, int] = (8, 6), **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, "red").save(out, file_format, **options)
    return out.getvalue()


PDF = (
    b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
    b"2 0 obj\n<</Type/Pages/Count 1/Kids[3 0 R]>>\nendobj\n"
    b"3 0 obj\n<</Type/Page/Parent 2 0 R>>\nendobj\n"
    b"trailer\n<</Root 1 0 R/Size 4>>\nstartxref\n0\n%%EOF\n"
)
JPG, PNG = picture("JPEG"), picture("PNG")
ODS = packed({"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": "<a/>"})
XLSB = packed({"[Content_Types].xml": "<a/>", "xl/workbook.bin": "x"})
XLSM = packed({**parts_of(), "xl/vbaProject.bin": OLE})
DOCX = packed({"[Content_Types].xml": "<a/>", "word/document.xml": "<a/>"})
XLS = OLE + bytes(600) + "Workbook".encode("utf-16-le") + bytes(600)
MHTML = b"MIME-Version: 1.0\r\nContent-Type: multipart/related\r\n\r\n<html></html>"
XML2003 = b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook/>'

WRONG: list[tuple[str, bytes, str]] = [
    ("名单.xls", XLS, "旧版 .xls 或 WPS 表格 .et，请另存为 .xlsx 后再上传"),
    ("名单.xlsx", XLS, "旧版 .xls 或 WPS 表格 .et，请另存为 .xlsx 后再上传"),
    ("名单.et", XLS, "旧版 .xls 或 WPS 表格 .et"),
    ("名单.xlsx", encrypted_ole(), "已加密"),
    ("名单.xlsm", XLSM, "含有宏"),
    ("名单.xlsx", XLSM, "含有宏"),
    ("名单.xlsb", XLSB, ".xlsb"),
    ("名单.xlsx", XLSB, ".xlsb"),
    ("名单.ods", ODS, "OpenDocument"),
    ("名单.xlsx", ODS, "OpenDocument"),
    ("名单.csv", "姓名,性别\n张三,男\n".encode(), "文本（如 .csv）"),
    ("名单.xlsx", "姓名,性别\n张三,男\n".encode(), "文本（如 .csv）"),
    ("名单.xlsx", "姓名,性别\n张三,男\n".encode("gb18030"), "文本（如 .csv）"),
    ("名单.xlsx", "姓名\t性别\n张三\t男\n".encode("utf-16"), "文本（如 .csv）"),
    ("名单.txt", "张三".encode(), "纯文本"),
    ("名单.xlsx", b"<html><body><table></table></body></html>", "网页 HTML"),
    ("名单.xls", b"\xef\xbb\xbf\r\n<!DOCTYPE html><p>", "网页 HTML"),
    ("名单.xlsx", MHTML, "MHTML"),
    ("名单.xlsx", XML2003, "XML 表格"),
    ("名单.xlsx", b'<?xml version="1.0"?><a/>', "内容是 XML"),
    ("照片.jpg", b"<html><script>alert(1)</script>", "网页 HTML"),
    ("照片.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    ("照片.png", b'<?xml version="1.0"?><svg/>', "SVG"),
    ("照片.jpg", PNG, "文件名以 .jpg 结尾，内容却是 PNG 图片"),
    ("照片.png", JPG, "文件名以 .png 结尾，内容却是 JPEG 图片"),
    ("照片.jpg", PDF, "内容却是 PDF 文件"),
    ("扫描件.pdf", JPG, "内容却是 JPEG 图片"),
    ("扫描件.pdf", PLAIN, "内容却是 .xlsx 工作簿"),
    ("名单.xlsx", PDF, "内容却是 PDF 文件"),
    ("名单.xlsx.exe", PLAIN, "扩展名“.exe”"),
    ("名单.zip", PLAIN, "扩展名“.zip”"),
    ("名单", PLAIN, "没有扩展名"),
    ("照片.gif", b"GIF89a" + bytes(20), "GIF 图片"),
    ("照片.jpg", b"BM" + bytes(60), "BMP 图片"),
    ("照片.jpg", b"II*\0" + bytes(60), "TIFF 图片"),
    ("照片.jpg", b"RIFF\0\0\0\0WEBPVP8 ", "WebP 图片"),
    ("照片.jpg", b"\0\0\0\x18ftypheic" + bytes(20), "HEIC 图片"),
    ("资料.rar", b"Rar!\x1a\x07\x00", "RAR 压缩包"),
    ("资料.xlsx", b"7z\xbc\xaf\x27\x1c\x00", "7z 压缩包"),
    ("资料.xlsx", packed({"a.txt": "x"}), "压缩包"),
    ("资料.xlsx", packed({"[Content_Types].xml": "<a/>"}), BROKEN_WORKBOOK),
    ("资料.ofd", packed({"OFD.xml": "<a/>"}), "OFD"),
    ("说明.docx", DOCX, "Word 文档"),
    ("说明.doc", OLE + "WordDocument".encode("utf-16-le"), "旧版 Word"),
    ("程序.xlsx", b"MZ\x90\x00" + bytes(60), "可执行程序"),
    ("空.xlsx", b"", "文件是空的"),
    ("坏.xlsx", b"PK\x03\x04" + bytes(100), BROKEN_WORKBOOK),
    ("噪声.xlsx", bytes(range(256)) * 4, "不是其中任何一种"),
]


@pytest.mark.parametrize(("name", "data", "sentence"), WRONG)
def test_a_wrong_pair_of_name_and_content_is_refused_in_words(
    name: str, data: bytes, sentence: str
) -> None:
    with pytest.raises(Rejected) as caught:
        uploads.kind_of(data, name)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("。")


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("名单.xlsx", PLAIN, "xlsx"),
        ("名单（最终版.2）.XLSX ", PLAIN, "xlsx"),
        ("扫描件.Pdf", PDF, "pdf"),
        ("照片.jpg", JPG, "jpg"),
        ("照片.JPEG", JPG, "jpg"),
        ("照片.png", PNG, "png"),
    ],
)
def test_a_right_pair_is_accepted(name: str, data: bytes, kind: str) -> None:
    assert uploads.kind_of(data, name) == kind


def test_a_page_that_wants_a_workbook_refuses_the_other_kinds() -> None:
    with pytest.raises(Rejected, match=r"^只接受 \.xlsx 文件；这个文件的内容是 PDF"):
        workbook.read(PDF, "扫描件.pdf")
    with pytest.raises(Rejected, match=r"扩展名“\.exe”"):
        workbook.read(PLAIN, "名单.xlsx.exe")
    with pytest.raises(Rejected, match=r"扫描件只接受 PDF、JPG 或 PNG"):
        uploads.clean_scan(PLAIN, "名单.xlsx")


# Pictures


def test_a_picture_is_encoded_anew_without_metadata_and_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    exif[0x010E] = "SECRET PLACE"
    exif.get_ifd(0x8825).update({1: "N", 2: (29.0, 50.0, 1.0), 3: "E", 4: (114.0, 19.0, 2.0)})
    assert Image.open(io.BytesIO(picture("JPEG", exif=exif))).getexif().get_ifd(0x8825)
    polyglot = picture("JPEG", (8, 6), exif=exif, comment=b"SECRET") + PLAIN + b"<script>"
    clean, content_type, left_out = uploads.clean_scan(polyglot, "照片.jpg")
    assert (content_type, left_out) == ("image/jpeg", [])
    again = Image.open(io.BytesIO(clean))
    assert (again.format, again.size) == ("JPEG", (6, 8))
    assert not again.getexif()
    assert not any(s in clean for s in (b"SECRET", b"PK\x03\x04", b"<script", b"Exif"))
    assert not zipfile.is_zipfile(io.BytesIO(clean))


def test_a_png_keeps_no_words_and_no_place() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET PLACE"
    words = PngImagePlugin.PngInfo()
    words.add_text("Author", "SECRET")
    words.add_itxt("XML:com.adobe.xmp", "<script>SECRET</script>", zip=False)
    told = picture("PNG", exif=exif, pnginfo=words) + PLAIN + b"<script>"
    assert all(s in told for s in (b"SECRET", b"eXIf", b"PK\x03\x04"))
    clean = uploads.clean_scan(told, "照片.png").data
    assert not any(s in clean for s in (b"SECRET", b"eXIf", b"PK\x03\x04", b"<script"))
    assert (Image.open(io.BytesIO(clean)).size, zipfile.is_zipfile(io.BytesIO(clean))) == (
        (8, 6), False,
    )  # fmt: skip


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_of_every_mode_pass(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (5, 4)).save(out, "PNG")
    clean, content_type, _ = uploads.clean_scan(out.getvalue(), "a.png")
    assert content_type == "image/png"
    assert Image.open(io.BytesIO(clean)).size == (5, 4)


def test_a_printed_colour_picture_becomes_an_ordinary_one() -> None:
    out = io.BytesIO()
    Image.new("CMYK", (5, 4)).save(out, "JPEG")
    assert Image.open(io.BytesIO(uploads.check_picture(out.getvalue()))).mode == "RGB"


def huge_png(side: int) -> bytes:
    """A blank black-and-white picture of side × side pixels in a few kilobytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">L", len(body)) + name + body + struct.pack(">L", zlib.crc32(name + body))
        )

    lines = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">LLBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", lines) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("side", [6_400, 12_000, 60_000])
def test_a_picture_bomb_is_refused_at_once(side: int) -> None:
    data = huge_png(min(side, 12_000))
    if side == 60_000:
        size = struct.pack(">LL", side, side)
        body = b"IHDR" + size + data[24:29]
        data = data[:12] + body + struct.pack(">L", zlib.crc32(body)) + data[33:]
    started = time.monotonic()
    with pytest.raises(Rejected, match="超过 4000 万像素"):
        uploads.clean_scan(data, "a.png")
    assert time.monotonic() - started < 1


@pytest.mark.parametrize("data", [JPG[:-40], JPG[:20], PNG[:-30], PNG[:20], b"\xff\xd8\xff" * 9])
def test_a_damaged_picture_is_refused(data: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        uploads.check_picture(data)
    assert str(caught.value) == BROKEN_PICTURE
