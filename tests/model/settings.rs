//! How the mounts of a sequence are set up. Most run on mounts that show at once what is there and publish at once; some on
//! mounts that wait.

use std::time::Duration;

use crate::model::{Delete, Domain};
use crate::world::DOMAINS;

/// What a sequence is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settings {
    /// Listings are never older than a call, so that every mount must see at once what others did.
    Plain,
    /// What was published is kept against others (4.6).
    Guarding,
    /// Listings are believed for [`LIST_TTL`] (8.2).
    Believing,
    /// What is closed is left to its maker for a while (3.6).
    Patient,
}

/// How long a listing is believed where it is at all.
pub const LIST_TTL: Duration = Duration::from_millis(400);

impl Settings {
    /// All of them: a pair of mounts each.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Guarding, Self::Believing, Self::Patient];

    /// Returns those that the sequence `seed` runs with.
    pub const fn of(seed: u64) -> Self {
        match seed % 16 {
            7 | 15 => Self::Guarding,
            3 => Self::Believing,
            11 => Self::Patient,
            _ => Self::Plain,
        }
    }

    /// Returns the domain that the sequence `seed` runs in.
    pub fn domain(self, seed: u64) -> Domain {
        let domain = DOMAINS[usize::try_from(seed % 5).unwrap()];
        // which of the listings above and in a directory is how old is more than the model can say
        if self == Self::Believing && domain.has_dirs { DOMAINS[4] } else { domain }
    }

    /// Returns the configuration. What is deferred is due as soon as [`crate::rules::TIMES`] says.
    pub fn config(self) -> String {
        let guard = if self == Self::Guarding { "10min" } else { "0s" };
        let wait = if self == Self::Patient { "2s" } else { "0s" };
        let ttl = if self == Self::Believing { LIST_TTL } else { Duration::ZERO }.as_millis();
        let mut text = format!(
            "[write]\nfree_floor = \"1MiB\"\ndelete_after = \"2s\"\npublish_after = \"{wait}\"\nguard = \"{guard}\"\n\
             [read]\nlist_ttl = \"{ttl}ms\"\nmiss_ttl = \"{ttl}ms\"\n"
        );
        for domain in DOMAINS {
            let list = if domain.has_list { "extensions = [\"pdf\", \"docx\"]\n" } else { "" };
            let delete = match domain.delete {
                Delete::Refuse => "refuse",
                Delete::Trash => "trash",
                Delete::Allow => "allow",
            };
            let file = if domain.has_dirs { "{filename:path}" } else { "{filename}" };
            text += &format!(
                "[[domain]]\nname = \"{0}\"\ntemplate = \"{0}/{{n}}/{file}\"\ndelete = \"{delete}\"\n{list}",
                domain.prefix
            );
        }
        text
    }
}
