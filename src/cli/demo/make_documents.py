#!/usr/bin/env python3
"""Makes the documents of `cairnfs demo`, in documents/. Needs Python's standard library only.

They are written by hand rather than by an office program so that they stay small, say only what they should, and
come out the same byte for byte each time.
"""

import pathlib
import struct
import zipfile
import zlib

HERE = pathlib.Path(__file__).parent / "documents"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006"


def pdf(title: str, lines: list[str]) -> bytes:
    """A one-page PDF 1.4 in a standard font, with a cross-reference table that is right."""
    text = ["BT /F1 20 Tf 72 770 Td (%s) Tj ET" % title]
    text += ["BT /F1 11 Tf 72 %d Td (%s) Tj ET" % (735 - 18 * i, line) for i, line in enumerate(lines)]
    stream = "\n".join(text).encode("latin-1")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Title (%s) /Producer (cairnfs demo) >>" % title.encode("latin-1"),
    ]
    out = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return out + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, len(objects) + 1, len(out))


def package(path: pathlib.Path, main: str, kind: str, parts: dict[str, str], types: dict[str, str]) -> None:
    """An Office Open XML package (ECMA-376, part 2): content types, one relationship to `main`, the parts."""
    overrides = "".join(f'<Override PartName="/{part}" ContentType="{mime}"/>' for part, mime in types.items())
    files = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{OFFICE}/relationships/{kind}" Target="{main}"/></Relationships>',
        **parts,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name, date_time=(2026, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, XML + text)


def docx(path: pathlib.Path, paragraphs: list[str]) -> None:
    namespace = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    package(
        path, "word/document.xml", "officeDocument",
        {"word/document.xml": f'<w:document xmlns:w="{namespace}"><w:body>{body}<w:sectPr/></w:body></w:document>'},
        {"word/document.xml": "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"},
    )


def xlsx(path: pathlib.Path, rows: list[list[str]]) -> None:
    namespace = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    sheet = ""
    for r, row in enumerate(rows, 1):
        cells = "".join(
            f'<c r="{chr(65 + c)}{r}" t="inlineStr"><is><t>{text}</t></is></c>' for c, text in enumerate(row))
        sheet += f'<row r="{r}">{cells}</row>'
    mime = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    package(
        path, "xl/workbook.xml", "officeDocument",
        {
            "xl/workbook.xml": f'<workbook xmlns="{namespace}" xmlns:r="{OFFICE}/relationships"><sheets>'
            '<sheet name="Questions" sheetId="1" r:id="rId1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{OFFICE}/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{namespace}"><sheetData>{sheet}</sheetData></worksheet>',
        },
        {
            "xl/workbook.xml": f"{mime}.sheet.main+xml",
            "xl/worksheets/sheet1.xml": f"{mime}.worksheet+xml",
        },
    )


def png(size: int) -> bytes:
    """A cairn: three stones, one on the other, on a transparent ground, as 8-bit RGBA."""
    stones = [(0.5, 0.78, 0.36, 0.14, (92, 99, 112)), (0.52, 0.52, 0.26, 0.12, (125, 133, 148)),
              (0.49, 0.31, 0.16, 0.09, (163, 171, 186))]
    rows = b""
    for y in range(size):
        rows += b"\0"
        for x in range(size):
            pixel = (0, 0, 0, 0)
            for cx, cy, rx, ry, colour in stones:
                if ((x / size - cx) / rx) ** 2 + ((y / size - cy) / ry) ** 2 <= 1:
                    pixel = (*colour, 255)
            rows += bytes(pixel)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


(HERE / "overview.pdf").write_bytes(pdf("Product overview", [
    "A bucket as plain folders.",
    "Files are copied in with ordinary programs, under the rules of each folder.",
    "What is stored is never overwritten: a second file of the same name gets a name of its own.",
]))
docx(HERE / "statement.docx", [
    "Statement of work",
    "The supplier provides a document store for the tender team.",
    "Documents are delivered as PDF, Word or plain text.",
])
xlsx(HERE / "questions.xlsx", [
    ["No.", "Question", "Answer"],
    ["1", "Where are documents stored?", ""],
    ["2", "Can a stored document be overwritten?", ""],
    ["3", "Which file types are accepted?", ""],
])
(HERE / "logo.png").write_bytes(png(96))
