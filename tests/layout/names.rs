//! Names to ask Django about: printable and not, in many scripts, with dots and spaces in every place, long and nasty.

use std::collections::HashSet;

use serde_json::Value;

/// One question for `tests/django/answers.py`.
#[derive(Debug)]
pub struct Question {
    /// The name or relative path.
    pub name: String,
    /// The longest allowed name in characters.
    pub max_length: Option<usize>,
    /// How many names in a row are taken.
    pub taken: usize,
    /// The random text of each try.
    pub randoms: Vec<String>,
    /// The allowed extensions.
    pub allowed: Option<Vec<String>>,
}

impl Question {
    /// Returns the question as a line of JSON.
    pub fn to_json(&self) -> Value {
        serde_json::json!([self.name, self.max_length, self.taken, self.randoms, self.allowed])
    }
}

/// Names that have gone wrong somewhere before.
const NASTY: &[&str] = &[
    "a.tar.gz",
    "archive.tar.bz2.bak",
    "v1.2 final.pdf",
    "Mr. Smith.pdf",
    "noext",
    "trail.",
    "trail..",
    ".bashrc",
    ".env.local",
    "..x",
    "...x",
    "..",
    ".",
    "...",
    "....",
    "a..b",
    "a...txt",
    ".a.",
    ".a..",
    "..a.b",
    " ",
    " .pdf",
    "a .pdf",
    "a. pdf",
    "a.pdf ",
    "a.pdf\n",
    "\n.pdf",
    "a\tb.pdf",
    "a.txt.",
    ".txt",
    "..txt",
    "a.TXT",
    "a.TxT.Gz",
    "a\\b.pdf",
    "a\\..\\b.pdf",
    "\\a.pdf",
    "a\\",
    "sub/dbl.txt",
    "sub//dbl.txt",
    "./dot/a",
    "a/../b",
    "../up",
    "a/..",
    "a/.",
    "dir.txt/file",
    "dir.d/.hidden",
    "a%20b.pdf",
    "a+b&c=d.pdf",
    "-rf.pdf",
    "~$doc.docx",
    "#a#",
    "q?.pdf",
    "*.pdf",
    "con.pdf",
    "a:b.pdf",
    "\u{feff}a.pdf",
    "a\u{200b}.pdf",
    "a.\u{200d}pdf",
    "resume\u{301}.pdf",
    "r\u{e9}sum\u{e9}.PDF",
    "\u{130}.\u{130}",
    "a.\u{131}",
    "a.\u{3a3}",
    "a.O\u{3a3}",
    "a.\u{3a3}x",
    "a.A\u{3a3}\u{301}",
    "a.\u{1e9e}",
    "a.\u{212a}elvin",
    "a.\u{ff34}\u{ff38}\u{ff34}",
    "a.\u{10400}",
    "a.\u{1c90}",
    "a.\u{13a0}",
    "a.\u{ab70}",
    "a.\u{1f88}",
    "a.\u{1c4}",
    "a.\u{1c5}",
    "\u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}.pdf",
    "\u{1f4c4} \u{1f468}\u{200d}\u{1f469}.pdf",
    "Screen_Shot_2021-03-04_at_10.11.12_AM.png",
    "Q3_report_v1.2_final.pdf",
    "\u{202e}fdp.exe",
    "a\u{2028}b.txt",
    "{filename}.pdf",
    "%s_%s%s.pdf",
    "a\u{85}.pdf",
    "\u{7f}.pdf",
    "\u{1}\u{2}.\u{3}",
];

/// Where characters are drawn from; the alphabets with cases matter for the lower case of extensions.
const SCRIPTS: &[(u32, u32)] = &[
    (0x20, 0x7e),
    (0x20, 0x7e),
    (0x01, 0x1f),
    (0xa0, 0x24f),      // Latin
    (0x250, 0x2ff),     // phonetic
    (0x300, 0x36f),     // combining
    (0x370, 0x52f),     // Greek, Cyrillic
    (0x531, 0x5f4),     // Armenian, Hebrew
    (0x600, 0x6ff),     // Arabic
    (0x900, 0x97f),     // Devanagari
    (0x10a0, 0x10ff),   // Georgian
    (0x13a0, 0x13fd),   // Cherokee
    (0x1c90, 0x1cbf),   // Georgian capitals
    (0x1e00, 0x1fff),   // Latin and Greek with marks
    (0x2000, 0x206f),   // punctuation, directions, joiners
    (0x2100, 0x218b),   // letterlike
    (0x2c00, 0x2cff),   // Glagolitic, Coptic
    (0x3000, 0x30ff),   // Japanese
    (0x4e00, 0x9fff),   // Han
    (0xa640, 0xa7bf),   // Cyrillic and Latin, rare
    (0xac00, 0xd7a3),   // Hangul
    (0xfb00, 0xfb4f),   // ligatures
    (0xff00, 0xffef),   // full width
    (0x10400, 0x104ff), // Deseret, Osage
    (0x1d400, 0x1d7ff), // mathematical
    (0x1f300, 0x1faff), // emoji
    (0x20000, 0x2a6df), // Han, beyond the first plane
    (0xe000, 0xf8ff),   // private use
];

const WORDS: &[&str] = &[
    "report",
    "Q3",
    "v1",
    "2",
    "final",
    "tar",
    "gz",
    "pdf",
    "PDF",
    "Docx",
    "txt",
    "copy (1)",
    "a",
    "x",
    "_",
    "-",
    " ",
    "  ",
    "~",
    "#",
    "$",
    "(",
    ")",
    "\u{e9}",
    "e\u{301}",
    "\u{df}",
    "\u{4e2d}\u{6587}",
    "\u{1f600}",
    "__",
    "chunk_7",
];

const EXTENSIONS: &[&str] = &[
    "pdf",
    "PDF",
    "txt",
    "gz",
    "tar",
    "JPG",
    "docx",
    "",
    "\u{130}",
    "\u{3c3}",
    "\u{3c2}",
    "stra\u{df}e",
    "O\u{3a3}",
    "7z",
    "md",
];

/// Returns `count` different questions; the same for the same seed.
pub fn questions(seed: u64, count: usize) -> Vec<Question> {
    let mut draw = Draw(seed);
    let mut seen = HashSet::new();
    let mut questions = Vec::with_capacity(count);
    let mut nasty = NASTY.iter();
    while questions.len() < count {
        let name = nasty.next().map_or_else(|| draw.path(), |n| (*n).to_owned());
        if seen.insert(name.clone()) {
            questions.push(draw.question(name));
        }
    }
    questions
}

/// A small generator of its own (SplitMix64), so that a seed means the same names with every version of every crate.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a number below `limit`.
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap_or(1)).unwrap_or_default()
    }

    fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn char(&mut self) -> char {
        let (first, last) = self.of(SCRIPTS);
        let offset = u32::try_from(self.next() % u64::from(last - first + 1)).unwrap_or_default();
        char::from_u32(first + offset).filter(|c| *c != '/').unwrap_or('_')
    }

    fn piece(&mut self) -> String {
        match self.below(10) {
            0..5 => self.of(WORDS).to_owned(),
            5..7 => (0..=self.below(6)).map(|_| self.char()).collect(),
            7 => self.char().to_string().repeat(1 + self.below(4)),
            8 if self.below(8) == 0 => self.char().to_string().repeat(self.below(280)),
            _ => ".".repeat(1 + self.below(2)),
        }
    }

    fn name(&mut self) -> String {
        let mut name = if self.below(8) == 0 { ".".repeat(1 + self.below(3)) } else { String::new() };
        for _ in 0..=self.below(6) {
            name += &self.piece();
            if self.below(3) == 0 {
                name.push('.');
            }
        }
        if self.below(2) == 0 {
            name = format!("{name}.{}", self.of(EXTENSIONS));
        }
        name
    }

    fn path(&mut self) -> String {
        let dirs = [0, 0, 1, 2, 4][self.below(5)];
        let mut path = String::new();
        for _ in 0..dirs {
            // now and then a double slash or a way out of the directory
            path += &match self.below(200) {
                0 => String::new(),
                1 => "..".to_owned(),
                _ => self.name(),
            };
            path.push('/');
        }
        // `/a` is refused by Django's save(), which is not asked here
        path.trim_start_matches('/').to_owned() + &self.name()
    }

    fn random(&mut self) -> String {
        const ALPHABET: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
        (0..7).map(|_| char::from(self.of(ALPHABET))).collect()
    }

    fn question(&mut self, name: String) -> Question {
        let chars = name.chars().count();
        let max_length = match self.below(4) {
            0 => None,
            1 => Some(self.of(&[0, 1, 12, 100, 500])),
            // about as long as the name itself: where the cut is decided
            _ => Some((chars + self.below(24)).saturating_sub(12)),
        };
        let allowed =
            (self.below(8) > 0).then(|| (0..self.below(6)).map(|_| self.of(EXTENSIONS).to_owned()).collect());
        let randoms = (0..6).map(|_| self.random()).collect();
        Question { name, max_length, taken: self.below(4), randoms, allowed }
    }
}
