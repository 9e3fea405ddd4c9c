//! The scrub: once a day everything on disk that nobody has open is read, slowly, and held against its checksums.
//!
//! What is wrong is thrown away, to be fetched again when it is wanted. After a crash it also spares readers the
//! verification that the first use would have to begin with.
//!
//! It opens the files for itself, past the index: being looked at is no use, and must not save a version from eviction.

use std::sync::Weak;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Shared;
use super::chunks::CHUNK;
use super::disk::Disk;
use super::host_file::HostFile;
use super::map::Seal;
use super::version::FileId;
use crate::types::Sha256Hex;

/// When the first one begins: a start has better things to do with the disk.
const FIRST: Duration = Duration::from_secs(60);

/// How long after its end the next one begins.
const EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// The most that is read in a second, in bytes.
const RATE: u64 = 8 * 1024 * 1024;

/// What one scrub has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scrubbed {
    /// Versions.
    pub files: u64,
    /// Versions of which something was thrown away.
    pub damaged: u64,
}

/// The thread that scrubs from time to time.
#[derive(Debug)]
pub(super) struct Scrubber {
    thread: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Scrubber {
    /// Starts it.
    pub(super) fn start(shared: Weak<Shared>) -> std::io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        // every pause is a wait for the stop, so that it comes at once
        let pause = move |time| stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
        let run = move || {
            let mut rest = FIRST;
            while pause(rest) {
                let Some(shared) = shared.upgrade() else { return };
                let at_a_time = Duration::from_secs(1) / u32::try_from(RATE / CHUNK).unwrap_or(u32::MAX);
                let done = scrub(&shared, &|| pause(at_a_time));
                tracing::debug!("the cache was scrubbed: {} versions, {} damaged", done.files, done.damaged);
                rest = EVERY;
            }
        };
        let thread = std::thread::Builder::new().name("cache-scrub".into()).spawn(run)?;
        Ok(Self { thread: Mutex::new(Some((stop, thread))) })
    }

    /// Ends it, wherever it is.
    pub(super) fn stop(&self) {
        let Some((stop, thread)) = self.thread.lock().take() else { return };
        drop(stop);
        // it may be the last one to let go of the cache itself
        if thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
            tracing::error!("the scrub of the cache has panicked");
        }
    }
}

/// Looks at everything that is idle, as long as `go_on`, which is asked for each chunk, says so.
pub(super) fn scrub(shared: &Shared, go_on: &dyn Fn() -> bool) -> Scrubbed {
    let mut done = Scrubbed::default();
    let Some(disk) = &shared.disk else { return done };
    for id in disk.look(|index| index.idle()) {
        if !go_on() {
            break;
        }
        // opened or evicted since
        if !disk.look(|index| index.is_idle(id)) {
            continue;
        }
        done.files += 1;
        done.damaged += u64::from(!is_sound(shared, disk, id, go_on));
    }
    done
}

fn is_sound(shared: &Shared, disk: &Disk, id: FileId, go_on: &dyn Fn() -> bool) -> bool {
    let (version, file) = match disk.open_unused(id) {
        Ok(Some(found)) => found,
        // gone, or busy
        Err(e) => {
            tracing::debug!("a cached file could not be looked at: {e}");
            return true;
        }
        Ok(None) => {
            disk.remove_idle(id);
            return false;
        }
    };
    match look(disk, &file, go_on) {
        Ok(Look::Sound) => true,
        Ok(Look::Damaged(chunks)) => {
            shared.counters.damaged_chunks.add(chunks);
            let what = format!("{chunks} damaged chunks dropped from the cache by its scrub");
            shared.on_damage.tell(&version.key, &what);
            tell_who_has_opened_it(shared, id, go_on);
            false
        }
        Ok(Look::OtherDigest) => {
            shared.counters.rejected_files.add(1);
            shared
                .on_damage
                .tell(&version.key, "dropped from the cache by its scrub: the SHA-256 is another");
            disk.remove_idle(id);
            false
        }
        Err(e) => {
            tracing::warn!("cannot read the cached file of '{}': {e}; dropped", version.key);
            disk.remove_idle(id);
            false
        }
    }
}

enum Look {
    /// Nothing is wrong, as far as it was looked at.
    Sound,
    Damaged(u64),
    OtherDigest,
}

fn look(disk: &Disk, file: &HostFile, go_on: &dyn Fn() -> bool) -> std::io::Result<Look> {
    let claimed = file.claimed_sha256().filter(|_| file.is_complete());
    let mut hash = Sha256::new();
    let damaged = file.verify_all(go_on, |bytes| {
        if claimed.is_some() {
            hash.update(bytes);
        }
    })?;
    match damaged {
        None => return Ok(Look::Sound),
        Some(0) => {}
        Some(chunks) => return Ok(Look::Damaged(chunks)),
    }
    if claimed.is_some_and(|sha| sha != Sha256Hex::from_bytes(hash.finalize().into())) {
        return Ok(Look::OtherDigest);
    }
    if !file.is_trusted() {
        file.seal(Seal { epoch: disk.epoch(), sha256: claimed })?;
    }
    Ok(Look::Sound)
}

/// Somebody may have opened the version after the look at it began: it has a map of its own in memory, which must not go
/// on saying that all is well.
fn tell_who_has_opened_it(shared: &Shared, id: FileId, go_on: &dyn Fn() -> bool) {
    let open = shared.open.lock().get(&id).and_then(Weak::upgrade);
    if let Some(file) = open.and_then(|object| object.host())
        && let Err(e) = file.verify_all(go_on, |_| ())
    {
        tracing::warn!("cannot read a cached file: {e}");
    }
}
