//! What the layout's tests share: short ways to a layout and to its answers.

use cairnfs::layout::{
    DeletePolicy, DirKind, DirPlacement, DomainSpec, Fields, FilePlacement, Layout, LayoutOptions, Refusal,
    ScratchKind, builtin_domains,
};

/// The seven built-in domains.
pub fn builtin() -> Layout {
    Layout::new(builtin_domains(), LayoutOptions::default()).unwrap()
}

/// A domain named after its template.
pub fn domain(template: &str, extensions: Option<&str>) -> DomainSpec {
    DomainSpec {
        name: template.to_owned(),
        template: template.to_owned(),
        extensions: extensions.map(|list| list.split(' ').map(str::to_owned).collect()),
        delete: DeletePolicy::Trash,
        writable: true,
        max_key_length: 500,
        max_size: None,
    }
}

/// A layout of templates without lists of extensions.
pub fn open_layout(templates: &[&str]) -> Layout {
    Layout::new(templates.iter().map(|t| domain(t, None)).collect(), LayoutOptions::default()).unwrap()
}

/// Field values from pairs.
pub fn fields(pairs: &[(&str, &str)]) -> Fields {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// The domain's name and the fields of a document.
pub fn document(layout: &Layout, path: &str) -> Option<(String, Fields)> {
    match layout.place_file(path) {
        FilePlacement::Document { domain, fields } => {
            Some((layout.domains()[domain].name().to_owned(), fields))
        }
        _ => None,
    }
}

/// The kind of a scratch file.
pub fn scratch(layout: &Layout, path: &str) -> Option<ScratchKind> {
    match layout.place_file(path) {
        FilePlacement::Scratch { kind, .. } => Some(kind),
        _ => None,
    }
}

/// The refusal of a file.
pub fn refused(layout: &Layout, path: &str) -> Option<Refusal> {
    match layout.place_file(path) {
        FilePlacement::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

/// The kind of a directory in a domain.
pub fn dir_kind(layout: &Layout, path: &str) -> Option<DirKind> {
    match layout.place_dir(path) {
        DirPlacement::Domain { kind, .. } => Some(kind),
        _ => None,
    }
}
