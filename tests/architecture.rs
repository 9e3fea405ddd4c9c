//! The house rules of `docs/architecture.md` that no compiler holds: layers run one way, some crates stay in their
//! rooms, and what the sources say of the documents is there to be read.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules from the bottom. One may use those of lower layers; those of one layer do not see each other.
const LAYERS: [&[&str]; 9] = [
    &["types"],
    &["layout"],
    &["store", "catalog", "cache"],
    &["read", "drafts"],
    &["fs"],
    &["fuse", "control", "systemd"],
    &["config"],
    &["daemon"],
    &["cli"],
];

/// What may be written only below certain paths.
const ROOMS: [(&str, &[&str]); 7] = [
    ("fuser::", &["fuse/"]),
    ("aws_", &["store/s3"]),
    ("rusqlite", &["catalog/"]),
    ("clap", &["cli/"]),
    ("anyhow", &["cli/", "daemon/"]),
    ("env::var", &["config/env.rs"]),
    ("SystemTime::now", &["types/clock.rs"]),
];

#[test]
fn modules_use_lower_layers_only() {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for (path, code) in sources() {
        let Some((module, _)) = path.split_once('/') else { continue };
        let layer = layer_of(module).unwrap_or_else(|| panic!("src/{module} has no layer"));
        seen.insert(module.to_owned());
        for used in used_modules(&code) {
            let allowed = used == module || layer_of(&used).is_some_and(|below| below < layer);
            if !allowed {
                wrong.push(format!("src/{path} uses crate::{used}"));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(
        seen.len(),
        LAYERS.iter().map(|l| l.len()).sum::<usize>(),
        "only these were looked at: {seen:?}"
    );
}

#[test]
fn crates_stay_in_their_rooms() {
    let mut wrong = Vec::new();
    for (word, rooms) in ROOMS {
        let mut inside = 0;
        for (path, code) in sources() {
            if !contains_word(&code, word) {
                continue;
            }
            if rooms.iter().any(|room| path.starts_with(room)) {
                inside += 1;
            } else {
                wrong.push(format!("src/{path}: {word}"));
            }
        }
        assert!(inside > 0, "'{word}' is nowhere: does the rule still say anything?");
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn documents_that_sources_name_exist() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for file in files(&project.join("src")).into_iter().chain(files(&project.join("docs"))) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        for (at, _) in text.match_indices("docs/") {
            let rest = text.get(at..).unwrap_or_default();
            let end = rest.find(|c: char| !(c.is_alphanumeric() || "/_-.".contains(c))).unwrap_or(rest.len());
            let named = rest.get(..end).unwrap_or_default().trim_end_matches('.');
            if named.ends_with(".md") && !project.join(named).exists() {
                wrong.push(format!("{}: {named}", file.display()));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

fn layer_of(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Returns the files below `src`, by their path there, without their comments.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found = files(&root).into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs"));
    let read = found.map(|file| {
        let code: Vec<String> = fs::read_to_string(&file)
            .unwrap()
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(str::to_owned)
            .collect();
        (file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), code.join("\n"))
    });
    read.collect()
}

fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns the modules behind every `crate::` in `code`, also those in braces.
fn used_modules(code: &str) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for (at, word) in code.match_indices("crate::") {
        let rest = code.get(at + word.len()..).unwrap_or_default();
        match rest.strip_prefix('{') {
            None => drop(used.insert(identifier(rest))),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        _ if begins && !c.is_whitespace() => {
                            used.insert(identifier(list.get(i..).unwrap_or_default()));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // `$crate` and macros of ours would come out as empty
    used.into_iter().filter(|name| !name.is_empty()).collect()
}

fn identifier(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Returns whether `word` begins a word somewhere.
fn contains_word(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code.get(..at).and_then(|c| c.chars().next_back());
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[test]
fn used_modules_are_found_in_every_form() {
    let code =
        "use crate::types::Ino; use crate::{store::{A, b}, layout, fs::X};\nlet x = crate::cache::Y::new();";
    let found: Vec<String> = used_modules(code).into_iter().collect();
    assert_eq!(found, ["cache", "fs", "layout", "store", "types"]);
}
