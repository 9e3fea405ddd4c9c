//! The laws of templates, over templates and paths drawn at random (semantics 1.1, 1.2).

use std::collections::BTreeMap;

use cairnfs::layout::{Fields, Layout, LayoutOptions, Mistake, Template, TemplateError};
use proptest::prelude::*;

use super::support::{domain, fields, open_layout};

/// A template and the kinds of its fields, from an alphabet so small that two of them often meet.
fn template() -> impl Strategy<Value = (String, Vec<&'static str>)> {
    let literal = "[ab1.]{0,2}";
    let kind = prop_oneof![Just(""), Just(":int"), Just("-")];
    let segment = (literal, kind, literal);
    (prop::collection::vec(segment, 1..4), any::<bool>()).prop_map(|(segments, path)| {
        let last = segments.len() - 1;
        let mut text = "a".to_owned();
        let mut kinds = Vec::new();
        for (i, (before, kind, after)) in segments.into_iter().enumerate() {
            let number = kinds.len();
            text += &match (kind, i == last) {
                // the last segment always has a field, so that the template has one
                ("-", false) => format!("/{before}b{after}"),
                (_, true) if path => {
                    kinds.push(":path");
                    format!("/{before}{{f{number}:path}}{after}")
                }
                ("-" | "", _) => {
                    kinds.push("");
                    format!("/{before}{{f{number}}}{after}")
                }
                _ => {
                    kinds.push(":int");
                    format!("/{before}{{f{number}:int}}{after}")
                }
            };
        }
        (text, kinds)
    })
}

fn value(kind: &str) -> BoxedStrategy<String> {
    match kind {
        ":int" => "[01]{1,3}".boxed(),
        ":path" => prop::collection::vec("[ab1.é ]{1,3}", 1..4).prop_map(|s| s.join("/")).boxed(),
        _ => "[ab1.é {}]{1,4}".boxed(),
    }
}

fn template_and_values() -> impl Strategy<Value = (String, Fields)> {
    template().prop_flat_map(|(text, kinds)| {
        let values: Vec<_> = kinds.iter().map(|kind| value(kind)).collect();
        (Just(text), values).prop_map(|(text, values)| {
            let fields: BTreeMap<_, _> =
                values.into_iter().enumerate().map(|(i, v)| (format!("f{i}"), v)).collect();
            (text, fields)
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn template_rendered_fields_match_again((text, values) in template_and_values()) {
        let template = Template::parse(&text).unwrap();
        // values such as `..` give no path and are refused, which leaves nothing to match
        let Ok(path) = template.render(&values) else { return Ok(()) };
        prop_assert_eq!(template.match_path(&path), Some(values));
    }

    #[test]
    fn template_matched_path_renders_again((text, _) in template(), path in "a(/[ab1.é]{1,4}){1,4}") {
        let template = Template::parse(&text).unwrap();
        if let Some(values) = template.match_path(&path) {
            prop_assert_eq!(template.render(&values), Ok(path));
        }
    }

    #[test]
    fn template_matched_path_has_directories_that_match((text, values) in template_and_values()) {
        let template = Template::parse(&text).unwrap();
        let Ok(path) = template.render(&values) else { return Ok(()) };
        let mut dir = path.rsplit_once('/').unwrap().0;
        prop_assert!(template.holds_files(dir), "no files in {}", dir);
        while let Some((above, _)) = dir.rsplit_once('/') {
            let fixed = template.match_dir(dir);
            prop_assert!(fixed.is_some_and(|f| f.iter().all(|(k, v)| values.get(k) == Some(v))), "{}", dir);
            dir = above;
        }
    }

    #[test]
    fn overlap_is_found_exactly_where_a_path_matches_both(
        (one, values) in template_and_values(),
        (other, _) in template(),
    ) {
        let (a, b) = (Template::parse(&one).unwrap(), Template::parse(&other).unwrap());
        let made = Layout::new(
            [("one", &one), ("other", &other)].map(|(name, t)| {
                let mut spec = domain(t, None);
                spec.name = name.to_owned();
                spec
            }).to_vec(),
            LayoutOptions::default(),
        );
        match made {
            Ok(_) => {
                let path = a.render(&values);
                prop_assert!(path.iter().all(|p| b.match_path(p).is_none()), "{:?} matches both", path);
            }
            Err(errors) => {
                prop_assert_eq!(errors.len(), 1);
                prop_assert_eq!(errors[0].domain, Some(1));
                let Mistake::Overlap { example, .. } = &errors[0].mistake else {
                    return Err(TestCaseError::fail(format!("{errors:?}")));
                };
                prop_assert!(a.match_path(example).is_some() && b.match_path(example).is_some(), "{}", example);
            }
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn layout_path_belongs_to_one_domain_at_most(
        texts in prop::collection::vec(template(), 2..5),
        paths in prop::collection::vec("a(/[ab1.]{1,4}){1,3}", 16),
    ) {
        let mut names: Vec<String> = texts.into_iter().map(|(t, _)| t).collect();
        names.sort();
        names.dedup();
        let specs = names.iter().map(|t| domain(t, None)).collect();
        let Ok(layout) = Layout::new(specs, LayoutOptions::default()) else { return Ok(()) };
        for path in paths {
            prop_assert!(layout.domains().iter().filter(|d| d.fields_of(&path).is_some()).count() <= 1, "{}", path);
        }
    }
}

#[test]
fn template_with_literals_around_a_field_reads_the_part_between() {
    let template = Template::parse("chunks/{document_id}/chunk_{index}.txt").unwrap();
    assert_eq!(
        template.match_path("chunks/42/chunk_7.txt"),
        Some(fields(&[("document_id", "42"), ("index", "7")]))
    );
    for path in
        ["chunks/42/chunk_.txt", "chunks/42/chunk_7.md", "chunks/42/Chunk_7.txt", "chunks/chunk_7.txt"]
    {
        assert_eq!(template.match_path(path), None, "{path}");
    }
}

#[test]
fn template_int_field_takes_ascii_digits_only() {
    let template = Template::parse("a/{n:int}").unwrap();
    assert_eq!(template.match_path("a/007"), Some(fields(&[("n", "007")])));
    for path in ["a/", "a/-1", "a/1.0", "a/7_x", "a/\u{664}"] {
        assert_eq!(template.match_path(path), None, "{path}");
    }
}

#[test]
fn template_path_field_takes_one_segment_or_more() {
    let template = Template::parse("s/{id}/{p:path}").unwrap();
    assert_eq!(template.match_path("s/1/a.md"), Some(fields(&[("id", "1"), ("p", "a.md")])));
    assert_eq!(template.match_path("s/1/a/b/c.md"), Some(fields(&[("id", "1"), ("p", "a/b/c.md")])));
    for path in ["s/1", "s/1/", "s/1/a//b", "s/1/../b", "s/1/a/.", "s//a"] {
        assert_eq!(template.match_path(path), None, "{path}");
    }
}

#[test]
fn template_with_mistakes_names_each_of_them() {
    let cases: &[(&str, &[TemplateError])] = &[
        ("", &[TemplateError::Empty]),
        ("documents", &[TemplateError::NoPrefix, TemplateError::NoField]),
        ("a/b.txt", &[TemplateError::NoField]),
        ("{a}/b", &[TemplateError::NoPrefix]),
        ("/a/{b}", &[TemplateError::EmptySegment]),
        ("a//{b}/", &[TemplateError::EmptySegment]),
        ("a/../{b}", &[TemplateError::DotSegment("..".into())]),
        ("a/{b", &[TemplateError::Unbalanced("{b".into())]),
        ("a/b}", &[TemplateError::Unbalanced("b}".into())]),
        ("a/{b}}", &[TemplateError::Unbalanced("{b}}".into())]),
        ("a/{{b}", &[TemplateError::Unbalanced("{{b}".into())]),
        ("a/{b}{c}", &[TemplateError::TwoFields("{b}{c}".into())]),
        ("a/{}", &[TemplateError::FieldName(String::new())]),
        ("a/{1b}", &[TemplateError::FieldName("1b".into())]),
        ("a/{b c}", &[TemplateError::FieldName("b c".into())]),
        ("a/{b:float}", &[TemplateError::Kind { name: "b".into(), kind: "float".into() }]),
        ("a/{b:path}/c", &[TemplateError::PathNotLast("b".into())]),
        ("a/{b}/{b}", &[TemplateError::DuplicateField("b".into())]),
        ("a/x\n{b}", &[TemplateError::Control]),
        (
            "./{b}}/{c:d}",
            &[
                TemplateError::DotSegment(".".into()),
                TemplateError::Unbalanced("{b}}".into()),
                TemplateError::Kind { name: "c".into(), kind: "d".into() },
            ],
        ),
    ];
    for (text, mistakes) in cases {
        assert_eq!(Template::parse(text).unwrap_err(), *mistakes, "{text}");
    }
}

#[test]
fn render_with_values_that_do_not_fit_says_which() {
    let template = Template::parse("a/{n:int}/x_{p:path}").unwrap();
    let render = |pairs: &[(&str, &str)]| template.render(&fields(pairs)).map_err(|e| e.to_string());
    assert_eq!(render(&[("n", "1"), ("p", "b/c")]), Ok("a/1/x_b/c".into()));
    assert_eq!(render(&[("n", "1")]), Err("the field 'p' has no value".into()));
    assert_eq!(render(&[("n", "1"), ("p", "b"), ("q", "c")]), Err("the template has no field 'q'".into()));
    assert_eq!(render(&[("n", "one"), ("p", "b")]), Err("'one' is no value for the field 'n'".into()));
    assert_eq!(render(&[("n", "1"), ("p", "b/../c")]), Err("'b/../c' is no value for the field 'p'".into()));
}

#[test]
fn layout_with_templates_side_by_side_keeps_them_apart() {
    let layout = open_layout(&["rfps/{id}/info/{f}", "rfps/{id}/exports/{f}", "rfps/{id}/n{n:int}"]);
    let of = |path: &str| super::support::document(&layout, path).map(|(name, _)| name);
    assert_eq!(of("rfps/5/info/a").as_deref(), Some("rfps/{id}/info/{f}"));
    assert_eq!(of("rfps/5/exports/a").as_deref(), Some("rfps/{id}/exports/{f}"));
    assert_eq!(of("rfps/5/n7").as_deref(), Some("rfps/{id}/n{n:int}"));
    assert_eq!(of("rfps/5/other/a"), None);
}
