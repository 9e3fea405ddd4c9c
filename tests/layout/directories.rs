//! Directories: which are shown, which may be made (semantics 1.2, 1.3, 1.4).

use cairnfs::layout::{DirKind, DirPlacement, Layout, LayoutOptions, RefusalReason};

use super::support::{builtin, dir_kind, domain, fields, open_layout};

/// Semantics 1.2.
#[test]
fn fixed_directories_are_always_shown() {
    let layout = builtin();
    assert_eq!(
        layout.fixed_children(""),
        [
            "documents",
            "scraped",
            "chunks",
            "rfp_info_documents",
            "rfp_question_documents",
            "rfp_exports",
            "orgs",
        ]
    );
    assert_eq!(layout.fixed_children("orgs"), ["logos"]);
    assert!(layout.fixed_children("documents").is_empty());
    assert!(layout.fixed_children("org").is_empty());
    assert_eq!(layout.place_dir(""), DirPlacement::Root);
    assert_eq!(layout.place_dir("orgs"), DirPlacement::Root);
    assert_eq!(dir_kind(&layout, "orgs/logos"), Some(DirKind::Fixed));
    assert_eq!(dir_kind(&layout, "documents"), Some(DirKind::Fixed));
    assert_eq!(layout.domains()[6].fixed_prefix(), "orgs/logos/");
    assert_eq!(layout.domains()[2].fixed_prefix(), "chunks/");
}

/// Semantics 1.2.
#[test]
fn field_directories_carry_the_fields_they_fix() {
    let layout = builtin();
    let placed =
        DirPlacement::Domain { domain: 5, kind: DirKind::Field, fields: fields(&[("rfp_id", "12")]) };
    assert_eq!(layout.place_dir("rfp_exports/12"), placed);
    let placed =
        DirPlacement::Domain { domain: 1, kind: DirKind::Field, fields: fields(&[("source_id", "s")]) };
    assert_eq!(layout.place_dir("scraped/s/docs/api"), placed);
}

/// Semantics 1.4.
#[test]
fn directories_that_do_not_fit_are_misfits_and_others_outside() {
    let layout = builtin();
    assert_eq!(dir_kind(&layout, "documents/2019"), Some(DirKind::Misfit));
    assert_eq!(dir_kind(&layout, "rfp_exports/1/sub"), Some(DirKind::Misfit));
    assert_eq!(dir_kind(&layout, "rfp_exports/.Trash-1000"), Some(DirKind::Misfit));
    for path in ["other", "other/documents", ".cairnfs", ".cairnfs/trash", "org", "orgs/other", "documents2"]
    {
        assert_eq!(layout.place_dir(path), DirPlacement::Outside, "{path}");
    }
    for path in ["documents/", "/documents", "scraped//a", "scraped/1/..", "scraped/./a"] {
        assert_eq!(layout.place_dir(path), DirPlacement::Outside, "{path}");
    }
}

/// Semantics 1.3.
#[test]
fn mkdir_works_where_the_template_has_a_field_directory_only() {
    let layout = builtin();
    for path in ["rfp_exports/12", "scraped/s", "scraped/s/a/b/c", "chunks/x", "rfp_info_documents/Ä b"] {
        assert_eq!(layout.may_mkdir(path), Ok(()), "{path}");
    }
    let reason = |path: &str| layout.may_mkdir(path).unwrap_err().reason;
    assert_eq!(reason("new"), RefusalReason::Outside);
    assert_eq!(reason("orgs/new"), RefusalReason::Outside);
    assert_eq!(reason("documents/new"), RefusalReason::Misfit { template: "documents/{filename}".into() });
    assert_eq!(
        reason("rfp_exports/12/new"),
        RefusalReason::Misfit { template: "rfp_exports/{rfp_id}/{filename}".into() }
    );
    assert!(matches!(
        reason(&format!("chunks/{}", "x".repeat(256))),
        RefusalReason::SegmentTooLong { bytes: 256 }
    ));
    let deep = format!("scraped/{}", "a/".repeat(260));
    assert!(matches!(
        reason(deep.trim_end_matches('/')),
        RefusalReason::KeyOverDomainLimit { limit: 500, .. }
    ));
}

/// Semantics 1.3.
#[test]
fn mkdir_of_a_desktops_bin_is_refused_everywhere() {
    let layout = builtin();
    assert_eq!(layout.may_mkdir(".Trash-1000").unwrap_err().reason, RefusalReason::Outside);
    for path in ["documents/.Trash-1000", "rfp_exports/.Trash-0", "scraped/a/.Trash", "chunks/.Trashes"] {
        assert_eq!(layout.may_mkdir(path).unwrap_err().reason, RefusalReason::DesktopDirectory, "{path}");
    }
    assert_eq!(layout.may_mkdir("rfp_exports/Trash"), Ok(()));
}

/// Semantics 1.3.
#[test]
fn scratch_directories_may_be_made_in_every_directory_of_a_domain() {
    let layout = builtin();
    for dir in ["documents", "rfp_exports", "rfp_exports/12", "scraped/s/a/b", "orgs/logos", "chunks/1"] {
        for name in [".~tmp~", ".rsync-partial"] {
            let path = format!("{dir}/{name}");
            assert_eq!(dir_kind(&layout, &path), Some(DirKind::Scratch), "{path}");
            assert_eq!(layout.may_mkdir(&path), Ok(()), "{path}");
            assert!(layout.may_mkdir(&format!("{path}/sub")).is_err(), "{path}");
        }
    }
    for path in [".~tmp~", "orgs/.~tmp~", "documents/2019/.~tmp~", "rfp_exports/1/sub/.rsync-partial"] {
        assert!(layout.may_mkdir(path).is_err(), "{path}");
    }
}

#[test]
fn mkdir_in_a_read_only_domain_is_refused() {
    let mut spec = domain("a/{x}/{y}", None);
    spec.writable = false;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    for path in ["a/new", "a/.~tmp~", "a/b/c"] {
        assert_eq!(layout.may_mkdir(path).unwrap_err().reason, RefusalReason::ReadOnlyDomain, "{path}");
    }
}

#[test]
fn literal_directories_below_a_field_are_made_like_fields() {
    let layout = open_layout(&["rfps/{id}/info/{f}", "rfps/{id}/exports/{f}"]);
    assert_eq!(dir_kind(&layout, "rfps/5"), Some(DirKind::Field));
    assert_eq!(dir_kind(&layout, "rfps/5/exports"), Some(DirKind::Field));
    assert_eq!(layout.may_mkdir("rfps/5/exports"), Ok(()));
    assert!(layout.may_mkdir("rfps/5/other").is_err());
    assert!(layout.fixed_children("rfps/5").is_empty());
}

#[test]
fn directories_of_nested_domains_take_the_stronger_kind() {
    let layout = open_layout(&["a/{x}", "a/b/{y}"]);
    assert_eq!(layout.fixed_children("a"), ["b"]);
    let fixed = |domain| DirPlacement::Domain { domain, kind: DirKind::Fixed, fields: fields(&[]) };
    assert_eq!(layout.place_dir("a"), fixed(0));
    assert_eq!(layout.place_dir("a/b"), fixed(1));
    assert_eq!(dir_kind(&layout, "a/c"), Some(DirKind::Misfit));
}
