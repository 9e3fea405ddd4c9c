//! Mistakes in a layout's configuration: which setting of which domain, and what is wrong with it.

use std::fmt;

use super::template::TemplateError;

/// The setting that holds a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayoutField {
    /// `name` of a domain.
    Name,
    /// `template` of a domain.
    Template,
    /// `extensions` of a domain.
    Extensions,
    /// `max_key_length` of a domain.
    MaxKeyLength,
    /// `max_size` of a domain.
    MaxSize,
    /// The list of domains itself.
    Domains,
    /// `service_prefix`.
    ServicePrefix,
    /// `scratch`, the additional patterns.
    Scratch,
}

impl LayoutField {
    /// Returns the name of the setting as it is written in a configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Template => "template",
            Self::Extensions => "extensions",
            Self::MaxKeyLength => "max_key_length",
            Self::MaxSize => "max_size",
            Self::Domains => "domain",
            Self::ServicePrefix => "service_prefix",
            Self::Scratch => "scratch",
        }
    }
}

impl fmt::Display for LayoutField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One mistake in the domains or options that a layout was to be made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutError {
    /// The index of the domain in the list as given; none for an option that belongs to no domain.
    pub domain: Option<usize>,
    /// The domain's name as given; empty for an option.
    pub name: String,
    /// The setting.
    pub field: LayoutField,
    /// The index within a list-valued setting.
    pub item: Option<usize>,
    /// What is wrong.
    pub mistake: Mistake,
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.domain {
            Some(index) if self.name.is_empty() => write!(f, "domain {}: ", index + 1)?,
            Some(_) => write!(f, "domain '{}': ", self.name.escape_debug())?,
            None => {}
        }
        write!(f, "{}: {}", self.field, self.mistake)
    }
}

impl std::error::Error for LayoutError {}

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// No domain at all.
    #[error("there is no domain, so nothing could be shown")]
    NoDomain,
    /// Empty, or with control characters.
    #[error("give the domain a name of visible characters")]
    BadName,
    /// Another domain has the name.
    #[error("another domain has the same name")]
    SameName,
    /// The template cannot be read.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// Two templates match one path.
    #[error("overlaps with domain '{other}' ({template}): both would take {example}")]
    Overlap {
        /// The name of the domain before.
        other: String,
        /// Its template.
        template: String,
        /// A path that both match.
        example: String,
    },
    /// The template and the service prefix lie within each other.
    #[error("overlaps with service_prefix '{0}', which is for cairnfs alone")]
    ServiceOverlap(String),
    /// An empty list of extensions.
    #[error("the list is empty, so nothing could be written; leave it out to allow every name")]
    NoExtension,
    /// An entry that no extension equals.
    #[error("'{0}' matches no file name: write an extension without dots, such as \"pdf\" or \"gz\"")]
    BadExtension(String),
    /// The template ends in an extension that the list lacks.
    #[error("the template ends in .{0}, which the list does not allow, so nothing could be written")]
    TemplateExtension(String),
    /// No key fits.
    #[error("{limit} characters are too few: the shortest key has {shortest}")]
    KeyLimit {
        /// The limit as given.
        limit: u32,
        /// The characters of the shortest key the template makes.
        shortest: usize,
    },
    /// No content fits.
    #[error("0 would refuse every file that is not empty; leave it out for no limit")]
    NoSize,
    /// Not a relative directory with a trailing `/`.
    #[error("'{0}' is no prefix: write a relative one that ends in '/', such as \".cairnfs/\"")]
    BadPrefix(String),
    /// A pattern that could not be for scratch names.
    #[error("'{0}' is no pattern for names: it needs a character besides '*' and '?', and no '/'")]
    BadPattern(String),
}
