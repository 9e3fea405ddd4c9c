//! What a configuration can get wrong: every mistake at once, each with its place (semantics 1.1).

use cairnfs::layout::{
    DeletePolicy, DjangoRule, Layout, LayoutError, LayoutField, LayoutOptions, Mistake, TemplateError,
    builtin_domains,
};

use super::support::domain;

fn errors(domains: Vec<cairnfs::layout::DomainSpec>, options: LayoutOptions) -> Vec<LayoutError> {
    Layout::new(domains, options).unwrap_err()
}

#[test]
fn layout_with_many_mistakes_reports_all_with_domain_and_field() {
    let mut nameless = domain("a/{x}", None);
    nameless.name = " ".into();
    nameless.max_size = Some(0);
    let mut twice = domain("b/{x}.txt", Some("md .pdf"));
    twice.name = "same".into();
    let mut twice_again = domain("c/{x", None);
    twice_again.name = "same".into();
    let mut short = domain("d/{x}/chunk_{n}.txt", Some("md"));
    short.max_key_length = 14;
    let overlapping = domain("a2/{y}", Some(""));
    let options = LayoutOptions {
        django: DjangoRule::V5_1,
        service_prefix: "/x".into(),
        scratch: vec!["*.bak".into(), "*".into(), "a/b".into()],
    };
    let errors = errors(vec![nameless, twice, twice_again, short, overlapping], options);
    let places: Vec<_> = errors.iter().map(|e| (e.domain, e.field, e.item)).collect();
    assert_eq!(
        places,
        [
            (None, LayoutField::ServicePrefix, None),
            (None, LayoutField::Scratch, Some(1)),
            (None, LayoutField::Scratch, Some(2)),
            (Some(0), LayoutField::Name, None),
            (Some(0), LayoutField::MaxSize, None),
            (Some(1), LayoutField::Extensions, Some(1)),
            (Some(2), LayoutField::Name, None),
            (Some(2), LayoutField::Template, None),
            (Some(3), LayoutField::MaxKeyLength, None),
            (Some(3), LayoutField::Extensions, None),
            (Some(4), LayoutField::Extensions, Some(0)),
        ]
    );
    assert_eq!(errors[7].mistake, Mistake::Template(TemplateError::Unbalanced("{x".into())));
    assert_eq!(errors[8].mistake, Mistake::KeyLimit { limit: 14, shortest: 15 });
    assert!(errors.iter().all(|e| e.to_string().lines().count() == 1));
}

#[test]
fn layout_with_overlapping_templates_is_refused_with_an_example() {
    let cases = [
        ("a/{x}", "a/{y}", "a/x"),
        ("a/{x}.txt", "a/b_{y}", "a/b_.txt"),
        ("a/{x:int}", "a/{y}", "a/0"),
        ("s/{id}/{p:path}", "s/{id}/raw/{f}", "s/x/raw/x"),
        ("s/{p:path}.md", "s/{a}/{b}/x_{c}", "s/x/x/x_.md"),
        // the shortest text that fits both is `..`, which is no name
        ("a/.{x}", "a/{y}.", "a/.x."),
    ];
    for (one, other, example) in cases {
        let errors =
            errors(vec![domain(one, Some("txt")), domain(other, Some("txt md"))], LayoutOptions::default());
        let overlaps: Vec<_> = errors.iter().filter(|e| e.field == LayoutField::Template).collect();
        let mistake = Mistake::Overlap { other: one.into(), template: one.into(), example: example.into() };
        assert_eq!(overlaps.iter().map(|e| &e.mistake).collect::<Vec<_>>(), [&mistake], "{one} {other}");
        assert_eq!(overlaps[0].domain, Some(1));
    }
}

#[test]
fn layout_with_neighbouring_templates_is_accepted() {
    for (one, other) in [
        ("a/{x}", "b/{x}"),
        ("a/{x}", "a/{x}/{y}"),
        ("a/{x}.txt", "a/{x}.md"),
        ("a/n{x:int}", "a/n{y}_x"),
        ("a/{id}/info/{f}", "a/{id}/export/{f}"),
        ("a/{x}", "ab/{x}"),
    ] {
        let made = Layout::new(vec![domain(one, None), domain(other, None)], LayoutOptions::default());
        assert!(made.is_ok(), "{one} {other} {made:?}");
    }
}

#[test]
fn layout_with_a_domain_around_or_under_the_service_prefix_is_refused() {
    let options = |prefix: &str| LayoutOptions { service_prefix: prefix.into(), ..LayoutOptions::default() };
    for (template, prefix) in
        [(".cairnfs/{x}", ".cairnfs/"), (".cairnfs/a/{x}", ".cairnfs/"), ("a/{x}", "a/b/"), ("a/{x}", "a/")]
    {
        let errors = errors(vec![domain(template, None)], options(prefix));
        assert_eq!(errors[0].mistake, Mistake::ServiceOverlap(prefix.into()), "{template} {prefix}");
    }
    assert!(Layout::new(vec![domain("a/{x}", None)], options("ab/")).is_ok());
    for prefix in ["", "/", "x", "/x/", "x//", "../"] {
        let errors = errors(vec![domain("a/{x}", None)], options(prefix));
        assert_eq!(errors[0].mistake, Mistake::BadPrefix(prefix.into()), "{prefix}");
        assert_eq!(errors.len(), 1, "{errors:?}");
    }
}

#[test]
fn layout_without_a_domain_is_refused() {
    let errors = errors(Vec::new(), LayoutOptions::default());
    assert_eq!((errors[0].field, &errors[0].mistake), (LayoutField::Domains, &Mistake::NoDomain));
}

#[test]
fn extensions_that_can_never_match_are_refused() {
    for bad in ["", ".pdf", "tar.gz", "a/b", "p\ndf"] {
        let errors = errors(vec![domain("a/{x}", Some(&format!("md\u{20}{bad}")))], LayoutOptions::default());
        assert_eq!(errors[0].mistake, Mistake::BadExtension(bad.into()), "{bad:?}");
        assert_eq!((errors[0].field, errors[0].item), (LayoutField::Extensions, Some(1)));
    }
    let mut none = domain("a/{x}", None);
    none.extensions = Some(Vec::new());
    assert_eq!(errors(vec![none], LayoutOptions::default())[0].mistake, Mistake::NoExtension);
    let other = domain("a/{x}.TXT", Some("md"));
    let mistake = Mistake::TemplateExtension("txt".into());
    assert_eq!(errors(vec![other], LayoutOptions::default())[0].mistake, mistake);
}

#[test]
fn extensions_are_kept_in_lower_case_without_repetition() {
    let layout = Layout::new(vec![domain("a/{x}", Some("PDF pdf Txt"))], LayoutOptions::default()).unwrap();
    let kept = layout.domains()[0].spec().extensions.clone().unwrap();
    assert_eq!(kept, ["pdf", "txt"]);
}

#[test]
fn builtin_domains_are_those_of_the_table() {
    use DeletePolicy::{Refuse, Trash};
    let table: Vec<_> = builtin_domains()
        .into_iter()
        .map(|d| {
            assert!(d.writable && d.max_key_length == 500 && d.max_size.is_none(), "{}", d.name);
            (d.template, d.extensions.unwrap().join(" "), d.delete)
        })
        .collect();
    let expected = [
        ("documents/{filename}", "pdf doc docx txt md html htm rtf odt xls xlsx csv ppt pptx", Trash),
        ("scraped/{source_id}/{filename:path}", "md html htm txt json", Refuse),
        ("chunks/{document_id}/chunk_{index}.txt", "txt", Refuse),
        ("rfp_info_documents/{rfp_id}/{filename}", "pdf doc docx txt md", Trash),
        ("rfp_question_documents/{rfp_id}/{filename}", "xlsx xls csv", Trash),
        ("rfp_exports/{rfp_id}/{filename}", "xlsx xls csv pdf docx", Trash),
        ("orgs/logos/{filename}", "png jpg jpeg gif svg webp", Trash),
    ];
    assert_eq!(table, expected.map(|(t, e, d)| (t.to_owned(), e.to_owned(), d)));
}

#[test]
fn settings_written_as_text_read_back() {
    for policy in [DeletePolicy::Refuse, DeletePolicy::Trash, DeletePolicy::Allow] {
        assert_eq!(policy.to_string().parse(), Ok(policy));
    }
    for rule in [DjangoRule::V5_1, DjangoRule::V4_2] {
        assert_eq!(rule.to_string().parse(), Ok(rule));
    }
    assert!("Trash".parse::<DeletePolicy>().unwrap_err().to_string().contains("\"trash\""));
    assert!("5.2".parse::<DjangoRule>().unwrap_err().to_string().contains("\"5.1\""));
}
