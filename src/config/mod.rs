//! The settings: flags over a TOML file over the environment, checked as a whole.
//!
//! [`raw`] and [`env`] read what was written, [`merge`] picks the strongest source, [`validate`] turns it into
//! [`Settings`] or into every mistake at once. `docs/configuration.md` lists the settings for people.
//!
//! # Invariants
//! * The environment is read in [`env`] and nowhere else in the crate.
//! * A secret is never part of a message, of `Debug` output, or of [`Settings::describe`].
//! * Settings that exist are valid; no later layer checks them again.

mod describe;
pub mod env;
pub mod merge;
mod mistake;
pub mod quantity;
pub mod raw;
pub mod reader;
mod settings;
mod target;
mod validate;

pub use env::Environment;
pub use merge::Overrides;
pub use mistake::{ConfigError, Mistake, Mistakes, Place};
pub use settings::{
    CacheSettings, Dirs, MountSettings, ReadSettings, SameBytes, Settings, StoreTarget, WeakStore,
    WhenUnreachable, WriteSettings,
};
pub use target::url as store_url;
pub use validate::load;
