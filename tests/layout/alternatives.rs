//! The names that documents get when theirs are taken, with the cuts that Django does not know (semantics 4.1).

use cairnfs::layout::{
    DjangoRule, FilePlacement, Layout, LayoutOptions, alternative_name, available_name, random_suffix,
};
use proptest::prelude::*;

use super::support::{builtin, domain, open_layout};

const R: &str = "aB3xY9z";

#[test]
fn alternative_stands_where_the_rule_says() {
    for (name, new, old) in [
        ("a.tar.gz", "a_aB3xY9z.tar.gz", "a.tar_aB3xY9z.gz"),
        ("v1.2 final.pdf", "v1_aB3xY9z.2 final.pdf", "v1.2 final_aB3xY9z.pdf"),
        (".bashrc", ".bashrc_aB3xY9z", ".bashrc_aB3xY9z"),
        (".env.local", ".env_aB3xY9z.local", ".env_aB3xY9z.local"),
        ("trail.", "trail._aB3xY9z", "trail_aB3xY9z."),
        ("..x", "..x_aB3xY9z", "..x_aB3xY9z"),
        ("noext", "noext_aB3xY9z", "noext_aB3xY9z"),
        ("d.ir/a.b", "d.ir/a_aB3xY9z.b", "d.ir/a_aB3xY9z.b"),
    ] {
        assert_eq!(alternative_name(name, DjangoRule::V5_1, R), new, "{name}");
        assert_eq!(alternative_name(name, DjangoRule::V4_2, R), old, "{name}");
    }
}

#[test]
fn alternative_in_a_layout_follows_its_rule() {
    let with = |django| {
        Layout::new(vec![domain("a/{f}", None)], LayoutOptions { django, ..LayoutOptions::default() })
            .unwrap()
    };
    assert_eq!(with(DjangoRule::V5_1).alternative("a/x.tar.gz", R).unwrap(), "a/x_aB3xY9z.tar.gz");
    assert_eq!(with(DjangoRule::V4_2).alternative("a/x.tar.gz", R).unwrap(), "a/x.tar_aB3xY9z.gz");
}

#[test]
fn alternative_of_a_full_segment_cuts_the_root_at_a_character() {
    let layout = builtin();
    let cut = |root: &str| layout.alternative(&format!("documents/{root}.pdf"), R).unwrap();
    // 255 - 8 for the suffix - 4 for the extension: 243 bytes are left
    assert_eq!(cut(&"x".repeat(251)), format!("documents/{}_{R}.pdf", "x".repeat(243)));
    assert_eq!(cut(&"x".repeat(243)), format!("documents/{}_{R}.pdf", "x".repeat(243)));
    assert_eq!(cut(&"é".repeat(125)), format!("documents/{}_{R}.pdf", "é".repeat(121)));
    assert_eq!(cut(&"中".repeat(83)), format!("documents/{}_{R}.pdf", "中".repeat(81)));
    assert_eq!(cut(&"😀".repeat(62)), format!("documents/{}_{R}.pdf", "😀".repeat(60)));
}

#[test]
fn alternative_of_a_full_key_cuts_the_root_to_1024_bytes() {
    let mut spec = domain("s/{p:path}", None);
    spec.max_key_length = 5000;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    let dirs = format!("s/{}", format!("{}/", "d".repeat(199)).repeat(5));
    let path = |bytes: usize| format!("{dirs}{}.md", "é".repeat((bytes - dirs.len() - 3) / 2));
    let path = path(1023);
    let alternative = layout.alternative(&path, R).unwrap();
    // 22 bytes less the suffix and `.md` leave 11, five characters of two bytes
    assert_eq!(alternative, format!("{dirs}ééééé_{R}.md"));
    assert_eq!(alternative.len(), 1023);
}

#[test]
fn alternative_keeps_the_domains_limit_in_characters() {
    let mut spec = domain("a/{f}", None);
    spec.max_key_length = 100;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    let alternative = layout.alternative(&format!("a/{}.txt", "é".repeat(90)), R).unwrap();
    assert_eq!(alternative, format!("a/{}_{R}.txt", "é".repeat(86)));
    assert_eq!(alternative.chars().count(), 100);
    assert_eq!(layout.alternative("a/short.txt", R).unwrap(), format!("a/short_{R}.txt"));
}

#[test]
fn alternative_without_room_for_a_root_is_none() {
    let layout = open_layout(&["a/{f}"]);
    // Django 5.1 counts everything after the first dot as extension
    assert_eq!(layout.alternative(&format!("a/b.{}", "x".repeat(250)), R), None);
    assert_eq!(layout.alternative(&format!("a/b.{}", "x".repeat(245)), R).unwrap().len(), 2 + 255);
    let mut spec = domain("a/{f}", None);
    spec.max_key_length = 13;
    let layout = Layout::new(vec![spec], LayoutOptions::default()).unwrap();
    assert_eq!(layout.alternative("a/bb.txt", R), None);
}

#[test]
fn alternative_in_a_template_that_takes_no_suffix_is_none() {
    let layout = open_layout(&["n/{i:int}", "t/{x}_final.pdf", "u/{x}/data.json"]);
    for path in ["n/7", "t/a_final.pdf", "u/1/data.json"] {
        assert!(matches!(layout.place_file(path), FilePlacement::Document { .. }), "{path}");
        assert_eq!(layout.alternative(path, R), None, "{path}");
    }
    let chunk = builtin().alternative("chunks/42/chunk_7.txt", R);
    assert_eq!(chunk.unwrap(), "chunks/42/chunk_7_aB3xY9z.txt");
}

#[test]
fn alternative_that_would_lose_its_extension_is_none() {
    // For Django `..pdf` is a name with the extension pdf but without suffixes.
    let layout = builtin();
    assert!(matches!(layout.place_file("documents/..pdf"), FilePlacement::Document { .. }));
    assert_eq!(layout.alternative("documents/..pdf", R), None);
}

#[test]
fn alternative_never_reads_like_a_scratch_name() {
    // `tmp` and eight of [a-z0-9_] are a name of Python's tempfile
    let layout = open_layout(&["a/{f}"]);
    assert_eq!(layout.alternative("a/tmp", "abcdefg").unwrap(), "a/tmp_Zbcdefg");
    assert_eq!(layout.alternative("a/tmp", "1234567").unwrap(), "a/tmp_Z234567");
    assert_eq!(layout.alternative("a/tmp", R).unwrap(), format!("a/tmp_{R}"));
}

#[test]
fn alternative_of_what_is_no_document_is_none() {
    let layout = builtin();
    for path in ["documents/x.exe", "documents/x.pdf.part", "other/x.pdf", "documents/a/b.pdf", ""] {
        assert_eq!(layout.alternative(path, R), None, "{path}");
    }
}

#[test]
fn available_name_draws_each_try_from_the_original_root() {
    let mut asked = Vec::new();
    let mut randoms = ["1111111", "2222222", "3333333"].iter();
    let found = available_name(
        "a/b.txt",
        Some(100),
        DjangoRule::V5_1,
        |name| {
            asked.push(name.to_owned());
            asked.len() <= 3
        },
        || (*randoms.next().unwrap()).to_owned(),
    );
    assert_eq!(found.unwrap(), "a/b_3333333.txt");
    assert_eq!(asked, ["a/b.txt", "a/b_1111111.txt", "a/b_2222222.txt", "a/b_3333333.txt"]);
}

#[test]
fn available_name_that_is_never_free_ends() {
    let never = available_name("a", None, DjangoRule::V5_1, |_| true, random_suffix);
    assert!(never.is_err());
}

#[test]
fn random_suffix_is_seven_letters_and_digits_and_differs() {
    let drawn: std::collections::HashSet<String> = (0..1000).map(|_| random_suffix()).collect();
    assert_eq!(drawn.len(), 1000);
    assert!(drawn.iter().all(|s| s.len() == 7 && s.bytes().all(|b| b.is_ascii_alphanumeric())));
    // all of the alphabet is in use: a character is missing from 7,000 draws once in 10^47 runs
    let used: std::collections::HashSet<char> = drawn.iter().flat_map(|s| s.chars()).collect();
    assert_eq!(used.len(), 62);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn alternative_is_a_document_of_the_same_domain_within_all_limits(
        dirs in "(/[é中a-c.]{1,120}){0,6}",
        name in "[.]{0,2}[é中😀a-c. _]{1,80}(\\.[a-cé]{0,40}){0,3}",
        django in prop_oneof![Just(DjangoRule::V5_1), Just(DjangoRule::V4_2)],
        limit in prop_oneof![Just(500_u32), 8..300_u32],
    ) {
        let mut spec = domain("s/{p:path}", None);
        spec.max_key_length = limit;
        let layout = Layout::new(vec![spec], LayoutOptions { django, ..LayoutOptions::default() }).unwrap();
        let path = format!("s{dirs}/{name}");
        let Some(alternative) = layout.alternative(&path, R) else { return Ok(()) };
        prop_assert!(matches!(layout.place_file(&alternative), FilePlacement::Document { .. }), "{}", alternative);
        prop_assert!(alternative.len() <= 1024 && alternative.split('/').all(|s| s.len() <= 255));
        prop_assert!(alternative.chars().count() <= usize::try_from(limit).unwrap());
        // where nothing had to be cut by bytes, it is the name that Django would take
        let uncut = alternative_name(&path, django, R);
        if uncut.len() <= 1024 && uncut.rsplit('/').next().is_some_and(|s| s.len() <= 255) {
            let max = usize::try_from(limit).unwrap();
            let mut asked = 0;
            let exists = |_: &str| { asked += 1; asked == 1 };
            prop_assert_eq!(available_name(&path, Some(max), django, exists, || R.to_owned()), Ok(alternative));
        }
    }
}
