//! The rules of the bucket, as a user meets them: what may be made where, under which name, and what is said when not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop with what it saw")]
#![expect(clippy::indexing_slicing, reason = "as above")]

#[path = "layout/alternatives.rs"]
mod alternatives;
#[path = "layout/directories.rs"]
mod directories;
#[path = "layout/documents.rs"]
mod documents;
#[path = "layout/mistakes.rs"]
mod mistakes;
#[path = "layout/scratch.rs"]
mod scratch;
#[path = "layout/support.rs"]
mod support;
#[path = "layout/templates.rs"]
mod templates;
