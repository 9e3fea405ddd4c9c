//! Random keys, as clients make them that know nothing of paths.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{RngExt as _, SeedableRng as _};

/// Where keys lie. `outside/` and the empty prefix belong to no domain.
const PREFIXES: [&str; 9] =
    ["any/", "any/", "documents/", "scraped/7/", "rfp_exports/", "chunks/3/", "orgs/logos/", "outside/", ""];

/// Segments that have gone wrong somewhere before; few, so that a name is often a directory as well.
const ODD: [&str; 40] = [
    "a",
    "b",
    "a",
    "b",
    "a",
    "report.pdf",
    "x.txt",
    "",
    ".",
    "..",
    "...",
    " ",
    "a ",
    " a",
    "a.",
    ".a",
    "%2F",
    "%00",
    "%",
    "+",
    "a+b",
    "?",
    "#",
    "&amp;",
    "\\",
    "a:b",
    "*",
    "-rf",
    "~$x.docx",
    ".#lock",
    "x.part",
    ".nfs0001",
    "CON",
    "\u{e9}",
    "e\u{301}",
    "\u{202e}fdp.exe",
    "\u{feff}a",
    "\u{2028}",
    "\u{1f4c4}\u{200d}\u{fe0f}",
    "\u{10ffff}",
];

/// Directories, most of which are also names that a key may have.
const DIRS: [&str; 8] = ["a", "b", "a ", "%2F", "e\u{301}", "\u{202e}fdp.exe", "", ".."];

/// Returns `count` keys with their bytes; the same for the same seed. Every content is another, but for empty ones.
/// `controls` says whether there may be control characters, NUL among them.
pub fn objects(seed: u64, count: usize, controls: bool) -> BTreeMap<String, Vec<u8>> {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut made = BTreeMap::new();
    while made.len() < count {
        let key = key(&mut rng, controls);
        let data =
            if rng.random_ratio(1, 5) { Vec::new() } else { format!("{} of {key}", made.len()).into_bytes() };
        // what is cairnfs's own is no user's
        if !key.starts_with(".cairnfs/") {
            made.insert(key, data);
        }
    }
    made
}

fn key(rng: &mut StdRng, controls: bool) -> String {
    let mut key = (*PREFIXES.choose(rng).unwrap()).to_owned();
    // few directories with many keys, and some of every kind
    for _ in 0..rng.random_range(0..3) {
        let dir = if rng.random_ratio(1, 30) {
            segment(rng, controls)
        } else {
            (*DIRS.choose(rng).unwrap()).to_owned()
        };
        key.push_str(&dir);
        key.push('/');
    }
    key.push_str(&segment(rng, controls));
    match rng.random_range(0..40) {
        0 => key.push('/'),
        // exactly as long as a key can be
        1 => key.extend(std::iter::repeat_n(format!("/{}", "l".repeat(200)), 6)),
        _ => {}
    }
    while key.len() > 1024 {
        key.pop();
    }
    if key.is_empty() { "x".to_owned() } else { key }
}

fn segment(rng: &mut StdRng, controls: bool) -> String {
    match rng.random_range(0..20) {
        0 => "n".repeat(rng.random_range(254..258)),
        1 => "\u{65e5}".repeat(85), // 255 bytes
        2 | 3 if controls => {
            (0..rng.random_range(1..5)).map(|_| char::from(rng.random_range(0..32))).collect()
        }
        2..6 => (0..rng.random_range(1..12))
            .filter_map(|_| char::from_u32(rng.random_range(33..0x3000)))
            .collect(),
        6..9 => format!("{}.pdf", rng.random_range(0..2000)),
        _ => (*ODD.choose(rng).unwrap()).to_owned(),
    }
}
