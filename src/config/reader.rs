//! Reading TOML key by key, so that one wrong value does not hide the next.
//!
//! A derived `Deserialize` stops at its first error. Here each key is taken out of its table with the function that
//! reads its kind of value; what does not fit becomes a mistake with its line, and reading goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistakes, Place};
use super::quantity;

/// A value and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub place: Place,
}

/// The text of a configuration file, for turning spans into lines.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    path: &'a Path,
    text: &'a str,
}

impl<'a> Source<'a> {
    /// Wraps the `text` that was read from `path`.
    pub const fn new(path: &'a Path, text: &'a str) -> Self {
        Self { path, text }
    }

    /// Returns the text.
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Returns the line in which `span` begins.
    pub fn place(&self, span: &std::ops::Range<usize>) -> Place {
        let before = self.text.get(..span.start).unwrap_or(self.text);
        let line = before.bytes().filter(|b| *b == b'\n').count().saturating_add(1);
        Place::File { path: PathBuf::from(self.path), line }
    }
}

/// A table of which the keys are taken one by one; what is left at the end is unknown.
pub struct Section<'a> {
    /// As error lines name it: empty for the top, else `write`, `domain`, …
    name: &'static str,
    table: Option<&'a DeTable<'a>>,
    source: Source<'a>,
    taken: Vec<&'static str>,
}

impl<'a> Section<'a> {
    /// Begins to read `table`; `None` reads like an empty one.
    pub const fn new(name: &'static str, table: Option<&'a DeTable<'a>>, source: Source<'a>) -> Self {
        Self { name, table, source, taken: Vec::new() }
    }

    /// Returns the raw value of `key` and marks the key as known.
    pub fn raw(&mut self, key: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.taken.push(key);
        self.table?.iter().find(|(k, _)| k.get_ref().as_ref() == key).map(|(_, v)| v)
    }

    /// Reads `key` with `read`. A value that does not fit is noted and comes out as `None`.
    pub fn take<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Result<T, String>,
        mistakes: &mut Mistakes,
    ) -> Option<Found<T>> {
        let value = self.raw(key)?;
        let place = self.source.place(&value.span());
        match read(value.get_ref()) {
            Ok(value) => Some(Found { value, place }),
            Err(why) => {
                mistakes.push(place, format!("{}: {why}", self.label(key)));
                None
            }
        }
    }

    /// Reads `key` as a list of texts, each with its own line. Items of another type are noted and left out.
    pub fn take_texts(
        &mut self,
        key: &'static str,
        mistakes: &mut Mistakes,
    ) -> Option<Found<Vec<Found<String>>>> {
        let value = self.raw(key)?;
        let place = self.source.place(&value.span());
        let Some(list) = value.get_ref().as_array() else {
            mistakes
                .push(place, format!("{}: {}", self.label(key), wanted("a list of texts", value.get_ref())));
            return None;
        };
        let mut items = Vec::new();
        for item in list.iter() {
            let place = self.source.place(&item.span());
            match text(item.get_ref()) {
                Ok(value) => items.push(Found { value, place }),
                Err(why) => mistakes.push(place, format!("{}: {why}", self.label(key))),
            }
        }
        Some(Found { value: items, place })
    }

    /// Begins to read the table under `name`. Where there is none, or something else, it reads like an empty one.
    pub fn table(&mut self, name: &'static str, mistakes: &mut Mistakes) -> Section<'a> {
        let table = self.raw(name).and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                let place = self.source.place(&value.span());
                mistakes.push(
                    place,
                    format!("{name}: {}", wanted(&format!("a table, [{name}]"), value.get_ref())),
                );
            }
            table
        });
        Section::new(name, table, self.source)
    }

    /// Notes every key that nobody took. `elsewhere` names the section that knows a key, for a better hint.
    pub fn finish(self, elsewhere: impl Fn(&str) -> Option<&'static str>, mistakes: &mut Mistakes) {
        for key in self.table.into_iter().flat_map(|t| t.keys()) {
            let name = key.get_ref().as_ref();
            if self.taken.contains(&name) {
                continue;
            }
            let hint = if let Some(near) = nearest(name, &self.taken) {
                format!("; did you mean '{near}'?")
            } else {
                match elsewhere(name) {
                    Some("") => "; it belongs above the first [table]".to_owned(),
                    Some("domain") => "; it belongs in a [[domain]]".to_owned(),
                    Some(section) => format!("; it belongs in [{section}]"),
                    None => format!("; known here: {}", self.taken.join(", ")),
                }
            };
            mistakes
                .push(self.source.place(&key.span()), format!("unknown key '{}'{hint}", self.label(name)));
        }
    }

    fn label(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// Returns the candidate that `word` is most likely a slip of, if one is close enough.
fn nearest<'c>(word: &str, candidates: &[&'c str]) -> Option<&'c str> {
    // lets one or two slips pass in names of this length and keeps unrelated words apart
    candidates
        .iter()
        .map(|c| (strsim::normalized_damerau_levenshtein(word, c), *c))
        .filter(|(score, _)| *score >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

/// Reads a text.
pub fn text(value: &DeValue<'_>) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| wanted("a text in quotes", value))
}

/// Reads `true` or `false`.
pub fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| wanted("true or false, without quotes", value))
}

/// Reads `true`, `false`, or `"auto"` as `None`.
pub fn switch_or_auto(value: &DeValue<'_>) -> Result<Option<bool>, String> {
    match value {
        DeValue::Boolean(on) => Ok(Some(*on)),
        DeValue::String(text) if text == "auto" => Ok(None),
        _ => Err(wanted("true, false or \"auto\"", value)),
    }
}

/// Reads a duration.
pub fn duration(value: &DeValue<'_>) -> Result<Duration, String> {
    quantity::parse_duration(value.as_str().ok_or_else(|| wanted("a duration like \"5s\"", value))?)
}

/// Reads a duration, or `"none"`.
pub fn optional_duration(value: &DeValue<'_>) -> Result<Option<Duration>, String> {
    if is_none(value) { Ok(None) } else { duration(value).map(Some) }
}

/// Reads a size: a whole number of bytes, or a text with a unit.
pub fn size(value: &DeValue<'_>) -> Result<u64, String> {
    match value {
        DeValue::String(text) => quantity::parse_size(text),
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| format!("{number} is not a size; it starts at 0")),
        _ => Err(wanted("a size like \"64MiB\"", value)),
    }
}

/// Reads a size, or `"none"`.
pub fn optional_size(value: &DeValue<'_>) -> Result<Option<u64>, String> {
    if is_none(value) { Ok(None) } else { size(value).map(Some) }
}

/// Reads a whole number from 0 to 4,294,967,295.
pub fn number(value: &DeValue<'_>) -> Result<u32, String> {
    let number = value.as_integer().ok_or_else(|| wanted("a whole number", value))?;
    u32::from_str_radix(number.as_str(), number.radix())
        .map_err(|_| format!("{number} is out of range; it goes from 0 to {}", u32::MAX))
}

/// Reads permission bits. A decimal number is refused: `644` would silently be another mode.
pub fn mode(value: &DeValue<'_>) -> Result<u32, String> {
    match value {
        DeValue::String(text) => quantity::parse_mode(text),
        DeValue::Integer(number) if number.radix() == 8 => quantity::parse_mode(number.as_str()),
        _ => Err(wanted("a mode like \"0644\"", value)),
    }
}

/// Returns what `text` stands for among `words`.
///
/// # Errors
/// A line that names the words.
pub fn pick<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| format!("'{text}' is not one of {}", one_of(words)))
}

fn one_of<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(w, _)| format!("\"{w}\"")).collect();
    quoted.join(", ")
}

fn is_none(value: &DeValue<'_>) -> bool {
    value.as_str() == Some("none")
}

/// Words for a value of the wrong type. The value itself is not repeated: it may be a secret.
fn wanted(what: &str, value: &DeValue<'_>) -> String {
    format!(
        "must be {what}, not {}",
        match value.type_str() {
            "string" => "a text",
            "integer" => "a whole number",
            "float" => "a decimal fraction",
            "boolean" => "true or false",
            "array" => "a list",
            "table" => "a table",
            other => other,
        }
    )
}
