//! Every numbered sentence of `docs/semantics.md` has a test that names it: `s4_2_…` holds sentence 4.2.
//!
//! `cargo test --test semantics -- --nocapture` prints which tests hold which sentence.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Section and number.
type Sentence = (u32, u32);

#[test]
fn every_sentence_has_a_test_that_names_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sentences = sentences(&fs::read_to_string(root.join("docs/semantics.md")).unwrap());
    assert_eq!(sentences.first(), Some(&(1, 1)));
    assert_eq!(sentences.last().map(|s| s.0), Some(10));
    let mut tests: BTreeMap<Sentence, Vec<String>> = sentences.iter().map(|s| (*s, Vec::new())).collect();
    let mut strangers = Vec::new();
    for path in sources(&root.join("tests")) {
        let program = path.strip_prefix(root.join("tests")).unwrap().with_extension("");
        for name in named(&fs::read_to_string(&path).unwrap()) {
            match sentence_of(&name).and_then(|s| tests.get_mut(&s)) {
                Some(list) => list.push(format!("{}: {name}", program.display())),
                None => strangers.push(format!("{}: {name}", program.display())),
            }
        }
    }
    for ((section, number), list) in &tests {
        println!("{section}.{number}: {} tests", list.len());
        for test in list {
            println!("    {test}");
        }
    }
    let without: Vec<String> =
        tests.iter().filter(|(_, list)| list.is_empty()).map(|((s, n), _)| format!("{s}.{n}")).collect();
    assert!(without.is_empty(), "sentences without a test: {}", without.join(", "));
    assert!(strangers.is_empty(), "tests of sentences that there are not: {strangers:?}");
}

/// Returns the numbers at which sentences begin.
fn sentences(text: &str) -> Vec<Sentence> {
    text.lines().filter_map(|line| pair(line.split_once(' ')?.0, '.')).collect()
}

/// Returns the names of the tests in `source`. One that no `#[test]` and no macro makes a test of is dead code, which the
/// compiler tells.
fn named(source: &str) -> Vec<String> {
    let name = |line: &str| {
        let rest = line.trim_start();
        let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
        let name = rest.split_once('(')?.0;
        sentence_of(name).map(|_| name.to_owned())
    };
    source.lines().filter_map(name).collect()
}

/// Returns the sentence of a test's name.
fn sentence_of(name: &str) -> Option<Sentence> {
    let mut parts = name.strip_prefix('s')?.splitn(3, '_');
    let (section, number, rest) = (parts.next()?, parts.next()?, parts.next()?);
    (!rest.is_empty()).then_some((section.parse().ok()?, number.parse().ok()?))
}

fn pair(text: &str, between: char) -> Option<Sentence> {
    let (a, b) = text.split_once(between)?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}
