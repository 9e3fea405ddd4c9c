"""Reads the questions out of a spreadsheet, and writes the answers of an export."""

import zipfile
from xml.etree import ElementTree

from django.core.files.base import ContentFile

from rfp_manager.models import RFPExport
from samples import xlsx
from storage import load_binary_from_storage

CELLS = ".//{http://schemas.openxmlformats.org/spreadsheetml/2006/main}t"


def read_questions(key):
    """Returns the texts of the first sheet of the spreadsheet under `key`."""
    with zipfile.ZipFile(load_binary_from_storage(key)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [cell.text for cell in sheet.iterfind(CELLS)]


def export_answers(rfp, filename, answers):
    """Stores the answers as a spreadsheet and returns the export."""
    content = xlsx(answers)
    return RFPExport.objects.create(
        rfp=rfp,
        export_file=ContentFile(content, name=filename),
        version="1",
        file_size=len(content),
        question_count=len(answers),
        answered_count=sum(1 for answer in answers if answer),
    )
