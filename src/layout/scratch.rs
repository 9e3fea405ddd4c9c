//! Scratch names: what programs write on the way to a file, beside it, or without being asked.
//!
//! The list is that of semantics 6.1, as narrow as the programs allow; each rule names who needs it. A rule is a row
//! of pieces; at most one of them has no fixed length, so a name fits a rule in one way only and [`Piece::Name`] can
//! tell the file that the scratch name is for.

/// What a scratch file is, which decides how long it is kept (semantics 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ScratchKind {
    /// Made by a desktop or by an NFS client; of no worth to anybody.
    Litter,
    /// Says that a program has a file open.
    Lock,
    /// Everything else: it may hold somebody's work.
    Work,
}

/// Directories in which some programs keep files that are on the way (rsync's delayed updates and partial transfers).
const SCRATCH_DIRS: [&str; 2] = [".~tmp~", ".rsync-partial"];

/// Directories that desktops make without being asked. They are refused: a refused bin makes a desktop ask "delete
/// for good?", and an index or event log has no place in a bucket.
const DESKTOP_DIRS: [&str; 4] = [".Trash", ".Trashes", ".Spotlight-V100", ".fseventsd"];

#[derive(Clone, Copy)]
enum Piece {
    /// This text.
    Text(&'static str),
    /// This text, ASCII letters in any case.
    AnyCase(&'static str),
    /// One character or more: the name of the file it is for.
    Name,
    /// One character or more, of no further meaning.
    Some(fn(char) -> bool),
    /// Exactly so many characters.
    Exactly(usize, fn(char) -> bool),
}

/// Whether a rule holds where the domain's list allows the name's extension.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// It holds everywhere.
    Everywhere,
    /// It gives way to a list that allows the extension.
    Unlisted,
}

struct Rule {
    pieces: &'static [Piece],
    kind: ScratchKind,
    reach: Reach,
}

const fn rule(kind: ScratchKind, pieces: &'static [Piece]) -> Rule {
    Rule { pieces, kind, reach: Reach::Unlisted }
}

const fn everywhere(kind: ScratchKind, pieces: &'static [Piece]) -> Rule {
    Rule { pieces, kind, reach: Reach::Everywhere }
}

fn any(_: char) -> bool {
    true
}

fn alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn digit(c: char) -> bool {
    c.is_ascii_digit()
}

fn hex(c: char) -> bool {
    c.is_ascii_hexdigit()
}

/// The alphabet of Python's `tempfile`.
fn python(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// The alphabet of Firefox's salts: base64 for URLs.
fn salt(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// The last letter of vim's swap files: `p`, then downwards; `x` is its probe.
fn swap(c: char) -> bool {
    matches!(c, 'a'..='p' | 'x')
}

use Piece::{AnyCase, Exactly, Name, Some as Many, Text};
use ScratchKind::{Litter, Lock, Work};

/// The scratch names of semantics 6.1. A longer form of a rule stands before its shorter one.
static RULES: &[Rule] = &[
    // these four also where the extension is allowed
    everywhere(Lock, &[Text("~$"), Many(any)]),            // Office
    everywhere(Lock, &[Text(".~lock."), Name, Text("#")]), // LibreOffice
    everywhere(Lock, &[Text(".#"), Name]),                 // emacs
    everywhere(Litter, &[Text("._"), Many(any)]),          // macOS, AppleDouble
    // desktops
    rule(Litter, &[Text(".DS_Store")]),                   // macOS
    rule(Litter, &[Text(".Spotlight-V100")]),             // macOS
    rule(Litter, &[Text(".Trashes")]),                    // macOS
    rule(Litter, &[Text(".fseventsd")]),                  // macOS
    rule(Litter, &[AnyCase("Thumbs.db")]),                // Windows
    rule(Litter, &[AnyCase("ehthumbs.db")]),              // Windows
    rule(Litter, &[AnyCase("desktop.ini")]),              // Windows
    rule(Litter, &[AnyCase("autorun.inf")]),              // Windows
    rule(Litter, &[Many(any), Text(":Zone.Identifier")]), // Windows, a stream as a file
    rule(Litter, &[Text(".directory")]),                  // KDE
    rule(Litter, &[Text(".hidden")]),                     // KDE, GNOME
    rule(Litter, &[Text(".nfs"), Many(hex)]),             // NFS clients, deleted while open
    rule(Litter, &[Text(".fuse_hidden"), Many(hex)]),     // libfuse, deleted while open
    // downloads
    rule(Work, &[Text("Unconfirmed "), Many(digit), Text(".crdownload")]), // Chromium
    rule(Work, &[Name, Text(".crdownload")]),                              // Chromium
    rule(Work, &[Text(".org.chromium.Chromium."), Exactly(6, alnum)]),     // Chromium
    rule(Work, &[Text(".com.google.Chrome."), Exactly(6, alnum)]),         // Chrome
    rule(Work, &[Name, Text("."), Exactly(8, salt), Text(".part")]),       // Firefox
    rule(Work, &[Name, Text(".part")]),                                    // KDE, Firefox
    rule(Work, &[Name, Text(".download")]),                                // Safari
    rule(Work, &[Name, Text("."), Exactly(8, alnum), Text(".partial")]),   // rclone
    rule(Work, &[Name, Text(".partial")]),                                 // rclone and its like
    rule(Work, &[Name, Text(".filepart")]),                                // WinSCP
    // copies and saves that end in a rename
    rule(Work, &[Text(".goutputstream-"), Many(alnum)]), // glib: GNOME, Xfce
    rule(Work, &[Text("."), Name, Text("."), Exactly(6, alnum)]), // rsync, glib
    rule(Work, &[Text("tmp"), Exactly(8, python)]),      // Python
    rule(Work, &[Text("tmp"), Exactly(8, python), Text("."), Many(any)]), // Python, with a suffix
    rule(Work, &[Text("sed"), Exactly(6, alnum)]),       // sed -i
    rule(Work, &[Text("XX"), Exactly(6, alnum)]),        // perl -i
    rule(Work, &[Text("zi"), Exactly(6, alnum)]),        // zip
    rule(Work, &[Name, Text(".tmp")]), // 7z, LibreOffice lu….tmp, Word ~WRD….tmp, PowerPoint
    rule(Work, &[Exactly(8, hex)]),    // Excel
    rule(Work, &[Name, Text(".~qpdf-temp#")]), // qpdf
    // what was there before, and what is not saved yet
    rule(Work, &[Many(any), Text(".~qpdf-orig#")]), // qpdf
    rule(Work, &[Many(any), Text("~")]),            // vim, gio, mogrify, cp --backup (NAME.~1~)
    rule(Work, &[Text("4913")]),                    // vim's probe of a directory
    rule(Work, &[Text("."), Name, Text(".sw"), Exactly(1, swap)]), // vim, nano
    rule(Work, &[Text("#"), Name, Text("#")]),      // emacs
];

/// Returns what kind of scratch file `name` is by the built-in list, or none.
///
/// `listed` says whether the domain has a list that allows the extension of `name`.
pub fn scratch_kind(name: &str, listed: bool) -> Option<ScratchKind> {
    RULES
        .iter()
        .filter(|rule| !listed || rule.reach == Reach::Everywhere)
        .find(|rule| fit(rule.pieces, name).is_some())
        .map(|rule| rule.kind)
}

/// Returns the name of the file that the scratch file `name` is for, where its name tells: `a.pdf` for `a.pdf.part`,
/// `.a.pdf.x1Y2z3`, `.~lock.a.pdf#`. Backups (`a.pdf~`) are for no file: they hold what was there before.
pub fn scratch_base(name: &str) -> Option<&str> {
    RULES.iter().find_map(|rule| fit(rule.pieces, name)).filter(|base| !base.is_empty())
}

/// Returns whether the scratch file `scratch` may belong to work on the file `name` in the same directory.
///
/// Where a scratch name can be read in several ways, each of them counts. Two names are not plain: Word drops up to
/// two characters of the name behind its `~$`, and Firefox sets its salt before the extension.
pub fn scratch_is_for(scratch: &str, name: &str) -> bool {
    if let Some(rest) = scratch.strip_prefix("~$") {
        return (0..=2).any(|dropped| skip_chars(name, dropped) == rest && !rest.is_empty());
    }
    let plain = RULES.iter().any(|rule| fit(rule.pieces, scratch).is_some_and(|base| base == name));
    !name.is_empty() && (plain || firefox_base(scratch).is_some_and(|base| base == name))
}

/// Returns whether `name` is a directory for files on the way.
pub(super) fn is_scratch_dir(name: &str) -> bool {
    SCRATCH_DIRS.contains(&name)
}

/// Returns whether `name` is a directory that only desktops make.
pub(super) fn is_desktop_dir(name: &str) -> bool {
    DESKTOP_DIRS.contains(&name) || name.starts_with(".Trash-")
}

/// Returns whether `name` fits a configured pattern: `*` is any text, also none, `?` one character.
pub(super) fn fits_pattern(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // the last `*` seen and where its text ends so far: the only place to go back to
    let mut star: Option<(usize, usize)> = None;
    while let Some(c) = name.get(n) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(x) if *x == '?' || x == c => (p, n) = (p + 1, n + 1),
            _ => {
                let Some((at, end)) = star else { return false };
                star = Some((at, end + 1));
                (p, n) = (at + 1, end + 1);
            }
        }
    }
    pattern.get(p..).is_some_and(|rest| rest.iter().all(|c| *c == '*'))
}

/// Returns whether a configured pattern can be accepted.
pub(super) fn is_pattern(pattern: &str) -> bool {
    !pattern.contains(['/', '\0']) && pattern.contains(|c| !matches!(c, '*' | '?'))
}

/// `NAME.EXT` of Firefox's `NAME.XXXXXXXX.EXT.part`.
fn firefox_base(name: &str) -> Option<String> {
    let (rest, extension) = name.strip_suffix(".part")?.rsplit_once('.')?;
    let (stem, random) = rest.rsplit_once('.')?;
    let fits = !stem.is_empty() && random.chars().count() == 8 && random.chars().all(salt);
    fits.then(|| format!("{stem}.{extension}"))
}

fn skip_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).and_then(|(at, _)| text.get(at..)).unwrap_or_default()
}

/// Returns the text of [`Piece::Name`] (empty where there is no such piece) if `name` is a row of these pieces.
///
/// Fixed pieces are taken from the front up to the one of open length, then from the back.
fn fit<'n>(pieces: &[Piece], name: &'n str) -> Option<&'n str> {
    let open = pieces.iter().position(|p| matches!(p, Name | Many(_)));
    let (front, rest) = pieces.split_at(open.unwrap_or(pieces.len()));
    let mut left = name;
    for piece in front {
        left = piece.take_front(left)?;
    }
    let Some((open, back)) = rest.split_first() else { return left.is_empty().then_some("") };
    for piece in back.iter().rev() {
        left = piece.take_back(left)?;
    }
    match open {
        _ if left.is_empty() => None,
        Name => Some(left),
        Many(of) => left.chars().all(of).then_some(""),
        Text(_) | AnyCase(_) | Exactly(..) => None,
    }
}

impl Piece {
    fn take_front(self, text: &str) -> Option<&str> {
        match self {
            Text(t) => text.strip_prefix(t),
            AnyCase(t) => {
                text.split_at_checked(t.len()).filter(|(a, _)| a.eq_ignore_ascii_case(t)).map(|s| s.1)
            }
            Exactly(count, of) => {
                let at = text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
                let (taken, rest) = text.split_at_checked(at)?;
                (taken.chars().count() == count && taken.chars().all(of)).then_some(rest)
            }
            Name | Many(_) => None,
        }
    }

    fn take_back(self, text: &str) -> Option<&str> {
        match self {
            Text(t) => text.strip_suffix(t),
            Exactly(count, of) => {
                let at = text.chars().count().checked_sub(count)?;
                let at = text.char_indices().nth(at).map_or(text.len(), |(at, _)| at);
                let (rest, taken) = text.split_at_checked(at)?;
                taken.chars().all(of).then_some(rest)
            }
            AnyCase(_) | Name | Many(_) => None,
        }
    }
}
