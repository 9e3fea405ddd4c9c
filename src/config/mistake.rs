//! Mistakes in the configuration, each with the place where it was made.
//!
//! Nothing here stops at the first one: readers put what they find into a [`Mistakes`] and go on, and the user sees
//! all of it at once.

use std::fmt;
use std::path::PathBuf;

/// Where a setting was written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A line of the configuration file.
    File {
        /// The file as the user named it.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
    },
    /// A flag or argument of the command line.
    Flag(&'static str),
    /// An environment variable, or the credential file of that name.
    Env(&'static str),
    /// No single place: something is missing.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: 0 } => write!(f, "{}", path.display()),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Flag(name) | Self::Env(name) => f.write_str(name),
            Self::Nowhere => f.write_str("settings"),
        }
    }
}

/// One thing that is wrong, in one line.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mistake {
    /// Where.
    pub place: Place,
    /// What, and what to do.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// What readers and validators have found so far.
#[derive(Debug, Default)]
pub struct Mistakes {
    found: Vec<Mistake>,
    unreadable: Vec<Place>,
}

impl Mistakes {
    /// Notes one more, unless its place could not be read at all: what is said there would be guesswork.
    pub fn push(&mut self, place: Place, message: impl Into<String>) {
        if !self.unreadable.contains(&place) {
            self.found.push(Mistake { place, message: message.into() });
        }
    }

    /// Notes that nothing sensible stands at `place`; later mistakes there are left out.
    pub fn push_unreadable(&mut self, place: Place, message: impl Into<String>) {
        self.push(place.clone(), message);
        self.unreadable.push(place);
    }

    /// Returns the error that carries all of them, in order of their places, or `Ok` where there is none.
    ///
    /// # Errors
    /// When anything was noted.
    pub fn into_result(mut self) -> Result<(), ConfigError> {
        if self.found.is_empty() {
            return Ok(());
        }
        self.found.sort();
        self.found.dedup();
        Err(ConfigError { mistakes: self.found })
    }
}

/// A configuration that cannot be used: every mistake in it, at least one.
///
/// `Display` is one line a mistake, without a trailing line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    mistakes: Vec<Mistake>,
}

impl ConfigError {
    /// Returns an error of a single mistake.
    pub fn single(place: Place, message: impl Into<String>) -> Self {
        Self { mistakes: vec![Mistake { place, message: message.into() }] }
    }

    /// Returns the mistakes: flags and file by line, then environment.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, mistake) in self.mistakes.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            mistake.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}
