//! The extension rule and the suffix rule, held against real Django in two versions, over generated names.
//!
//! Needs the Python environments that `tests/setup/django.sh` makes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]
#![expect(clippy::panic, clippy::indexing_slicing, reason = "as above")]

#[path = "layout/names.rs"]
mod names;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use cairnfs::layout::{DjangoRule, alternative_name, available_name, extension};
use names::{Question, questions};
use serde_json::Value;

/// The number of names, so that over 100,000 remain after those that Django refuses.
const NAMES: usize = 105_000;
const ACCEPTED_AT_LEAST: usize = 100_000;
const SEED: u64 = 0x0ca1_2f55;

#[test]
fn names_of_django_5_2_equal_the_rule_5_1() {
    hold_against("django52", [5, 2], DjangoRule::V5_1);
}

#[test]
fn names_of_django_4_2_equal_the_rule_4_2() {
    hold_against("django42", [4, 2], DjangoRule::V4_2);
}

fn hold_against(environment: &str, version: [u64; 2], rule: DjangoRule) {
    let python = python(environment);
    let mut questions = questions(SEED, NAMES);
    let (versions, answers) = ask(&python, &questions);
    assert_eq!(versions[0], serde_json::json!(version), "{} holds another Django", python.display());
    // Python 3.14 counts dots at both ends of a name otherwise; the rule is that of the Pythons before it.
    let new_python = versions[1][1].as_u64().unwrap() >= 14;
    let has_end_dots = |name: &str| {
        let file = name.rsplit('/').next().unwrap_or_default();
        file.ends_with('.') || file.starts_with("..")
    };

    let mut accepted = 0;
    let mut differences = Vec::new();
    for (question, answer) in questions.drain(..).zip(answers) {
        if new_python && has_end_dots(&question.name) {
            continue;
        }
        let ours = ours(&question, rule);
        // Of a path that storages refuse, such as `a.pdf/.`, the validator sees another last segment.
        let same =
            if answer[0].is_null() { ours[0] == answer[0] && ours[1] == answer[1] } else { ours == answer };
        accepted += usize::from(!answer[0].is_null());
        if !same {
            differences.push(format!("{question:?}\n  Django {answer}\n  ours   {ours}"));
        }
    }
    let shown = differences.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    assert!(differences.is_empty(), "{} differences, the first:\n{shown}", differences.len());
    assert!(accepted >= ACCEPTED_AT_LEAST, "Django accepted only {accepted} of {NAMES} names");
}

/// Answers the question as `tests/django/answers.py` does.
fn ours(question: &Question, rule: DjangoRule) -> Value {
    // Storages take `\` for `/`; the validator does not.
    let name = question.name.replace('\\', "/");
    let available = |max_length: Option<usize>, taken: usize| {
        let asked = std::cell::Cell::new(0);
        let exists = |_: &str| {
            asked.set(asked.get() + 1);
            asked.get() <= taken
        };
        available_name(&name, max_length, rule, exists, || question.randoms[asked.get() - 1].clone()).ok()
    };
    let alternative = available(None, 1);
    if let (Some(found), false) = (&alternative, name.contains("//")) {
        assert_eq!(*found, alternative_name(&name, rule, &question.randoms[0]), "of {name:?}");
    }
    let file = question.name.rsplit('/').next().unwrap_or_default();
    let accepts = question.allowed.as_ref().is_none_or(|list| {
        let own = extension(file).unwrap_or_default();
        list.iter().any(|allowed| allowed.to_lowercase() == own)
    });
    serde_json::json!([
        alternative,
        available(question.max_length, question.taken),
        extension(file).unwrap_or_default(),
        accepts,
    ])
}

fn python(environment: &str) -> PathBuf {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = std::env::var_os("CAIRNFS_TEST_ENV").map_or_else(|| project.join(".test-env"), PathBuf::from);
    let python = root.join(environment).join("bin/python");
    assert!(python.exists(), "{} is missing; run: sh tests/setup/django.sh", python.display());
    python
}

/// Puts all questions to one Python process.
fn ask(python: &PathBuf, questions: &[Question]) -> (Value, Vec<Value>) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/django/answers.py");
    let mut child =
        Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap_or_else(
            |e| panic!("cannot run {}: {e}; run: sh tests/setup/django.sh", python.display()),
        );
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut lines = std::io::BufWriter::new(&mut stdin);
            for question in questions {
                // a child that died is seen by its exit status
                if writeln!(lines, "{}", question.to_json()).is_err() {
                    return;
                }
            }
        });
        child.wait_with_output().unwrap()
    });
    assert!(output.status.success(), "{script} failed with {}", output.status);
    let text = String::from_utf8(output.stdout).unwrap();
    let mut values = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let versions = values.next().unwrap();
    let answers: Vec<Value> = values.collect();
    assert_eq!(answers.len(), questions.len(), "{script} did not answer every question");
    (versions, answers)
}
