//! Every open flag: what a plain directory does and what the mount does, for each combination on each kind of name.
//!
//! The table is made by doing it on both. Where the two differ, the difference must be one of [`marked::MARKED`], which
//! says why the law wants it; a difference that nobody marked fails, and so does a mark that nothing needs.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on should stop with what it saw"
)]

#[path = "../support/mod.rs"]
mod support;

mod case;
mod marked;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use case::{Case, Seen, Target, bucket_of, files_in, perform};
use marked::MARKED;
use support::mount::{Kind, Setup};

#[test]
fn open_flags_on_a_directory_store_differ_from_ext4_only_where_marked() {
    table(Kind::Dir);
}

#[test]
fn open_flags_on_s3_differ_from_ext4_only_where_marked() {
    table(Kind::S3);
}

fn table(kind: Kind) {
    let cases = Case::all();
    assert_eq!(cases.len(), Target::ALL.len() * 48 * 2);
    let objects = cases.iter().filter(|c| c.target == Target::Object);
    let setup = objects.fold(Setup::new(kind), |s, c| s.object(&c.key(), case::OLD));
    let mut mount = setup.start();

    let plain = perform(&cases, || mount.actor(), "h");
    let ours = perform(&cases, || mount.actor(), "p");
    let expected: Vec<_> = cases.iter().map(|c| files_in(&mount.host(&c.dir()))).collect();
    let visible: Vec<_> = cases.iter().map(|c| files_in(&mount.path(&c.dir()))).collect();
    // every actor has ended, so that a stop publishes even what is empty (10.3)
    mount.stop();
    let bucket = mount.objects();

    let mut report = String::new();
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let on_ext4 =
            Seen { answer: plain[at].clone(), files: expected[at].clone(), bucket: BTreeMap::new() };
        let on_ext4 = Seen { bucket: on_ext4.files.clone(), ..on_ext4 };
        let here = Seen {
            answer: ours[at].clone(),
            files: visible[at].clone(),
            bucket: bucket_of(&bucket, &case.dir()),
        };
        let marks: Vec<_> = MARKED.iter().filter(|m| (m.applies)(case)).collect();
        let wanted = marks.iter().fold(on_ext4.clone(), |seen, mark| (mark.here)(case, seen));
        for mark in marks {
            if (mark.here)(case, on_ext4.clone()) != on_ext4 {
                used.insert(mark.name);
            }
        }
        let sign = if here == on_ext4 { " " } else { "*" };
        writeln!(report, "{sign} {case}\n    ext4  {on_ext4}\n    here  {here}").unwrap();
        if here != wanted {
            wrong.push(format!("{case}\n    ext4    {on_ext4}\n    wanted  {wanted}\n    here    {here}"));
        }
    }
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("open-flags-{kind:?}.txt"));
    std::fs::write(&path, report).unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {} (all: {}):\n{}",
        wrong.len(),
        cases.len(),
        path.display(),
        wrong.join("\n")
    );
    let idle: Vec<_> = MARKED.iter().filter(|m| !used.contains(m.name)).map(|m| m.name).collect();
    assert!(idle.is_empty(), "marked, and yet no difference: {idle:?}");
}
