//! A domain: a path template over the bucket with its rules, as configured and as checked.

use std::fmt;
use std::str::FromStr;

use super::error::{LayoutField, Mistake};
use super::extension::extension;
use super::template::{Fields, RenderError, Template};

/// The default of [`DomainSpec::max_key_length`]: the length of the `s3_key` columns in the applications that share
/// the bucket.
pub const DEFAULT_MAX_KEY_LENGTH: u32 = 500;

/// What deleting an object does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum DeletePolicy {
    /// It is refused.
    Refuse,
    /// The object is copied to the trash first.
    #[default]
    Trash,
    /// The object is deleted.
    Allow,
}

impl fmt::Display for DeletePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refuse => "refuse",
            Self::Trash => "trash",
            Self::Allow => "allow",
        })
    }
}

/// A text that is no delete policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no delete policy; use \"refuse\", \"trash\" or \"allow\"")]
pub struct UnknownPolicy(String);

impl FromStr for DeletePolicy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, UnknownPolicy> {
        match text {
            "refuse" => Ok(Self::Refuse),
            "trash" => Ok(Self::Trash),
            "allow" => Ok(Self::Allow),
            _ => Err(UnknownPolicy(text.to_owned())),
        }
    }
}

/// A domain as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    /// The name, unique among the domains; shown to users and kept in the catalog.
    pub name: String,
    /// The path template, see [`Template`].
    pub template: String,
    /// The allowed extensions, without dots, in any case; none allows every name.
    pub extensions: Option<Vec<String>>,
    /// What deleting an object does.
    pub delete: DeletePolicy,
    /// Whether anything may be made here.
    pub writable: bool,
    /// The longest key in characters ([`DEFAULT_MAX_KEY_LENGTH`]).
    pub max_key_length: u32,
    /// The largest file in bytes.
    pub max_size: Option<u64>,
}

/// A domain that has been checked.
///
/// Invariants: the template is parsed, the extensions are lower-case, without dots and without repetition.
#[derive(Debug, Clone)]
pub struct Domain {
    spec: DomainSpec,
    template: Template,
    prefix: String,
}

impl Domain {
    /// Checks `spec` by itself; overlaps and names are looked at where all domains are known.
    pub(super) fn new(mut spec: DomainSpec) -> Result<Self, Vec<(LayoutField, Option<usize>, Mistake)>> {
        let mut mistakes = Vec::new();
        if spec.name.trim().is_empty() || spec.name.contains(char::is_control) {
            mistakes.push((LayoutField::Name, None, Mistake::BadName));
        }
        if spec.max_size == Some(0) {
            mistakes.push((LayoutField::MaxSize, None, Mistake::NoSize));
        }
        if let Some(list) = &mut spec.extensions {
            check_extensions(list, &mut mistakes);
        }
        let template = match Template::parse(&spec.template) {
            Ok(template) => template,
            Err(errors) => {
                mistakes.extend(errors.into_iter().map(|e| (LayoutField::Template, None, e.into())));
                return Err(mistakes);
            }
        };
        let shortest = template.min_chars();
        if usize::try_from(spec.max_key_length).is_ok_and(|limit| limit < shortest) {
            let mistake = Mistake::KeyLimit { limit: spec.max_key_length, shortest };
            mistakes.push((LayoutField::MaxKeyLength, None, mistake));
        }
        if let (Some(list), Some(own)) = (&spec.extensions, template_extension(&template))
            && !mistakes.iter().any(|(field, ..)| *field == LayoutField::Extensions)
            && !list.contains(&own)
        {
            mistakes.push((LayoutField::Extensions, None, Mistake::TemplateExtension(own)));
        }
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        Ok(Self { prefix: template.fixed_prefix(), spec, template })
    }

    /// Returns the domain as configured, the extensions in lower case and without repetition.
    pub fn spec(&self) -> &DomainSpec {
        &self.spec
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// Returns the template.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// Returns the prefix that may be listed, with its trailing `/`, for example `documents/`.
    pub fn fixed_prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns the template's fields of `path`, or none where it does not match.
    pub fn fields_of(&self, path: &str) -> Option<Fields> {
        self.template.match_path(path)
    }

    /// Returns the path with these fields.
    ///
    /// # Errors
    /// As [`Template::render`].
    pub fn render(&self, fields: &Fields) -> Result<String, RenderError> {
        self.template.render(fields)
    }

    /// Returns whether the domain has no list of extensions.
    pub fn accepts_any_extension(&self) -> bool {
        self.spec.extensions.is_none()
    }

    /// Returns whether the extension of the file name `name` is allowed here (semantics 2.1).
    pub fn allows_extension(&self, name: &str) -> bool {
        self.spec.extensions.as_ref().is_none_or(|list| extension(name).is_some_and(|e| list.contains(&e)))
    }

    /// Returns whether `path` lies below the fixed prefix.
    pub(super) fn covers(&self, path: &str) -> bool {
        path.strip_prefix(self.prefix.as_str()).is_some_and(|rest| !rest.is_empty())
    }

    /// Returns the fixed prefix without its trailing `/`.
    pub(super) fn fixed_dir(&self) -> &str {
        self.prefix.strip_suffix('/').unwrap_or(&self.prefix)
    }
}

/// Lower-cases the list, takes out repetitions and notes the entries that could never match.
fn check_extensions(list: &mut Vec<String>, mistakes: &mut Vec<(LayoutField, Option<usize>, Mistake)>) {
    if list.is_empty() {
        mistakes.push((LayoutField::Extensions, None, Mistake::NoExtension));
    }
    let mut clean: Vec<String> = Vec::with_capacity(list.len());
    for (item, given) in list.iter().enumerate() {
        let lower = given.to_lowercase();
        if lower.is_empty() || lower.contains(['.', '/']) || lower.contains(char::is_control) {
            mistakes.push((LayoutField::Extensions, Some(item), Mistake::BadExtension(given.clone())));
        } else if !clean.contains(&lower) {
            clean.push(lower);
        }
    }
    if !clean.is_empty() {
        *list = clean;
    }
}

/// The extension of every path of the template, where its last segment fixes one.
fn template_extension(template: &Template) -> Option<String> {
    let last = template.segments.last()?;
    match &last.field {
        None => extension(&last.before),
        // the field stands for at least one character before the dot
        Some(_) if last.after.contains('.') => extension(&format!("x{}", last.after)),
        Some(_) => None,
    }
}
