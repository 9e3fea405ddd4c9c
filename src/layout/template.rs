//! Path templates such as `rfp_exports/{rfp_id}/{filename}`: their grammar, matching and rendering.
//!
//! ```text
//! template = segment *( "/" segment )
//! segment  = literal / [literal] field [literal]
//! field    = "{" name [":" kind] "}"          name: [A-Za-z_][A-Za-z0-9_]*, unique in the template
//! kind     = "int" / "path"                   default: any text within one segment
//! ```
//!
//! # Invariants
//! * The first segment is a literal, so that a template has a prefix that may be listed.
//! * A segment holds at most one field, so a path can be read in one way only.
//! * `match_path(render(fields)) == fields` and `render(match_path(path)) == path`.

use std::collections::BTreeMap;
use std::fmt;

use crate::types::{FileName, MAX_SEGMENT_BYTES};

/// The values of a template's fields, by name.
pub type Fields = BTreeMap<String, String>;

/// What text a field takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FieldKind {
    /// `{name}`: one character or more within one segment.
    Text,
    /// `{name:int}`: one ASCII digit or more.
    Int,
    /// `{name:path}`: one segment or more; in the last segment of a template only.
    Path,
}

/// A mistake in a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// No text at all.
    #[error("the template is empty; write one like documents/{{filename}}")]
    Empty,
    /// A `/` at the start, at the end, or twice in a row.
    #[error("a segment is empty; take away the '/' at the start, at the end or after another '/'")]
    EmptySegment,
    /// A segment that no path can have.
    #[error("'{0}' cannot be a segment of a path")]
    DotSegment(String),
    /// NUL, a line break or their like in a literal.
    #[error("a template cannot contain control characters")]
    Control,
    /// Literals longer than a file name can be.
    #[error("the segment '{0}' is longer than a file name can be ({MAX_SEGMENT_BYTES} bytes)")]
    SegmentTooLong(String),
    /// `{` without `}` or the reverse.
    #[error("the braces in '{0}' do not pair; a field is written {{name}}")]
    Unbalanced(String),
    /// More than one field between two `/`.
    #[error("'{0}' has more than one field; a segment takes one")]
    TwoFields(String),
    /// Not an identifier.
    #[error("'{0}' is no field name; use letters, digits and '_', not a digit first")]
    FieldName(String),
    /// The same name twice.
    #[error("the field '{0}' stands twice; each field needs its own name")]
    DuplicateField(String),
    /// What follows the colon is unknown.
    #[error("'{{{name}:{kind}}}' has an unknown kind; use {{{name}}}, {{{name}:int}} or {{{name}:path}}")]
    Kind {
        /// The field's name.
        name: String,
        /// The text after the colon.
        kind: String,
    },
    /// A `{name:path}` before the last segment.
    #[error("'{{{0}:path}}' can only stand in the last segment")]
    PathNotLast(String),
    /// No literal directory to begin with.
    #[error("the first segment must be a plain directory name, as in documents/{{filename}}")]
    NoPrefix,
    /// Nothing varies, so only one key could ever be made.
    #[error("the template has no field; write one like documents/{{filename}}")]
    NoField,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: FieldKind,
}

/// One segment: a literal (`field` is none, `after` empty), or a field with literals around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) before: String,
    pub(super) field: Option<Field>,
    pub(super) after: String,
}

/// Why a path could not be rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// A field of the template has no value.
    #[error("the field '{0}' has no value")]
    Missing(String),
    /// A value for a field that the template does not have.
    #[error("the template has no field '{0}'")]
    Unknown(String),
    /// The value does not fit the field's kind, or the path would not be one.
    #[error("'{value}' is no value for the field '{field}'")]
    Value {
        /// The field's name.
        field: String,
        /// What was given.
        value: String,
    },
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    pub(super) segments: Vec<Segment>,
}

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// Every mistake in it, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<TemplateError>> {
        if text.is_empty() {
            return Err(vec![TemplateError::Empty]);
        }
        let mut mistakes = Vec::new();
        let mut segments = Vec::new();
        for part in text.split('/') {
            match parse_segment(part) {
                Ok(segment) => segments.push(segment),
                Err(mistake) => mistakes.push(mistake),
            }
        }
        if mistakes.is_empty() {
            check_whole(&segments, &mut mistakes);
        }
        mistakes.dedup();
        if mistakes.is_empty() { Ok(Self { text: text.to_owned(), segments }) } else { Err(mistakes) }
    }

    /// Returns the template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the names of the fields, from left to right.
    pub fn field_names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|s| s.field.as_ref()).map(|f| f.name.as_str())
    }

    /// Returns the number of segments before the first field, the last segment not counted: the depth of the
    /// directory that is always there. At least 1.
    pub(super) fn fixed_depth(&self) -> usize {
        let dirs = self.segments.len().saturating_sub(1);
        self.segments.iter().take(dirs).take_while(|s| s.field.is_none()).count()
    }

    /// Returns the leading literal directories with `/` after each, for example `orgs/logos/`.
    pub fn fixed_prefix(&self) -> String {
        self.segments.iter().take(self.fixed_depth()).fold(String::new(), |p, s| p + &s.before + "/")
    }

    /// Returns the number of characters of the shortest path that matches.
    pub fn min_chars(&self) -> usize {
        let segment =
            |s: &Segment| s.before.chars().count() + s.after.chars().count() + usize::from(s.field.is_some());
        self.segments.iter().map(segment).sum::<usize>() + self.segments.len().saturating_sub(1)
    }

    /// Returns the fields of `path`, or none where it does not match.
    ///
    /// A path has no empty, `.` or `..` segment and no NUL; lengths are not looked at.
    pub fn match_path(&self, path: &str) -> Option<Fields> {
        if !is_path(path) {
            return None;
        }
        let mut fields = Fields::new();
        let mut parts = path.splitn(self.segments.len(), '/');
        for segment in &self.segments {
            segment.read(parts.next()?, &mut fields)?;
        }
        Some(fields)
    }

    /// Returns the fields that the directory `dir` fixes, or none where no matching path lies below it.
    pub fn match_dir(&self, dir: &str) -> Option<Fields> {
        if !is_path(dir) {
            return None;
        }
        let (last, dirs) = self.segments.split_last()?;
        let mut fields = Fields::new();
        let mut parts = dir.split('/');
        for segment in dirs {
            let Some(part) = parts.next() else { return Some(fields) };
            segment.read(part, &mut fields)?;
        }
        // What is left lies within the last segment: only `{name:path}` has directories, and the first of them
        // carries the literal before the field.
        match (parts.next(), &last.field) {
            (None, _) => Some(fields),
            (Some(part), Some(Field { kind: FieldKind::Path, .. })) => {
                part.strip_prefix(last.before.as_str()).filter(|v| !v.is_empty()).map(|_| fields)
            }
            (Some(_), _) => None,
        }
    }

    /// Returns whether a path that matches can lie directly in the directory `dir`.
    pub fn holds_files(&self, dir: &str) -> bool {
        let dirs = self.segments.len().saturating_sub(1);
        let deep = dir.split('/').count();
        // A directory deeper than that matches only inside a `{name:path}`.
        deep >= dirs && self.match_dir(dir).is_some()
    }

    /// Returns the path with these values.
    ///
    /// # Errors
    /// [`RenderError`] when a value is missing, belongs to no field, or does not fit.
    pub fn render(&self, fields: &Fields) -> Result<String, RenderError> {
        if let Some(name) = fields.keys().find(|name| !self.field_names().any(|f| f == name.as_str())) {
            return Err(RenderError::Unknown(name.clone()));
        }
        let mut path = String::new();
        for (i, segment) in self.segments.iter().enumerate() {
            if i > 0 {
                path.push('/');
            }
            let start = path.len();
            path.push_str(&segment.before);
            if let Some(field) = &segment.field {
                let value =
                    fields.get(&field.name).ok_or_else(|| RenderError::Missing(field.name.clone()))?;
                path.push_str(value);
                path.push_str(&segment.after);
                if !field.kind.takes(value) || !path.get(start..).is_some_and(is_path) {
                    return Err(RenderError::Value { field: field.name.clone(), value: value.clone() });
                }
            }
        }
        Ok(path)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Segment {
    /// Reads the segment from `part`; a field's value goes to `fields`.
    fn read(&self, part: &str, fields: &mut Fields) -> Option<()> {
        let Some(field) = &self.field else { return (part == self.before).then_some(()) };
        let value = part.strip_prefix(self.before.as_str())?.strip_suffix(self.after.as_str())?;
        if !field.kind.takes(value) {
            return None;
        }
        fields.insert(field.name.clone(), value.to_owned());
        Some(())
    }
}

impl FieldKind {
    fn takes(self, value: &str) -> bool {
        match self {
            _ if value.is_empty() || value.contains('\0') => false,
            Self::Text => !value.contains('/'),
            Self::Int => value.bytes().all(|b| b.is_ascii_digit()),
            Self::Path => value.split('/').all(|s| !s.is_empty()),
        }
    }
}

/// Returns whether `text` is a relative path in its one spelling: no empty, `.`, `..` or overlong segment, no NUL.
pub(super) fn is_path(text: &str) -> bool {
    text.split('/').all(|s| FileName::new(s).is_ok())
}

fn parse_segment(part: &str) -> Result<Segment, TemplateError> {
    let shown = || part.to_owned();
    match part {
        "" => return Err(TemplateError::EmptySegment),
        "." | ".." => return Err(TemplateError::DotSegment(shown())),
        _ if part.contains(char::is_control) => return Err(TemplateError::Control),
        _ => {}
    }
    let Some((before, rest)) = part.split_once('{') else {
        return match part.contains('}') {
            true => Err(TemplateError::Unbalanced(shown())),
            false if part.len() > MAX_SEGMENT_BYTES => Err(TemplateError::SegmentTooLong(shown())),
            false => Ok(Segment { before: shown(), field: None, after: String::new() }),
        };
    };
    let (inner, after) = rest.split_once('}').ok_or_else(|| TemplateError::Unbalanced(shown()))?;
    if before.contains('}') || inner.contains('{') {
        return Err(TemplateError::Unbalanced(shown()));
    }
    match (after.contains('{'), after.contains('}')) {
        (false, false) => {}
        (true, true) => return Err(TemplateError::TwoFields(shown())),
        _ => return Err(TemplateError::Unbalanced(shown())),
    }
    if before.len() + after.len() >= MAX_SEGMENT_BYTES {
        return Err(TemplateError::SegmentTooLong(shown()));
    }
    let field = parse_field(inner)?;
    Ok(Segment { before: before.to_owned(), field: Some(field), after: after.to_owned() })
}

fn parse_field(inner: &str) -> Result<Field, TemplateError> {
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(n, k)| (n, Some(k)));
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(TemplateError::FieldName(name.to_owned()));
    }
    let kind = match kind {
        None => FieldKind::Text,
        Some("int") => FieldKind::Int,
        Some("path") => FieldKind::Path,
        Some(kind) => return Err(TemplateError::Kind { name: name.to_owned(), kind: kind.to_owned() }),
    };
    Ok(Field { name: name.to_owned(), kind })
}

/// Checks the rules that look at more than one segment.
fn check_whole(segments: &[Segment], mistakes: &mut Vec<TemplateError>) {
    if segments.len() < 2 || segments.first().is_some_and(|s| s.field.is_some()) {
        mistakes.push(TemplateError::NoPrefix);
    }
    let mut seen: Vec<&str> = Vec::new();
    for (i, segment) in segments.iter().enumerate() {
        let Some(field) = &segment.field else { continue };
        if field.kind == FieldKind::Path && i + 1 < segments.len() {
            mistakes.push(TemplateError::PathNotLast(field.name.clone()));
        }
        if seen.contains(&field.name.as_str()) {
            mistakes.push(TemplateError::DuplicateField(field.name.clone()));
        }
        seen.push(&field.name);
    }
    if seen.is_empty() {
        mistakes.push(TemplateError::NoField);
    }
}
