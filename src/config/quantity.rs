//! Durations, sizes, switches and modes as people write them, and the way back for `cairnfs config`.
//!
//! One grammar serves the file, the environment and the flags, so that a value can be moved between them as it is.

use std::time::Duration;

/// Units of sizes, largest first: binary ones, then decimal ones.
const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// Units that durations are printed in, largest first, in milliseconds.
const TIME_UNITS: [(&str, u128); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration such as `5s`, `10min`, `1h 30min`, `7d`, `250ms`, or a bare `0`. A day has 24 hours.
///
/// # Errors
/// A line that says what a duration looks like.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text.trim() == "0" {
        return Ok(Duration::ZERO);
    }
    let refuse = || format!("'{text}' is not a duration; write it like \"5s\", \"10min\" or \"7d\"");
    let span: jiff::Span = text.trim().parse().map_err(|_| refuse())?;
    let signed = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| refuse())?;
    Duration::try_from(signed).map_err(|_| format!("'{text}' is negative; a duration starts at \"0s\""))
}

/// Returns `d` in the grammar of [`parse_duration`], rounded down to milliseconds.
pub fn show_duration(d: Duration) -> String {
    let mut rest = d.as_millis();
    let mut parts = Vec::new();
    for (unit, millis) in TIME_UNITS {
        if rest >= millis {
            parts.push(format!("{}{unit}", rest / millis));
            rest %= millis;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

/// Reads a size such as `64MiB`, `10 GB` or `4096`, in bytes. Units are told apart without regard to case, and
/// must be whole: `64M` could mean two sizes.
///
/// # Errors
/// A line that says what a size looks like.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let refuse = || format!("'{text}' is not a size; write it like \"64MiB\", \"10GB\" or 4096");
    let trimmed = text.trim();
    let digits_end = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (digits, unit) = trimmed.split_at_checked(digits_end).ok_or_else(refuse)?;
    let number: u64 = digits.parse().map_err(|_| refuse())?;
    let unit = unit.trim();
    let factor = match unit {
        "" => 1,
        _ => SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or_else(refuse)?.1,
    };
    number.checked_mul(factor).ok_or_else(|| format!("'{text}' is more bytes than 64 bits can count"))
}

/// Returns `bytes` in the grammar of [`parse_size`], exactly: the largest unit that divides it.
pub fn show_size(bytes: u64) -> String {
    SIZE_UNITS
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor))
        .map_or_else(|| "0B".to_owned(), |(unit, factor)| format!("{}{unit}", bytes / factor))
}

/// Reads a switch the way Python programs write them: `True`, `1`, `yes`, `on` and their opposites, in any case.
///
/// # Errors
/// A line that names the accepted words.
pub fn parse_bool(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "on" => Ok(true),
        "false" | "0" | "no" | "n" | "off" => Ok(false),
        _ => Err(format!("'{text}' is neither yes nor no; write True or False")),
    }
}

/// Reads permission bits in octal: `0644`, `644` or `0o644`.
///
/// # Errors
/// A line that says what a mode looks like.
pub fn parse_mode(text: &str) -> Result<u32, String> {
    let digits = text.trim().strip_prefix("0o").unwrap_or(text.trim());
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!("'{text}' is not a mode; write three octal digits like \"0644\"")),
    }
}

/// Returns `mode` in the grammar of [`parse_mode`].
pub fn show_mode(mode: u32) -> String {
    format!("{mode:04o}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duration_in_common_spellings_is_read() {
        for (text, millis) in [
            ("5s", 5_000),
            ("10min", 600_000),
            ("7d", 604_800_000),
            ("1h 30min", 5_400_000),
            ("250ms", 250),
            ("0", 0),
            ("0s", 0),
            ("2 weeks", 1_209_600_000),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn duration_without_unit_or_below_zero_is_refused() {
        for text in ["5", "", "soon", "-5s", "5s ago", "1 month", "5 s x"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn duration_shown_reads_back_as_itself() {
        for millis in [0, 1, 999, 1_000, 61_000, 5_400_000, 604_800_000, 90_061_001] {
            let d = Duration::from_millis(millis);
            assert_eq!(parse_duration(&show_duration(d)), Ok(d), "{}", show_duration(d));
        }
    }

    #[test]
    fn size_in_binary_and_decimal_units_is_read() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("10 GB", 10_000_000_000),
            ("4096", 4096),
            ("0", 0),
            ("1kb", 1000),
            ("7 B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn size_with_unclear_unit_is_refused() {
        for text in ["64M", "-1", "1.5GiB", "", "GiB", "99999999TiB", "5s"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn size_shown_reads_back_as_itself() {
        for bytes in [0, 1, 1000, 1024, 64 << 20, 10 << 30, 10_000_000_000, 12_345_678_901] {
            assert_eq!(parse_size(&show_size(bytes)), Ok(bytes), "{}", show_size(bytes));
        }
    }

    #[test]
    fn switch_takes_python_words_in_any_case() {
        for text in ["True", "true", "1", "YES", "on", "y"] {
            assert_eq!(parse_bool(text), Ok(true), "{text}");
        }
        for text in ["False", "0", "no", "OFF", "n"] {
            assert_eq!(parse_bool(text), Ok(false), "{text}");
        }
        assert!(parse_bool("maybe").is_err());
    }

    #[test]
    fn mode_is_octal_and_within_permission_bits() {
        assert_eq!(parse_mode("0644"), Ok(0o644));
        assert_eq!(parse_mode("0o755"), Ok(0o755));
        for text in ["999", "1777", "rw-r--r--", ""] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
        assert_eq!(show_mode(0o644), "0644");
    }
}
