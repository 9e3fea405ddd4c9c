//! What may be kept in the kernel's page cache twice for a while: no more than much memory has room for.

use std::fs;

/// The part of the memory that the kernel could give to programs which one object may take.
const PART: u64 = 4;

/// Returns whether `bytes` of one object may be brought into the page cache although they are there, or were, in other pages.
pub fn has_memory_for(bytes: u64) -> bool {
    bytes <= available() / PART
}

/// Returns how many bytes the kernel could give to programs without swapping (`MemAvailable`, proc(5)); 0 where it does not
/// say.
fn available() -> u64 {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = info.lines().find_map(|line| line.strip_prefix("MemAvailable:")?.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1024)
}
