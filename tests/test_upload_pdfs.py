"""PDF of signed papers: what could act is gone, what the paper shows is still there."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pikepdf
import pypdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf, Stream, String
from PIL import Image

from xianning import uploads
from xianning.sandbox import Rejected
from xianning.uploads import pdfs

WORDS = b"q 0.1 w 10 20 m 200 300 l S Q"


def made(change: Callable[[Pdf], Any] = lambda pdf: None, pages: int = 1, **saving: Any) -> bytes:
    """A PDF of PAGES pages with a line on each, after CHANGE."""
    pdf = Pdf.new()
    for _ in range(pages):
        pdf.add_blank_page()
    pdf.pages[0].obj.Contents = pdf.make_stream(WORDS)
    change(pdf)
    out = io.BytesIO()
    pdf.save(out, **{"fix_metadata_version": False} | saving)
    return out.getvalue()


def script(pdf: Pdf) -> Any:
    return pdf.make_indirect(Dictionary(S=Name.JavaScript, JS=String("app.alert('SECRET')")))


def attached(pdf: Pdf) -> Any:
    file = Stream(pdf, b"SECRET")
    file.Type = Name.EmbeddedFile
    return pdf.make_indirect(
        Dictionary(Type=Name.Filespec, F=String("SECRET.exe"), EF=Dictionary(F=file))
    )


def note(pdf: Pdf, subtype: Name, **more: Any) -> Any:
    return pdf.make_indirect(
        Dictionary(Type=Name.Annot, Subtype=subtype, Rect=Array([10, 10, 90, 40]), **more)
    )


def noted(subtype: Name, **more: Callable[[Pdf], Any]) -> Callable[[Pdf], None]:
    """A change that puts one annotation on the first page."""

    def change(pdf: Pdf) -> None:
        entries = {key: make(pdf) for key, make in more.items()}
        pdf.pages[0].obj.Annots = Array([note(pdf, subtype, **entries)])

    return change


def on_root(**entries: Callable[[Pdf], Any]) -> Callable[[Pdf], None]:
    def change(pdf: Pdf) -> None:
        for key, make in entries.items():
            pdf.Root[f"/{key}"] = make(pdf)

    return change


def on_page(**entries: Callable[[Pdf], Any]) -> Callable[[Pdf], None]:
    def change(pdf: Pdf) -> None:
        for key, make in entries.items():
            pdf.pages[0].obj[f"/{key}"] = make(pdf)

    return change


def xfa(pdf: Pdf) -> Any:
    return Dictionary(Fields=Array([]), XFA=Array([String("SECRET"), Stream(pdf, b"SECRET")]))


def field(pdf: Pdf) -> Any:
    one = note(pdf, Name.Widget, FT=Name.Tx, T=String("a"), V=String("x"), AA=action_of_all(pdf))
    pdf.pages[0].obj.Annots = Array([one])
    return Dictionary(Fields=Array([one]), NeedAppearances=True, CO=Array([one]))


def action_of_all(pdf: Pdf) -> Any:
    return Dictionary(O=script(pdf), C=script(pdf), K=script(pdf))


def launch(pdf: Pdf) -> Any:
    return Dictionary(S=Name.Launch, F=String("SECRET.exe"))


def drawn_from_elsewhere(pdf: Pdf) -> Any:
    form = Stream(pdf, b"q Q")
    form.Type, form.Subtype = Name.XObject, Name.Form
    form.F, form.Ref = String("SECRET.pdf"), Dictionary(F=String("SECRET"), Page=0)
    form.Metadata, form.PieceInfo = Stream(pdf, b"SECRET"), Dictionary(X=String("SECRET"))
    return Dictionary(XObject=Dictionary(X=form))


ACTIVE: dict[str, tuple[Callable[[Pdf], Any], list[str]]] = {
    "script on opening": (on_root(OpenAction=script), ["动作"]),
    "launch on opening": (on_root(OpenAction=launch), ["动作"]),
    "script by name": (
        on_root(Names=lambda p: Dictionary(JavaScript=Dictionary(
            Names=Array([String("a"), script(p)])))),
        ["脚本"],
    ),
    "other actions of the file": (on_root(AA=action_of_all), ["动作"]),
    "other actions of a page": (on_page(AA=action_of_all), ["动作"]),
    "attachments": (
        on_root(Names=lambda p: Dictionary(EmbeddedFiles=Dictionary(
            Names=Array([String("a"), attached(p)])))),
        ["附件"],
    ),
    "associated file": (on_root(AF=lambda p: Array([attached(p)])), ["附件"]),
    "attachment on a page": (noted(Name.FileAttachment, FS=attached), ["附件"]),
    "XFA": (on_root(AcroForm=xfa), ["表单"]),
    "field with scripts": (on_root(AcroForm=field), ["动作", "表单"]),
    "link that launches": (noted(Name.Link, A=launch), ["动作"]),
    "link to another file": (
        noted(Name.Link, A=lambda p: Dictionary(S=Name.GoToE, F=attached(p))), ["动作"],
    ),
    "link that sends": (
        noted(Name.Link, A=lambda p: Dictionary(S=Name.SubmitForm, F=String("SECRET"))), ["动作"],
    ),
    "media": (
        noted(Name.RichMedia, RichMediaContent=lambda p: Dictionary(Assets=attached(p))), ["媒体"],
    ),
    "screen": (noted(Name.Screen, AA=action_of_all), ["动作", "媒体"]),
    "outline with a script": (
        on_root(Outlines=lambda p: Dictionary(First=Dictionary(Title="x", A=script(p)))), [],
    ),
    "drawing from another file": (on_page(Resources=drawn_from_elsewhere), []),
    "action among the layers": (
        on_root(OCProperties=lambda p: Dictionary(D=Dictionary(X=script(p), AF=attached(p)))), [],
    ),
    "action among the properties": (
        on_page(Resources=lambda p: Dictionary(Properties=Dictionary(JS=String("SECRET"),
                                                                    M=script(p)))), [],
    ),
    "action that is a stream": (
        on_page(Resources=lambda p: Dictionary(X=Stream(p, b"x", S=Name.JavaScript, JS="SECRET"))), [],
    ),
    "action as a font": (
        on_page(Resources=lambda p: Dictionary(Font=Dictionary(A=script(p)))), [],
    ),
    "who, when and where": (
        on_root(Metadata=lambda p: Stream(p, b"SECRET"),
                PieceInfo=lambda p: Dictionary(X=String("SECRET"))), [],
    ),
}  # fmt: skip

NAMES = re.compile(
    rb"/(?:JavaScript|JS|Launch|EmbeddedFiles?|EF|AF|XFA|OpenAction|AA|AcroForm|Annots|RichMedia\w*"
    rb"|SubmitForm|GoToE|URI|Names|Outlines|Metadata|Author|PieceInfo|Ref|Encrypt|ObjStm)"
    rb"(?![A-Za-z0-9])"
)


def clean_of(data: bytes) -> tuple[bytes, list[str]]:
    clean, content_type, left_out = uploads.clean_scan(data, "扫描件.pdf")
    assert content_type == "application/pdf"
    return clean, left_out


def plain(clean: bytes) -> bytes:
    """The file as a text: nothing packed, for looking through it without a parser."""
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        out = io.BytesIO()
        pdf.save(
            out, compress_streams=False, object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        )  # fmt: skip
    return out.getvalue()


def drawing(data: bytes) -> Iterator[bytes]:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for page in pdf.pages:
            page.contents_coalesce()
            yield page.obj.Contents.read_bytes() if "/Contents" in page.obj else b""


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize("kind", ACTIVE)
def test_what_could_act_is_gone_and_the_page_is_still_there(kind: str, packed: bool) -> None:
    change, words = ACTIVE[kind]
    mode = pikepdf.ObjectStreamMode.generate if packed else pikepdf.ObjectStreamMode.disable
    data = made(change, object_stream_mode=mode)
    assert b"SECRET" in plain(data) or kind in {"field with scripts"}
    clean, left_out = clean_of(data)
    assert left_out == words
    text = plain(clean)
    assert b"SECRET" not in text
    assert not NAMES.search(re.sub(rb"(?s)stream\r?\n.*?endstream", b"", text))
    assert WORDS in b"".join(drawing(clean))
    again = pypdf.PdfReader(io.BytesIO(clean))  # a reader that is not the one that wrote it
    assert (len(again.pages), again.attachments, again.metadata) == (1, {}, None)


def test_names_spelled_in_hexadecimal_and_earlier_versions_do_not_come_along() -> None:
    data = made(on_root(OpenAction=script), object_stream_mode=pikepdf.ObjectStreamMode.disable)
    spelled = data.replace(b"/OpenAction", b"/Open#41ction").replace(
        b"/JavaScript", b"/J#61vaScript"
    )
    later = b"\n9 0 obj\n<</S/JavaScript/JS(SECRET)>>\nendobj\n%PK\x03\x04<script>\n%%EOF\n"
    for changed in (spelled, data + later, spelled + later):
        clean, left_out = clean_of(changed)
        assert left_out == ["动作"]
        assert not any(s in plain(clean) for s in (b"SECRET", b"Script", b"<script", b"PK\x03\x04"))


def stamp(pdf: Pdf) -> None:
    look = Stream(pdf, b"1 0 0 rg 0 0 80 30 re f")
    look.Type, look.Subtype, look.BBox = Name.XObject, Name.Form, Array([0, 0, 80, 30])
    signature = Dictionary(Type=Name.Sig, Contents=String("SECRET"))
    one = note(
        pdf, Name.Widget, FT=Name.Sig, T=String("seal"), V=signature, AP=Dictionary(N=look), F=4
    )
    pdf.pages[0].obj.Annots = Array([one])
    pdf.Root.AcroForm = Dictionary(Fields=Array([one]), SigFlags=3)


def test_a_seal_on_the_page_stays_visible() -> None:
    clean, left_out = clean_of(made(stamp))
    assert left_out == ["电子签名（保留外观）", "表单"]
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        [seal] = pdf.pages[0].obj.Resources.XObject.as_dict().values()
        assert b"1 0 0 rg 0 0 80 30 re f" in seal.read_bytes()
        assert b" Do" in b"".join(drawing(clean))


@cache
def photograph() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "SECRET CAMERA"
    exif.get_ifd(0x8825).update({1: "N", 2: (29.0, 50.0, 1.0), 3: "E", 4: (114.0, 19.0, 2.0)})
    out = io.BytesIO()
    Image.effect_noise((64, 48), 90).save(out, "JPEG", exif=exif, comment=b"SECRET PLACE")
    return out.getvalue()


def with_photograph(pdf: Pdf) -> None:
    image = Stream(pdf, photograph())
    image.Type, image.Subtype, image.Filter = Name.XObject, Name.Image, Name.DCTDecode
    image.Width, image.Height, image.BitsPerComponent = 64, 48, 8
    image.ColorSpace = Name.DeviceGray
    pdf.pages[0].obj.Resources = Dictionary(XObject=Dictionary(Im0=image))
    pdf.pages[0].obj.Contents = pdf.make_stream(b"/Im0 Do")


def test_a_photograph_in_a_pdf_loses_its_place_and_not_a_pixel() -> None:
    clean, left_out = clean_of(made(with_photograph))
    assert left_out == []
    assert not any(s in clean for s in (b"SECRET", b"Exif"))
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        stored = pdf.pages[0].obj.Resources.XObject.Im0.read_raw_bytes()
    before, after = Image.open(io.BytesIO(photograph())), Image.open(io.BytesIO(stored))
    assert before.getexif().get_ifd(0x8825)
    assert not after.getexif()
    assert before.tobytes() == after.tobytes()


def from_office(pdf: Pdf) -> None:
    """What LibreOffice, WPS and scanners write into every file, and a font with an odd name."""
    pdf.docinfo["/Producer"] = "SECRET SCANNER"
    page = pdf.pages[0].obj
    pdf.Root.OpenAction = Array([page, Name.XYZ, None, None, 0])
    pdf.Root.Outlines = Dictionary(Type=Name.Outlines, Count=0)
    pdf.Root.PageMode = Name.UseOutlines
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    page.Resources = Dictionary(Font=Dictionary(AA=font), ExtGState=Dictionary(JS=Dictionary(CA=1)))
    page.Contents = pdf.make_stream(b"/JS gs BT /AA 12 Tf (/JavaScript) Tj ET")
    link = Dictionary(S=Name.URI, URI=String("https://example.invalid/"))
    page.Annots = Array([note(pdf, Name.Link, A=link)])


def test_an_ordinary_pdf_passes_and_shows_the_same() -> None:
    data = made(from_office, pages=3)
    clean, left_out = clean_of(data)
    assert left_out == []
    assert b"SECRET" not in clean
    assert [d.strip() for d in drawing(clean)] == [d.strip() for d in drawing(data)]
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        assert pdf.pages[0].obj.Resources.Font.AA.BaseFont == Name.Helvetica
    again, left_out = clean_of(clean)  # nothing more to do: the same file, so the same digest
    assert (again, left_out) == (clean, [])


def scanned_pdf(pages: int = 3) -> bytes:
    """As Pillow writes it: one grey picture on each page."""
    out = io.BytesIO()
    images = [Image.effect_noise((400, 300), 90) for _ in range(pages)]
    images[0].save(out, "PDF", save_all=True, append_images=images[1:], title="SECRET")
    return out.getvalue()


def test_a_scan_keeps_its_pictures() -> None:
    data = scanned_pdf()
    clean, left_out = clean_of(data)
    assert (left_out, b"SECRET" in clean) == ([], False)
    pictures = [
        [image.data for page in pypdf.PdfReader(io.BytesIO(file)).pages for image in page.images]
        for file in (data, clean)
    ]
    assert pictures[0] == pictures[1]
    assert len(pictures[0]) == 3


def test_a_file_that_opens_without_a_password_passes_whatever_it_forbids() -> None:
    lock = pikepdf.Encryption(owner="o" * 12, user="", allow=pikepdf.Permissions(extract=False))
    clean, _ = clean_of(made(encryption=lock))
    with pikepdf.open(io.BytesIO(clean)) as pdf:
        assert not pdf.is_encrypted


def inflating(megabytes: int) -> Callable[[Pdf], None]:
    """A page that inflates to so much: one packed block again and again."""
    packer = zlib.compressobj(9)
    start = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(1024 * 1024)) + packer.flush(zlib.Z_FULL_FLUSH)

    def change(pdf: Pdf) -> None:
        content = Stream(pdf, start + block * megabytes)
        content.Filter = Name.FlateDecode
        pdf.pages[0].obj.Contents = content

    return change


def half_a_page(pdf: Pdf) -> None:
    content = Stream(pdf, zlib.compress(bytes(range(256)) * 40)[:-200])
    content.Filter = Name.FlateDecode
    pdf.pages[0].obj.Contents = content


def no_page(pdf: Pdf) -> None:
    del pdf.pages[0]


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "password": (
        lambda: made(encryption=pikepdf.Encryption(owner="o" * 12, user="u" * 12)), "打开密码"),
    "portfolio": (lambda: made(on_root(Collection=lambda p: Dictionary())), "文件包"),
    "form without pages": (lambda: made(on_root(NeedsRendering=lambda p: True)), "动态表单"),
    "301 pages": (lambda: made(pages=301), "超过 300 页"),
    "no page": (lambda: made(no_page), uploads.BROKEN_PDF),
    "half a page": (lambda: made(half_a_page, compress_streams=False), uploads.BROKEN_PDF),
    "bomb": (lambda: made(inflating(300)), "展开后过大"),
    "no end": (lambda: made()[:-7], uploads.BROKEN_PDF),
    "end too early": (lambda: made() + bytes(5000), uploads.BROKEN_PDF),
    "only a header": (lambda: b"%PDF-1.7\n%%EOF\n", uploads.BROKEN_PDF),
    "larger than 10 MB": (lambda: made() + bytes(10 * 1024 * 1024), "超过上限 10 MB"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_pdf_that_is_damaged_locked_or_too_much_is_refused(kind: str) -> None:
    make, sentence = REFUSED[kind]
    with pytest.raises(Rejected, match=re.escape(sentence)):
        uploads.clean_scan(make(), "扫描件.pdf")


def test_the_second_look_refuses_what_the_first_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdfs, "_make_inert", lambda part, names_are_free: None)
    with pytest.raises(Rejected, match="不能移除的动作"):
        pdfs.rewrite(made(ACTIVE["action among the layers"][0]))
    with pytest.raises(Rejected, match="不能移除的动作"):
        pdfs.rewrite(made(on_page(Resources=lambda p: Dictionary(X=script(p)))))
