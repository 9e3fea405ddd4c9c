//! The rules of the bucket: which paths are documents of which domain, which are scratch, which are refused and why.
//!
//! Everything here is a pure function of the configuration and a path; nothing is read from a disk, a store or a
//! clock. The one exception is [`random_suffix`], which draws random characters.
//!
//! A path and the key of its object are the same text: relative, segments separated by `/`, no `/` at either end.
//! The root is the empty path.
//!
//! # Invariants
//! * No path is a document of two domains: [`Layout::new`] refuses templates that overlap.
//! * [`Layout::place_file`] calls a path a document only if its key may be created there: template, extension and
//!   lengths have all been looked at.

mod conventions;
mod domain;
mod error;
mod extension;
mod options;
mod overlap;
mod place;
mod refusal;
mod scratch;
mod suffix;
mod template;
mod trash;

pub use conventions::builtin_domains;
pub use domain::{DEFAULT_MAX_KEY_LENGTH, DeletePolicy, Domain, DomainSpec, UnknownPolicy};
pub use error::{LayoutError, LayoutField, Mistake};
pub use extension::{extension, file_type};
pub use options::{DEFAULT_SERVICE_PREFIX, LayoutOptions};
pub use place::{DirKind, DirPlacement, FilePlacement, KeyOwner};
pub use refusal::{Refusal, RefusalReason};
pub use scratch::{ScratchKind, scratch_base, scratch_is_for, scratch_kind};
pub use suffix::{
    AvailableNameError, DjangoRule, SUFFIX_CHARS, UnknownRule, alternative_name, available_name,
    random_suffix, split_name,
};
pub use template::{FieldKind, Fields, RenderError, Template, TemplateError};
pub use trash::Trashed;

/// The domains and options of one mount, checked.
#[derive(Debug, Clone)]
pub struct Layout {
    domains: Vec<Domain>,
    options: LayoutOptions,
}

impl Layout {
    /// Checks the domains and options.
    ///
    /// # Errors
    /// Every mistake at once, each with the domain's index and the setting it is in.
    pub fn new(domains: Vec<DomainSpec>, options: LayoutOptions) -> Result<Self, Vec<LayoutError>> {
        let mut errors = Vec::new();
        options.check(&mut errors);
        if domains.is_empty() {
            errors.push(LayoutError {
                domain: None,
                name: String::new(),
                field: LayoutField::Domains,
                item: None,
                mistake: Mistake::NoDomain,
            });
        }
        let mut checked: Vec<Domain> = Vec::with_capacity(domains.len());
        let mut before: Vec<(String, Option<Template>)> = Vec::with_capacity(domains.len());
        for (index, spec) in domains.into_iter().enumerate() {
            let name = spec.name.clone();
            let mut report = |field, item, mistake| {
                errors.push(LayoutError { domain: Some(index), name: name.clone(), field, item, mistake });
            };
            if before.iter().any(|(other, _)| *other == name) {
                report(LayoutField::Name, None, Mistake::SameName);
            }
            // also of a domain with other mistakes, so that they all come out at once
            let template = Template::parse(&spec.template).ok();
            for mistake in template.iter().flat_map(|t| overlaps(t, &before, &options)) {
                report(LayoutField::Template, None, mistake);
            }
            match Domain::new(spec) {
                Ok(domain) => checked.push(domain),
                Err(mistakes) => mistakes.into_iter().for_each(|(f, i, m)| report(f, i, m)),
            }
            before.push((name, template));
        }
        if errors.is_empty() { Ok(Self { domains: checked, options }) } else { Err(errors) }
    }

    /// Returns the domains in the order of the configuration; placements refer to them by index.
    pub fn domains(&self) -> &[Domain] {
        &self.domains
    }

    /// Returns the options.
    pub fn options(&self) -> &LayoutOptions {
        &self.options
    }

    /// Returns the prefix that is for cairnfs itself, with its trailing `/`.
    pub fn service_prefix(&self) -> &str {
        &self.options.service_prefix
    }

    /// Returns how the last segment of every alternative name of `of` begins.
    pub fn alternative_start(&self, of: &str) -> String {
        suffix::alternative_start(of, self.options.django)
    }

    /// Returns whether `path` is an alternative name of `of` (semantics 4.1), but for names that had to be cut.
    pub fn is_alternative(&self, path: &str, of: &str) -> bool {
        suffix::is_alternative(path, of, self.options.django)
    }

    /// Returns what kind of scratch file `name` would be in the domain with this index, or none (semantics 6.1).
    pub fn is_scratch_name(&self, name: &str, domain: usize) -> Option<ScratchKind> {
        let listed =
            self.domains.get(domain).is_some_and(|d| !d.accepts_any_extension() && d.allows_extension(name));
        scratch_kind(name, listed).or_else(|| {
            let extended =
                !listed && self.options.scratch.iter().any(|pattern| scratch::fits_pattern(pattern, name));
            extended.then_some(ScratchKind::Work)
        })
    }
}

/// The overlaps of `template` with those of the domains before it and with the service prefix.
fn overlaps(
    template: &Template,
    before: &[(String, Option<Template>)],
    options: &LayoutOptions,
) -> Vec<Mistake> {
    let overlap = |(name, other): &(String, Option<Template>)| {
        let other = other.as_ref()?;
        let example = overlap::common_path(other, template)?;
        Some(Mistake::Overlap { other: name.clone(), template: other.to_string(), example })
    };
    let mut mistakes: Vec<Mistake> = before.iter().filter_map(overlap).collect();
    let (own, service) = (template.fixed_prefix(), options.service_prefix.as_str());
    if !service.is_empty() && (own.starts_with(service) || service.starts_with(&own)) {
        mistakes.push(Mistake::ServiceOverlap(service.to_owned()));
    }
    mistakes
}
