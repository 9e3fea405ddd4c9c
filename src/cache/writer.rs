//! The threads of the cache: one writes to disk, one verifies whole files. Readers wait for neither.
//!
//! # Limits
//! At most half of the memory budget waits for the disk. What comes while that is full stays in memory only: a slow
//! disk costs hits later, not speed now. A disk that is merely a little behind is waited for ([`Workers::caught_up`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use tokio::sync::{Notify, oneshot};

use super::chunks::BLOCK;
use super::host_file::Via;
use super::map::Seal;
use super::object::{CachedObject, Reader};
use super::run::Run;
use crate::types::Sha256Hex;

/// While no more bytes than these wait, the disk takes them as fast as they come.
const DIRECT_WHILE_WAITING: u64 = 8 * BLOCK;

/// What is to be written: `run` of `object`.
pub(super) struct Write {
    pub object: Arc<CachedObject>,
    pub run: Run,
    pub reader: Reader,
}

enum Job {
    Write(Write),
    Verify(Arc<CachedObject>),
    /// Called once all earlier jobs of its thread are done.
    Flush(Box<dyn FnOnce() + Send>),
    Stop,
}

/// The way to the threads.
#[derive(Debug)]
pub(super) struct Workers {
    writer: Worker,
    verifier: Worker,
    waiting_bytes: Arc<AtomicU64>,
    limit_bytes: u64,
    /// Told after every write.
    written: Arc<Notify>,
    stopping: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Workers {
    /// Starts the threads. At most `limit_bytes` wait for the disk.
    pub(super) fn start(limit_bytes: u64) -> std::io::Result<Self> {
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let stopping = Arc::new(AtomicBool::new(false));
        let written = Arc::new(Notify::new());
        let writer = Worker::start("cache-write", {
            let (waiting, written) = (Arc::clone(&waiting_bytes), Arc::clone(&written));
            move |jobs| run_writer(&jobs, &waiting, &written)
        })?;
        let verifier = Worker::start("cache-verify", {
            let stopping = Arc::clone(&stopping);
            move |jobs| run_verifier(&jobs, &stopping)
        })?;
        Ok(Self { writer, verifier, waiting_bytes, limit_bytes, written, stopping })
    }

    /// Queues a write; `false` where too much waits already or the threads have stopped.
    pub(super) fn write(&self, write: Write) -> bool {
        let bytes = write.run.range().len();
        if self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > self.limit_bytes {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        let queued = self.writer.jobs.send(Job::Write(write)).is_ok();
        if !queued {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        queued
    }

    /// Returns whether the disk keeps up with what is put in: room for at least half of what may wait.
    pub(super) fn keeps_up(&self) -> bool {
        self.waiting_bytes.load(Ordering::Relaxed) <= self.limit_bytes / 2
    }

    /// Waits until the disk keeps up.
    pub(super) async fn caught_up(&self) {
        loop {
            // made before the look, so that a write after it is not missed
            let written = self.written.notified();
            if self.keeps_up() {
                return;
            }
            written.await;
        }
    }

    /// Returns how many bytes wait for the disk.
    pub(super) fn waiting_bytes(&self) -> u64 {
        self.waiting_bytes.load(Ordering::Relaxed)
    }

    /// Queues a verification.
    pub(super) fn verify(&self, object: Arc<CachedObject>) -> bool {
        self.verifier.jobs.send(Job::Verify(object)).is_ok()
    }

    /// Waits until everything queued so far has been written and then verified.
    pub(super) fn flush(&self) {
        self.writer.flush();
        self.verifier.flush();
    }

    /// Waits until everything queued so far has been written. Who gives up waiting leaves nothing behind.
    pub(super) async fn written_out(&self) {
        let (done, wait) = oneshot::channel();
        if self.writer.after_all(move || _ = done.send(())) && wait.await.is_err() {
            tracing::debug!("a cache thread stopped before its queue was empty");
        }
    }

    /// Ends the threads: what is queued is written, a running verification is broken off.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        for worker in [&self.writer, &self.verifier] {
            let Some(thread) = worker.thread.lock().take() else { continue };
            let asked = worker.jobs.send(Job::Stop).is_ok();
            // a thread cannot wait for itself: it may be the one that lets go of the cache
            if asked && thread.thread().id() != std::thread::current().id() && thread.join().is_err() {
                tracing::error!("a cache thread has panicked");
            }
        }
    }
}

impl Worker {
    fn start(name: &str, run: impl FnOnce(Receiver<Job>) + Send + 'static) -> std::io::Result<Self> {
        let (jobs, queue) = channel();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || run(queue))?;
        Ok(Self { jobs, thread: Mutex::new(Some(thread)) })
    }

    fn flush(&self) {
        let (done, wait) = sync_channel(1);
        if self.after_all(move || _ = done.send(())) && wait.recv().is_err() {
            tracing::debug!("a cache thread stopped before its queue was empty");
        }
    }

    /// Has `call` called once all jobs so far are done; `false` where the thread has stopped.
    fn after_all(&self, call: impl FnOnce() + Send + 'static) -> bool {
        self.jobs.send(Job::Flush(Box::new(call))).is_ok()
    }
}

fn run_writer(jobs: &Receiver<Job>, waiting_bytes: &AtomicU64, written: &Notify) {
    let mut queue = Queue { jobs, waiting: VecDeque::new() };
    while let Some(job) = queue.next() {
        match job {
            Job::Write(mut job) => {
                queue.take_what_follows(&mut job);
                write(&job, way(&job, waiting_bytes.load(Ordering::Relaxed)));
                waiting_bytes.fetch_sub(job.run.range().len(), Ordering::Relaxed);
                written.notify_waiters();
            }
            Job::Verify(_) => {}
            Job::Flush(done) => done(),
            Job::Stop => break,
        }
    }
}

/// What the writer has to do, the oldest first.
struct Queue<'a> {
    jobs: &'a Receiver<Job>,
    waiting: VecDeque<Job>,
}

impl Queue<'_> {
    /// Returns the oldest job, once there is one; `None` where none can come any more.
    fn next(&mut self) -> Option<Job> {
        if self.waiting.is_empty() {
            self.waiting.push_back(self.jobs.recv().ok()?);
        }
        self.waiting.extend(self.jobs.try_iter());
        self.waiting.pop_front()
    }

    /// Adds to `first` what waits to be written right behind it. The longer the queue is, the more that is: a disk that
    /// does not keep up gets larger writes, which it takes faster.
    fn take_what_follows(&mut self, first: &mut Write) {
        let follows = |first: &Write, job: &Job| {
            matches!(job, Job::Write(next) if next.reader == first.reader
                && Arc::ptr_eq(&next.object, &first.object)
                && first.run.can_take(&next.run))
        };
        while first.run.can_grow()
            && let Some(at) = self.waiting.iter().position(|job| follows(first, job))
        {
            if let Some(Job::Write(next)) = self.waiting.remove(at) {
                first.run.take(next.run);
            }
        }
    }
}

/// Chooses the way to the disk. Past the page cache goes what its reader has there already, on its way, and what is not read
/// back: not what nobody reads now, since the first who does should find it in memory, and not what will be held against a
/// digest when all of it is here. Nor what comes faster than the disk takes it.
fn way(job: &Write, waiting_bytes: u64) -> Via {
    let is_read_back = job.reader == Reader::Nobody || job.object.expected_sha256().is_some();
    if is_read_back || waiting_bytes > DIRECT_WHILE_WAITING { Via::PageCache } else { Via::Disk }
}

fn write(job: &Write, via: Via) {
    let Write { object, run, .. } = job;
    let range = run.range();
    let shared = &object.shared;
    let written = shared.disk.as_ref().is_some_and(|disk| {
        let Some(host) = object.host_or_new() else { return false };
        disk.write(object.id(), &host, run, via, &shared.counters)
    });
    if !written {
        shared.counters.unwritten_bytes.add(range.len());
    }
    shared.memory.set_clean(object.id(), range);
    if written {
        shared.verify_if_due(object);
    }
}

fn run_verifier(jobs: &Receiver<Job>, stopping: &AtomicBool) {
    for job in jobs {
        match job {
            Job::Verify(object) => {
                object.verifying.store(false, Ordering::Release);
                if !stopping.load(Ordering::Relaxed) {
                    verify(&object, stopping);
                }
            }
            Job::Write(_) => {}
            Job::Flush(done) => done(),
            Job::Stop => break,
        }
    }
}

/// Reads the whole of a complete host file, once, and holds it against its checksums and its digest.
fn verify(object: &CachedObject, stopping: &AtomicBool) {
    let shared = &object.shared;
    let (Some(disk), Some(host)) = (&shared.disk, object.host()) else { return };
    if !host.is_complete() || object.is_verified(&host) {
        return;
    }
    let expected = object.expected_sha256();
    let mut hash = Sha256::new();
    let sound = host.verify_all(
        || !stopping.load(Ordering::Relaxed),
        |bytes| {
            if expected.is_some() {
                hash.update(bytes);
            }
        },
    );
    let key = &object.version().key;
    match sound {
        Ok(Some(0)) if host.is_complete() => {}
        Ok(Some(0) | None) => return,
        Ok(Some(chunks)) => {
            shared.counters.damaged_chunks.add(chunks);
            shared.on_damage.tell(key, "damaged chunks dropped from the cache; they are fetched again");
            return;
        }
        Err(e) => {
            tracing::warn!("cannot verify the cached file of '{key}': {e}");
            return;
        }
    }
    let found = Sha256Hex::from_bytes(hash.finalize().into());
    if let Some(expected) = expected
        && expected != found
    {
        let what = format!("the content has SHA-256 {found}, not {expected}; dropped from the cache");
        shared.on_damage.tell(key, &what);
        object.reject();
        return;
    }
    if let Err(e) = host.seal(Seal { epoch: disk.epoch(), sha256: expected }) {
        tracing::debug!("cannot seal the cached file of '{key}': {e}");
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::cache::chunks::to_usize;
    use crate::cache::front::Extent;
    use crate::cache::{Cache, Version};
    use crate::types::{ETag, ObjectKey};

    fn object(cache: &Cache, key: &str) -> Arc<CachedObject> {
        let version = Version { key: ObjectKey::new(key).unwrap(), etag: ETag::new("e"), size: 16 * BLOCK };
        cache.open_version(&version)
    }

    fn write(object: &Arc<CachedObject>, block: u64, reader: Reader) -> Write {
        let extent = Extent { offset: block * BLOCK, bytes: Bytes::from(vec![0; to_usize(BLOCK)]) };
        Write { object: Arc::clone(object), run: Run::new(extent, vec![0; 16]), reader }
    }

    #[test]
    fn queue_joins_what_follows_in_one_object_for_the_same_reader_and_keeps_the_rest_in_order() {
        let cache = Cache::in_memory(BLOCK);
        let (one, other) = (object(&cache, "a"), object(&cache, "b"));
        let (jobs, receiver) = channel();
        let waiting = [
            write(&one, 0, Reader::Comes),
            write(&other, 1, Reader::Comes),
            write(&one, 2, Reader::Comes), // came before what it follows
            write(&one, 1, Reader::Comes),
            write(&one, 3, Reader::Nobody),
        ];
        for write in waiting {
            jobs.send(Job::Write(write)).unwrap();
        }
        jobs.send(Job::Stop).unwrap();
        drop(jobs);
        let mut queue = Queue { jobs: &receiver, waiting: VecDeque::new() };
        let mut seen = Vec::new();
        while let Some(Job::Write(mut write)) = queue.next() {
            queue.take_what_follows(&mut write);
            let range = write.run.range();
            seen.push((Arc::ptr_eq(&write.object, &one), range.start / BLOCK, range.end / BLOCK));
        }
        assert_eq!(seen, [(true, 0, 3), (false, 1, 2), (true, 3, 4)]);
    }
}
