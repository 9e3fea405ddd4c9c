//! The small words everything else is made of: validated newtypes without I/O.
//!
//! This is the lowest layer (L0): it uses no other module of the crate.

mod clock;
mod damage;
mod digest;
mod etag;
mod ids;
mod key;
mod name;
mod notices;
mod range;

pub use clock::{Clock, Timestamp, patience};
pub use damage::OnDamage;
pub use digest::Sha256Hex;
pub use etag::ETag;
pub use ids::{DraftId, Ino, ProcessId};
pub use key::{KeyError, MAX_KEY_BYTES, ObjectKey};
pub use name::{FileName, MAX_SEGMENT_BYTES, NameError};
pub use notices::{NoNotices, Notices, Told};
pub use range::ByteRange;
