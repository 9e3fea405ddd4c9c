"""Files of requests for proposals: information, questions, exports."""

import hashlib
import io
import zipfile

from file_fields import FileFieldFlows
from rfp_manager.models import RFP, RFPExport, RFPInformationDocument, RFPQuestionDocument
from rfp_manager.services.excel_processor import export_answers, read_questions
from samples import docx, pdf, xlsx
from sides import TwoSides

QUESTIONS = ["Do you offer <24/7> support?", "Größe der Firma?", "Price & terms"]


class OfARequest(FileFieldFlows):
    """Each test has a request of its own, so that directories are made on both sides."""

    prefix = ""

    def setUp(self):
        self.rfp = RFP.objects.create(title=self._testMethodName)

    def directory(self):
        return f"{self.prefix}/{self.rfp.id}"


class InformationDocument(OfARequest, TwoSides):
    """Documents that tell about a request."""

    model = RFPInformationDocument
    extension = "pdf"
    prefix = "rfp_info_documents"

    def content(self, seed):
        return pdf(seed)

    def new(self):
        return RFPInformationDocument(rfp=self.rfp, title="Information")

    def test_metadata_of_a_copied_document_is_what_django_would_have_kept(self):
        data = docx("terms of reference")
        key = f"{self.make_directory()}/Terms.DOCX"
        self.copy_in(data, key)
        document = self.adopt(key)
        self.assertEqual((document.file_type, document.file_size), ("DOCX", len(data)))
        path = self.path(key)
        # the pattern's general rule: lower case
        self.assertEqual(self.told(path, "file_type"), "docx")
        self.assertEqual(self.told(path, "sha256"), hashlib.sha256(data).hexdigest())
        self.assertEqual(self.told(path, "domain"), "rfp_info_documents")

    def test_dots_in_a_name_put_the_suffix_where_django_puts_it(self):
        first, second, third = self.content("1"), self.content("2"), self.content("3")
        document = self.upload("Q3_report_v1.2_final.pdf", first)
        taken = document.file.name
        self.wait_for(taken)
        before = self.names(self.directory())
        self.copy_in(second, taken)
        from_mount = self.new_name(self.directory(), before)
        from_django = self.upload("Q3_report_v1.2_final.pdf", third).file.name
        for key, data in ((from_mount, second), (from_django, third)):
            self.assertRegex(key, r"/Q3_report_v1_[A-Za-z0-9]{7}\.2_final\.pdf$")
            self.assert_on_both_sides(key, data)
        self.assert_on_both_sides(taken, first)


class QuestionDocument(OfARequest, TwoSides):
    """Spreadsheets of questions."""

    model = RFPQuestionDocument
    extension = "xlsx"
    prefix = "rfp_question_documents"

    def content(self, seed):
        return xlsx([seed, *QUESTIONS])

    def new(self):
        return RFPQuestionDocument(rfp=self.rfp, title="Questions")

    def test_spreadsheet_made_in_the_mount_is_read_by_the_excel_processor(self):
        key = f"{self.make_directory()}/questions.xlsx"
        source = zipfile.ZipFile(io.BytesIO(xlsx(QUESTIONS)))
        # a program that seeks back in the file that it writes
        with zipfile.ZipFile(self.path(key), "x", zipfile.ZIP_DEFLATED) as book:
            for part in source.namelist():
                book.writestr(part, source.read(part))
        self.assertEqual(read_questions(key), QUESTIONS)
        self.assert_on_both_sides(key, self.path(key).read_bytes())

    def test_spreadsheet_uploaded_is_read_in_the_mount(self):
        document = self.upload("Questions (final).xlsx", xlsx(QUESTIONS))
        self.assertEqual(document.file.name, f"{self.directory()}/Questions_final.xlsx")
        with zipfile.ZipFile(self.wait_for(document.file.name)) as book:
            self.assertIsNone(book.testzip())
        self.assertEqual(read_questions(document.file.name), QUESTIONS)


class Export(OfARequest, TwoSides):
    """Spreadsheets that the application generates."""

    model = RFPExport
    field = "export_file"
    extension = "xlsx"
    prefix = "rfp_exports"

    def content(self, seed):
        return xlsx([seed, "answer"])

    def new(self):
        return RFPExport(rfp=self.rfp, version="1", question_count=2, answered_count=1)

    def test_generated_twice_and_corrected_in_the_mount_keeps_all_three(self):
        first = export_answers(self.rfp, "answers.xlsx", ["yes", "no"])
        second = export_answers(self.rfp, "answers.xlsx", ["yes", "no", "perhaps"])
        self.assert_alternative(second.export_file.name, first.export_file.name)
        self.wait_for(second.export_file.name)
        self.wait_for(first.export_file.name)
        before = self.names(self.directory())
        corrected = xlsx(["yes", "no", "certainly"])
        self.copy_in(corrected, first.export_file.name)
        third = self.new_name(self.directory(), before)
        self.assert_alternative(third, first.export_file.name)
        self.assert_on_both_sides(first.export_file.name, self.read_field(first))
        self.assert_on_both_sides(second.export_file.name, self.read_field(second))
        self.assert_on_both_sides(third, corrected)
        self.assertEqual(read_questions(first.export_file.name), ["yes", "no"])
        self.assertEqual(read_questions(second.export_file.name), ["yes", "no", "perhaps"])
        self.assertEqual(read_questions(third), ["yes", "no", "certainly"])

