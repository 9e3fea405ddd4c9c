//! Files that are documents, files that are refused, and what is said then (semantics 1.2, 1.4, 1.6, 2.1, 2.2).

use cairnfs::layout::{KeyOwner, Layout, LayoutOptions, RefusalReason, extension, file_type};

use super::support::{builtin, document, domain, fields, open_layout, refused, scratch};

/// Semantics 1.1.
#[test]
fn documents_of_every_builtin_domain_are_placed_with_their_fields() {
    let layout = builtin();
    for (path, name, pairs) in [
        ("documents/Übersicht 2.pdf", "documents", vec![("filename", "Übersicht 2.pdf")]),
        ("scraped/7/guide/a.md", "scraped", vec![("source_id", "7"), ("filename", "guide/a.md")]),
        ("chunks/42/chunk_7.txt", "chunks", vec![("document_id", "42"), ("index", "7")]),
        ("rfp_info_documents/3/x.PDF", "rfp_info_documents", vec![("rfp_id", "3"), ("filename", "x.PDF")]),
        (
            "rfp_question_documents/3/q.xlsx",
            "rfp_question_documents",
            vec![("rfp_id", "3"), ("filename", "q.xlsx")],
        ),
        ("rfp_exports/3/out.docx", "rfp_exports", vec![("rfp_id", "3"), ("filename", "out.docx")]),
        ("orgs/logos/l.svg", "logos", vec![("filename", "l.svg")]),
    ] {
        assert_eq!(document(&layout, path), Some((name.to_owned(), fields(&pairs))), "{path}");
        let owner = layout.owner(path).unwrap();
        assert_eq!(layout.domains()[owner.domain].name(), name);
        assert_eq!(layout.domains()[owner.domain].render(&owner.fields.unwrap()).unwrap(), path);
    }
}

/// Semantics 1.2, 1.4.
#[test]
fn files_that_fit_no_template_are_refused_and_shown_only_under_a_prefix() {
    let layout = builtin();
    for path in
        ["documents/2019/a.pdf", "rfp_exports/a.pdf", "chunks/1/part_7.txt", "rfp_exports/.Trash-1/a.pdf"]
    {
        assert!(matches!(refused(&layout, path).unwrap().reason, RefusalReason::Misfit { .. }), "{path}");
        assert!(matches!(layout.owner(path), Some(KeyOwner { fields: None, .. })), "{path}");
    }
    for path in
        ["a.pdf", "orgs/a.png", "other/a.pdf", ".cairnfs/trash/a.pdf", "documents", "", "scraped/1//a.md"]
    {
        assert_eq!(refused(&layout, path).unwrap().reason, RefusalReason::Outside, "{path}");
        assert_eq!(layout.owner(path), None, "{path}");
    }
}

/// Semantics 2.1.
#[test]
fn extension_is_what_follows_the_last_dot_in_lower_case() {
    for (name, expected) in [
        ("a.TXT", Some("txt")),
        ("a.tar.gz", Some("gz")),
        ("a.exe.txt", Some("txt")),
        (".a.txt", Some("txt")),
        ("..txt", Some("txt")),
        ("a .t xt", Some("t xt")),
        ("a.STRASSE\u{1e9e}", Some("strasse\u{df}")),
        ("a.txt ", Some("txt ")),
        ("noext", None),
        (".txt", None),
        ("a.txt.", None),
        ("a.", None),
        (".", None),
        ("", None),
    ] {
        assert_eq!(extension(name).as_deref(), expected, "{name:?}");
        assert_eq!(file_type(name), expected.unwrap_or_default(), "{name:?}");
    }
}

/// Semantics 2.1, 2.2.
#[test]
fn names_with_an_extension_that_is_not_allowed_are_refused_with_the_list() {
    let layout = builtin();
    for (name, found) in [("x.exe", Some("exe")), ("x.pdf.exe", Some("exe")), ("noext", None), (".pdf", None)]
    {
        let refusal = refused(&layout, &format!("rfp_info_documents/1/{name}")).unwrap();
        assert_eq!(refusal.domain.as_deref(), Some("rfp_info_documents"));
        assert_eq!(
            refusal.reason,
            RefusalReason::Extension {
                found: found.map(str::to_owned),
                allowed: ["pdf", "doc", "docx", "txt", "md"].map(str::to_owned).to_vec(),
            }
        );
    }
    assert!(document(&layout, "rfp_info_documents/1/x.exe.Pdf").is_some());
}

/// Semantics 2.1.
#[test]
fn domain_without_a_list_takes_every_extension() {
    let layout = open_layout(&["any/{f}"]);
    assert!(layout.domains()[0].accepts_any_extension());
    for path in ["any/x.exe", "any/noext", "any/.pdf", "any/a."] {
        assert!(document(&layout, path).is_some(), "{path}");
    }
}

/// Semantics 1.6.
#[test]
fn names_over_a_limit_are_refused_by_bytes_and_by_characters() {
    let mut spec = domain("s/{p:path}", Some("md"));
    spec.max_key_length = 2000;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    let reason = |path: &str| refused(&layout, path).map(|r| r.reason);

    assert_eq!(reason(&format!("s/{}.md", "x".repeat(252))), None);
    assert_eq!(
        reason(&format!("s/{}.md", "x".repeat(253))),
        Some(RefusalReason::SegmentTooLong { bytes: 256 })
    );
    assert_eq!(reason(&format!("s/{}.md", "é".repeat(126))), None);
    assert_eq!(
        reason(&format!("s/{}.md", "é".repeat(127))),
        Some(RefusalReason::SegmentTooLong { bytes: 257 })
    );

    let key = |bytes: usize| {
        let dirs = format!("s/{}", format!("{}/", "d".repeat(199)).repeat(4));
        format!("{dirs}{}.md", "x".repeat(bytes - dirs.len() - 3))
    };
    assert_eq!(reason(&key(1024)), None);
    assert_eq!(reason(&key(1025)), Some(RefusalReason::KeyTooLong { bytes: 1025 }));

    let builtin = builtin();
    let key = |chars: usize| {
        let dirs = format!("scraped/1/{}/{}", "é".repeat(100), "d/".repeat(150));
        format!("{dirs}{}.md", "x".repeat(chars - dirs.chars().count() - 3))
    };
    assert_eq!(refused(&builtin, &key(500)).map(|r| r.reason), None);
    let over = RefusalReason::KeyOverDomainLimit { chars: 501, limit: 500 };
    assert_eq!(refused(&builtin, &key(501)).map(|r| r.reason), Some(over));
}

#[test]
fn files_in_a_read_only_domain_are_refused_but_owned() {
    let mut spec = domain("a/{x}", Some("md"));
    spec.writable = false;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    for path in ["a/x.md", "a/x.exe", "a/~$x.md", "a/b/c", "a/x.md.part"] {
        assert_eq!(refused(&layout, path).unwrap().reason, RefusalReason::ReadOnlyDomain, "{path}");
    }
    assert_eq!(layout.owner("a/x.md").unwrap().fields, Some(fields(&[("x", "x.md")])));
}

#[test]
fn files_in_place_of_an_always_shown_directory_are_refused() {
    let layout = open_layout(&["a/{x}", "a/b/{y}"]);
    assert!(matches!(refused(&layout, "a/b").unwrap().reason, RefusalReason::Misfit { .. }));
    assert!(document(&layout, "a/c").is_some());
    assert_eq!(document(&layout, "a/b/c").unwrap().0, "a/b/{y}");
}

#[test]
fn files_in_a_shared_directory_are_placed_by_their_names() {
    let layout = Layout::new(
        vec![domain("c/{id}/chunk_{n:int}.txt", Some("txt")), domain("c/{id}/sum_{n}.json", Some("json"))],
        LayoutOptions::default(),
    )
    .unwrap();
    assert_eq!(document(&layout, "c/1/sum_2.json").unwrap().0, "c/{id}/sum_{n}.json");
    assert_eq!(document(&layout, "c/1/chunk_2.txt").unwrap().0, "c/{id}/chunk_{n:int}.txt");
    assert!(matches!(refused(&layout, "c/1/other.txt").unwrap().reason, RefusalReason::Misfit { .. }));
    assert!(scratch(&layout, "c/1/.sum_2.json.a1B2c3").is_some());
}

/// Semantics 2.2.
#[test]
fn refusals_read_as_one_line_with_path_reason_and_remedy() {
    let layout = builtin();
    let line = |path: &str| refused(&layout, path).unwrap().to_string();
    assert_eq!(
        line("rfp_question_documents/1/x.exe"),
        "rfp_question_documents/1/x.exe: the extension 'exe' is not allowed in domain 'rfp_question_documents'; \
         use one of xlsx, xls, csv"
    );
    assert_eq!(
        line("rfp_question_documents/1/x"),
        "rfp_question_documents/1/x: a name without an extension is not allowed in domain \
         'rfp_question_documents'; use one of xlsx, xls, csv"
    );
    assert_eq!(
        line("documents/a\nb/\u{1b}.pdf"),
        "documents/a\\nb/\\u{1b}.pdf: does not fit domain 'documents'; paths there look like documents/{filename}"
    );
    assert_eq!(line("x.pdf"), "x.pdf: lies in no domain; put it under one of the directories at the top");
}
