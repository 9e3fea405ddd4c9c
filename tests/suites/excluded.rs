//! Lists of what is left out: a name, and the sentence of the law that is the reason.

use std::collections::BTreeMap;

/// Reads a list: `name  reason`, one a line; `#` begins a comment.
///
/// # Panics
/// Where a name has no reason, or stands there twice.
pub fn read(list: &str) -> BTreeMap<&str, &str> {
    let mut excluded = BTreeMap::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (name, reason) = line.split_once(' ').unwrap_or((line, ""));
        assert!(!reason.trim().is_empty(), "'{name}' is left out without a reason");
        assert!(excluded.insert(name, reason.trim()).is_none(), "'{name}' is there twice");
    }
    excluded
}

/// One complaint of a program that the law is the reason for.
pub struct Complaint<'a> {
    /// What it says, with `*` for any text.
    pub says: &'a str,
    /// It says so in every run.
    pub always: bool,
}

/// Reads a list of complaints: one a line, its reason on the next, which is indented.
///
/// # Panics
/// Where one has no reason.
pub fn read_complaints(list: &str) -> Vec<Complaint<'_>> {
    let mut lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut complaints = Vec::new();
    while let Some(says) = lines.next() {
        let reason = lines.next().filter(|reason| reason.starts_with("    "));
        assert!(reason.is_some(), "'{says}' is left out without a reason");
        let at_times = says.strip_prefix('?');
        complaints.push(Complaint { says: at_times.unwrap_or(says), always: at_times.is_none() });
    }
    complaints
}

impl Complaint<'_> {
    /// Returns whether `line` ends with it.
    pub fn is(&self, line: &str) -> bool {
        let mut parts = self.says.split('*').rev();
        let Some(mut rest) = parts.next().and_then(|last| line.strip_suffix(last)) else { return false };
        parts.all(|part| {
            rest.rfind(part).is_some_and(|at| {
                rest = &rest[..at];
                true
            })
        })
    }
}

#[test]
fn complaint_is_one_line_and_no_other() {
    let list = "a: rmdir '*/tmp-*-0' failed\n    5.2 for a reason\n?b: open\n    5.2 too";
    let [rmdir, open] = &read_complaints(list)[..] else { panic!("two are listed") };
    assert!(rmdir.always && !open.always);
    assert!(rmdir.is("fail: [7] a: rmdir '/x/tmp-a-0' failed"));
    for other in
        ["fail: [7] a: rmdir '/x/tmp-a-0/dir' failed", "b: rmdir '/x/tmp-a-0' failed", "a: rmdir '/x/tmp"]
    {
        assert!(!rmdir.is(other), "{other}");
    }
}
