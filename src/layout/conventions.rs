//! The built-in domains: the conventions of the bucket that cairnfs was made for.
//!
//! The prefixes and the list of `rfp_info_documents` are that bucket's own; the other lists are chosen here.

use super::domain::{DEFAULT_MAX_KEY_LENGTH, DeletePolicy, DomainSpec};

/// Returns the seven built-in domains (semantics 1.1).
pub fn builtin_domains() -> Vec<DomainSpec> {
    use DeletePolicy::{Refuse, Trash};
    let table: [(&str, &str, &str, DeletePolicy); 7] = [
        (
            "documents",
            "documents/{filename}",
            "pdf doc docx txt md html htm rtf odt xls xlsx csv ppt pptx",
            Trash,
        ),
        ("scraped", "scraped/{source_id}/{filename:path}", "md html htm txt json", Refuse),
        ("chunks", "chunks/{document_id}/chunk_{index}.txt", "txt", Refuse),
        ("rfp_info_documents", "rfp_info_documents/{rfp_id}/{filename}", "pdf doc docx txt md", Trash),
        ("rfp_question_documents", "rfp_question_documents/{rfp_id}/{filename}", "xlsx xls csv", Trash),
        ("rfp_exports", "rfp_exports/{rfp_id}/{filename}", "xlsx xls csv pdf docx", Trash),
        ("logos", "orgs/logos/{filename}", "png jpg jpeg gif svg webp", Trash),
    ];
    let spec = |(name, template, extensions, delete): (&str, &str, &str, DeletePolicy)| DomainSpec {
        name: name.to_owned(),
        template: template.to_owned(),
        extensions: Some(extensions.split(' ').map(str::to_owned).collect()),
        delete,
        writable: true,
        max_key_length: DEFAULT_MAX_KEY_LENGTH,
        max_size: None,
    };
    table.into_iter().map(spec).collect()
}
