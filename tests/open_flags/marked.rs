//! The places where the law makes the mount differ from a plain directory.

use crate::case::{ALTERNATIVE, Case, OLD, Seen, Target};

/// One difference.
pub struct Marked {
    pub name: &'static str,
    /// Which cases it is about.
    pub applies: fn(&Case) -> bool,
    /// Makes what is to be seen here of what ext4 shows.
    pub here: fn(&Case, Seen) -> Seen,
}

/// All of them. Whatever is not here is as on ext4: every errno, every size, every byte.
pub const MARKED: &[Marked] = &[
    Marked {
        // 3.3: opening an existing object for writing starts a new draft beside it. What ext4 has under the name in the
        // end is here under the alternative name; the name has what it had.
        name: "3.3: an object keeps its bytes, what is written goes beside it",
        applies: |case| case.target == Target::Object && case.fills() && !case.is_exclusive(),
        here: |case, seen| beside(case, seen),
    },
    Marked {
        // 3.3: a draft beside an object that was only truncated is not published.
        name: "3.3: an object that was only truncated has no new version",
        applies: |case| {
            let truncates = case.has(libc::O_TRUNC) && !case.fills();
            case.target == Target::Object && truncates && !case.is_exclusive()
        },
        here: |case, seen| unchanged(case, seen),
    },
    Marked {
        // 3.4: while one process writes a draft, another that opens the name with O_TRUNC gets one of its own under a suffix.
        name: "3.4: what another process writes is not truncated",
        applies: |case| {
            let truncates = case.has(libc::O_TRUNC) && case.fills();
            case.target == Target::OthersDraft && truncates && !case.is_exclusive()
        },
        here: |case, seen| beside(case, seen),
    },
    Marked {
        // 3.4, 3.8: the same, and an empty draft beside something is never published; it is dropped.
        name: "3.4, 3.8: an empty draft beside another's is dropped",
        applies: |case| {
            let truncates = case.has(libc::O_TRUNC) && !case.fills();
            case.target == Target::OthersDraft && truncates && !case.is_exclusive()
        },
        here: |case, seen| unchanged(case, seen),
    },
    Marked {
        // 6.1: scratch files are kept on this host and never published.
        name: "6.1: scratch files do not enter the bucket",
        applies: |case| case.target == Target::Scratch,
        here: |_, mut seen| {
            seen.bucket.clear();
            seen
        },
    },
];

fn beside(case: &Case, mut seen: Seen) -> Seen {
    for files in [&mut seen.files, &mut seen.bucket] {
        if let Some(written) = files.insert(case.name().to_owned(), OLD.to_vec()) {
            files.insert(ALTERNATIVE.to_owned(), written);
        }
    }
    seen
}

fn unchanged(case: &Case, mut seen: Seen) -> Seen {
    for files in [&mut seen.files, &mut seen.bucket] {
        files.insert(case.name().to_owned(), OLD.to_vec());
    }
    seen
}
