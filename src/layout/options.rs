//! The settings of a layout that belong to no single domain.

use super::error::{LayoutError, LayoutField, Mistake};
use super::scratch::is_pattern;
use super::suffix::DjangoRule;
use super::template::is_path;

/// The default of [`LayoutOptions::service_prefix`].
pub const DEFAULT_SERVICE_PREFIX: &str = ".cairnfs/";

/// The settings of a layout that belong to no single domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutOptions {
    /// Where a suffix stands in a name.
    pub django: DjangoRule,
    /// The prefix outside all domains that is for cairnfs itself, with its trailing `/`.
    pub service_prefix: String,
    /// More scratch names than the built-in ones; `*` is any text, `?` one character.
    pub scratch: Vec<String>,
}

impl Default for LayoutOptions {
    fn default() -> Self {
        Self {
            django: DjangoRule::default(),
            service_prefix: DEFAULT_SERVICE_PREFIX.to_owned(),
            scratch: Vec::new(),
        }
    }
}

impl LayoutOptions {
    /// Notes every mistake in the options by themselves.
    pub(super) fn check(&self, errors: &mut Vec<LayoutError>) {
        let error =
            |field, item, mistake| LayoutError { domain: None, name: String::new(), field, item, mistake };
        if !self.service_prefix.strip_suffix('/').is_some_and(is_path) {
            let mistake = Mistake::BadPrefix(self.service_prefix.clone());
            errors.push(error(LayoutField::ServicePrefix, None, mistake));
        }
        for (item, pattern) in self.scratch.iter().enumerate().filter(|(_, p)| !is_pattern(p)) {
            errors.push(error(LayoutField::Scratch, Some(item), Mistake::BadPattern(pattern.clone())));
        }
    }
}
