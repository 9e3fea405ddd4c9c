//! A mount of a test's own: the real program, a real kernel, a store that the test can look into from behind.
//!
//! Whatever a test asks of the store goes past the code under test: plain files for `file://`, the memory of the
//! in-process server for `s3://`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::actor::Actor;
use super::s3server::{ACCESS_KEY, S3Server, SECRET_KEY};
use super::seaweed::seaweed;

/// No wait in a test takes longer: what has not happened by then does not happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The bucket of every test.
pub const BUCKET: &str = "test";
/// What is cairnfs's own in a bucket.
const SERVICE: &str = ".cairnfs/";
/// What runs unless a test says otherwise: a floor that leaves room on small disks.
const CONFIG: &str = "[write]\nfree_floor = \"1MiB\"\n";

/// Returns `len` bytes that no other `seed` has; `actor.py` makes the same.
pub fn content(seed: u64, len: usize) -> Vec<u8> {
    let blocks = (0..len.div_ceil(32)).flat_map(|i| Sha256::digest(format!("{seed}/{i}")));
    blocks.take(len).collect()
}

/// Returns the SHA-256 of `data` in hexadecimal digits.
pub fn sha(data: &[u8]) -> String {
    hex::encode(Sha256::digest(data))
}

/// Waits until `holds` is true.
///
/// # Panics
/// After [`PATIENCE`], with `what`.
#[track_caller]
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "it did not come to: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Which kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `file://`
    Dir,
    /// `s3://` on the in-process server.
    S3,
    /// `s3://` on the SeaweedFS that the tests of a program share. It cannot be looked into from behind.
    Seaweed,
}

/// A mount to be.
pub struct Setup {
    kind: Kind,
    config: String,
    objects: Vec<(String, Vec<u8>)>,
    state: Option<PathBuf>,
    user: Option<u32>,
    prepare: Box<dyn FnOnce(&S3Server)>,
    shared: Option<Shared>,
}

/// A store that another mount has made.
struct Shared {
    store: PathBuf,
    server: Option<Arc<S3Server>>,
    endpoint: Option<String>,
}

impl Setup {
    /// A mount of an empty bucket with the settings of tests.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            config: CONFIG.to_owned(),
            objects: Vec::new(),
            state: None,
            user: None,
            prepare: Box::new(|_| {}),
            shared: None,
        }
    }

    /// Takes this TOML in place of the usual.
    pub fn config(mut self, toml: &str) -> Self {
        toml.clone_into(&mut self.config);
        self
    }

    /// Puts an object into the bucket before the mount is made.
    pub fn object(mut self, key: &str, data: impl AsRef<[u8]>) -> Self {
        self.objects.push((key.to_owned(), data.as_ref().to_vec()));
        self
    }

    /// Uses this state directory.
    pub fn state(mut self, dir: &Path) -> Self {
        self.state = Some(dir.to_owned());
        self
    }

    /// Lets this user mount, who has no rights and no groups. Nobody else, root included, can look into the mount then.
    /// For tests that run as root.
    pub fn user(mut self, uid: u32) -> Self {
        self.user = Some(uid);
        self
    }

    /// Sets switches of the server before the mount is made.
    pub fn server(mut self, prepare: impl FnOnce(&S3Server) + 'static) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Mounts the bucket of another mount.
    pub fn bucket_of(mut self, other: &TestMount) -> Self {
        self.shared = Some(Shared {
            store: other.store.clone(),
            server: other.server.clone(),
            endpoint: other.endpoint.clone(),
        });
        self
    }

    /// Mounts and waits until it serves.
    ///
    /// # Panics
    /// Where it does not.
    #[track_caller]
    pub fn start(self) -> TestMount {
        let mut mount = self.place();
        mount.start();
        mount
    }

    /// Mounts, which must fail; returns its exit status and what it said.
    #[track_caller]
    pub fn start_fails(self) -> (ExitStatus, String) {
        let mut mount = self.place();
        let mut child = mount.spawn(None);
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > until || mount.is_mounted() {
                mount.daemon = Some(child);
                panic!("it mounts");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(!status.success() && !mount.is_mounted());
        (status, mount.log())
    }

    fn place(self) -> TestMount {
        demand_fuse();
        // beside the program and not in /tmp, which may be a tmpfs: the real disk's rules count
        let mut builder = tempfile::Builder::new();
        let home = builder.prefix("mount-");
        // another user may not be able to get there
        let home =
            if self.user.is_some() { home.tempdir() } else { home.tempdir_in(env!("CARGO_TARGET_TMPDIR")) };
        let home = home.unwrap();
        // sockets have short paths only
        let runtime = tempfile::Builder::new().prefix("cairnfs-").tempdir().unwrap();
        for dir in ["m", "host", "store"] {
            fs::create_dir(home.path().join(dir)).unwrap();
        }
        fs::write(home.path().join("config.toml"), &self.config).unwrap();
        let (mut server, mut endpoint) = (None, None);
        let mut store = home.path().join("store");
        match self.kind {
            _ if self.shared.is_some() => {
                let shared = self.shared.unwrap();
                (store, server, endpoint) = (shared.store, shared.server, shared.endpoint);
            }
            Kind::Dir => {}
            Kind::S3 => {
                let own = S3Server::start();
                (self.prepare)(&own);
                endpoint = Some(own.endpoint());
                server = Some(Arc::new(own));
            }
            Kind::Seaweed => endpoint = Some(seaweed().endpoint().to_owned()),
        }
        let state = self.state.unwrap_or_else(|| home.path().join("state"));
        for path in [home.path(), &home.path().join("m"), &store, runtime.path()] {
            std::os::unix::fs::chown(path, self.user, self.user).unwrap();
        }
        let user = self.user;
        let mount =
            TestMount { home, runtime, state, store, server, endpoint, user, daemon: None, may_err: false };
        for (key, data) in &self.objects {
            mount.put_object(key, data);
        }
        mount
    }
}

/// A mount. It is taken away when this is dropped; the log must be free of errors then.
pub struct TestMount {
    home: tempfile::TempDir,
    runtime: tempfile::TempDir,
    state: PathBuf,
    /// The directory of a `file://` store.
    store: PathBuf,
    server: Option<Arc<S3Server>>,
    /// `None` for `file://`.
    endpoint: Option<String>,
    /// Who mounts; `None`: who runs the test.
    user: Option<u32>,
    daemon: Option<Child>,
    may_err: bool,
}

impl TestMount {
    /// Returns the path of `path` in the mount; the mount point itself for `""`.
    pub fn path(&self, path: &str) -> PathBuf {
        let root = self.home.path().join("m");
        if path.is_empty() { root } else { root.join(path) }
    }

    /// Returns the path of `path` in a plain directory beside the mount.
    pub fn host(&self, path: &str) -> PathBuf {
        self.home.path().join("host").join(path)
    }

    /// Writes a plain file beside the mount and returns its path.
    pub fn host_file(&self, path: &str, data: &[u8]) -> PathBuf {
        let path = self.host(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, data).unwrap();
        path
    }

    /// Returns the state directory.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Returns the cache directory.
    pub fn cache(&self) -> PathBuf {
        self.home.path().join("cache")
    }

    /// Starts a process that works on this mount.
    pub fn actor(&self) -> Actor {
        Actor::new(&self.path(""), &self.host(""))
    }

    /// Returns the server of an `s3://` mount.
    pub fn server(&self) -> &Arc<S3Server> {
        self.server.as_ref().expect("a mount of s3://")
    }

    // ---- the mount as a user of it sees it

    /// Reads a file through the mount.
    #[track_caller]
    pub fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// Returns the sorted names in a directory of the mount.
    #[track_caller]
    pub fn names(&self, path: &str) -> Vec<String> {
        let list = fs::read_dir(self.path(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
        let mut names: Vec<String> =
            list.map(|e| e.unwrap().file_name().into_string().expect("names are UTF-8")).collect();
        names.sort();
        names
    }

    /// Returns whether a name exists in the mount.
    pub fn exists(&self, path: &str) -> bool {
        fs::symlink_metadata(self.path(path)).is_ok()
    }

    // ---- the bucket from behind

    /// Puts an object into the bucket as another client does that knows no conditions: it may replace one.
    pub fn put_object(&self, key: &str, data: &[u8]) {
        let Some(server) = &self.server else {
            let target = self.store_file(key);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            // several tests may put at once, and what they put must not be seen half written
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let new = self.home.path().join(format!("put-{}", NUMBER.fetch_add(1, Ordering::Relaxed)));
            fs::write(&new, data).unwrap();
            return fs::rename(&new, &target).unwrap();
        };
        server.overwrite(BUCKET, key, data.to_vec());
    }

    /// Removes an object as another client does.
    pub fn remove_object(&self, key: &str) {
        match &self.server {
            None => fs::remove_file(self.store_file(key)).unwrap(),
            Some(server) => server.remove(BUCKET, key),
        }
    }

    /// Returns the file that holds `key` in a `file://` store.
    pub fn store_file(&self, key: &str) -> PathBuf {
        assert!(self.endpoint.is_none(), "only a store of our own can be looked into");
        self.store.join(key)
    }

    /// Returns every object but those that are cairnfs's own.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.everything().into_iter().filter(|(key, _)| !key.starts_with(SERVICE)).collect()
    }

    /// Returns what is in the trash: the original key and the bytes, in the order of the deletes.
    pub fn trash(&self) -> Vec<(String, Vec<u8>)> {
        let prefix = format!("{SERVICE}trash/");
        let found = self.everything().into_iter().filter_map(|(key, data)| {
            let (_, original) = key.strip_prefix(&prefix)?.split_once('/')?;
            Some((original.to_owned(), data))
        });
        found.collect()
    }

    fn everything(&self) -> BTreeMap<String, Vec<u8>> {
        self.objects_below("")
    }

    /// Returns every object below the directory `dir`, cairnfs's own included.
    pub fn objects_below(&self, dir: &str) -> BTreeMap<String, Vec<u8>> {
        if let Some(server) = &self.server {
            let below = if dir.is_empty() { String::new() } else { format!("{dir}/") };
            let found = server.objects_below(BUCKET, &below);
            return found.into_iter().map(|(key, data)| (key, data.to_vec())).collect();
        }
        let root = self.store_file("");
        let mut found = BTreeMap::new();
        let mut dirs = vec![root.join(dir)];
        while let Some(dir) = dirs.pop() {
            // directories come and go while cairnfs works
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let path = entry.path();
                let key = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                let internal = [".cairnfs/tmp", ".cairnfs/meta"].iter().any(|p| key.starts_with(p));
                if path.is_dir() {
                    dirs.push(path);
                } else if let (false, Ok(data)) = (internal, fs::read(&path)) {
                    found.insert(key, data);
                }
            }
        }
        found
    }

    /// Returns the bytes of an object.
    #[track_caller]
    pub fn object(&self, key: &str) -> Vec<u8> {
        self.objects().remove(key).unwrap_or_else(|| panic!("no object '{key}' among {:?}", self.keys()))
    }

    /// Returns the keys of all objects but cairnfs's own.
    pub fn keys(&self) -> Vec<String> {
        self.objects().into_keys().collect()
    }

    /// Returns the keys of the alternative names of `key` in the bucket: `root_XXXXXXX.ext`, where the suffix stands
    /// before all extensions.
    pub fn alternatives(&self, key: &str) -> Vec<String> {
        self.keys().into_iter().filter(|k| is_alternative(k, key)).collect()
    }

    /// Returns the bytes of the one alternative that `key` has.
    #[track_caller]
    pub fn alternative(&self, key: &str) -> Vec<u8> {
        let keys = self.alternatives(key);
        assert_eq!(keys.len(), 1, "the alternatives of '{key}' among {:?}", self.keys());
        self.object(&keys[0])
    }

    /// Holds the bucket against what it should be, exactly; `"root_*.ext"` stands for one alternative of `root.ext`.
    #[track_caller]
    pub fn expect_objects(&self, wanted: &[(&str, &[u8])]) {
        let mut found = self.objects();
        for (name, data) in wanted {
            let key = match name.replacen("_*", "", 1) {
                plain if plain == *name => plain,
                plain => {
                    let fits = |(k, d): &(&String, &Vec<u8>)| is_alternative(k, &plain) && d == data;
                    let Some((key, _)) = found.iter().find(fits) else {
                        panic!("no '{name}' with the right bytes among {:?}", self.keys())
                    };
                    key.clone()
                }
            };
            let bytes = found.remove(&key);
            let bytes = bytes.unwrap_or_else(|| panic!("no object '{key}' among {:?}", self.keys()));
            assert!(
                bytes == *data,
                "'{key}' has wrong bytes: {} of them, wanted {}",
                bytes.len(),
                data.len()
            );
        }
        assert!(found.is_empty(), "too many objects: {:?}", found.into_keys().collect::<Vec<_>>());
    }

    /// Returns one column of the catalog's view `files` for a key, as text; `None` where it is NULL.
    #[track_caller]
    pub fn catalog(&self, key: &str, column: &str) -> Option<String> {
        let path = self.state.join("catalog.sqlite");
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
        let catalog = rusqlite::Connection::open_with_flags(path, flags).unwrap();
        let query = format!("SELECT CAST({column} AS TEXT) FROM files WHERE s3_key = ?1");
        catalog.query_row(&query, [key], |row| row.get(0)).unwrap_or_else(|e| panic!("{key}: {e}"))
    }

    // ---- the program

    /// Runs `cairnfs` with `args`, in the environment of the mount.
    pub fn cli(&self, args: &[&str]) -> Output {
        let mut command = self.command();
        command.args(args).output().unwrap()
    }

    /// Returns `cairnfs status --json`.
    #[track_caller]
    pub fn status(&self) -> Value {
        let out = self.cli(&["status", "--json", self.path("").to_str().unwrap()]);
        serde_json::from_slice(&out.stdout).unwrap_or_else(|e| {
            panic!("{e}: {}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr))
        })
    }

    /// Returns how many drafts `status` counts as `state`.
    #[track_caller]
    pub fn drafts(&self, state: &str) -> u64 {
        self.status()["drafts"][state].as_u64().unwrap_or_else(|| panic!("no count of '{state}'"))
    }

    /// Returns whether one of the events of `status` contains every one of `words`.
    #[track_caller]
    pub fn has_event(&self, words: &[&str]) -> bool {
        let status = self.status();
        let events = status["events"].as_array().expect("events");
        events.iter().any(|e| words.iter().all(|w| e.as_str().is_some_and(|e| e.contains(w))))
    }

    fn command(&self) -> Command {
        self.command_of(env!("CARGO_BIN_EXE_cairnfs"))
    }

    fn command_of(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(["PATH", "LANG"].iter().filter_map(|n| Some((n, std::env::var_os(n)?))));
        command.env("HOME", self.home.path()).env("RUNTIME_DIRECTORY", self.runtime.path());
        command.envs(self.store_environment());
        command.stdin(Stdio::null());
        command
    }

    /// Returns the variables that name the server and its keys; none for `file://`.
    pub fn store_environment(&self) -> Vec<(&'static str, &str)> {
        let Some(endpoint) = &self.endpoint else { return Vec::new() };
        vec![("S3_ENDPOINT_URL", endpoint), ("S3_ACCESS_KEY", ACCESS_KEY), ("S3_SECRET_KEY", SECRET_KEY)]
    }

    /// Returns the STORE argument.
    pub fn url(&self) -> String {
        match &self.endpoint {
            None => format!("file://{}", self.store.display()),
            Some(_) => format!("s3://{BUCKET}"),
        }
    }

    fn spawn(&mut self, notify: Option<&str>) -> Child {
        let log = File::options().create(true).append(true).open(self.home.path().join("log")).unwrap();
        // by its descriptor: another user may not be able to get to its path
        let program = File::open(env!("CARGO_BIN_EXE_cairnfs")).unwrap();
        let mut command = match self.user {
            None => self.command(),
            Some(_) => self.command_of(&format!("/proc/self/fd/{}", program.as_raw_fd())),
        };
        command.args(["mount", &self.url()]).arg(self.path(""));
        command.arg("--config").arg(self.home.path().join("config.toml"));
        command.arg("--state-dir").arg(&self.state).arg("--cache-dir").arg(self.home.path().join("cache"));
        command
            .env(
                "RUST_LOG",
                std::env::var("CAIRNFS_TEST_LOG").as_deref().unwrap_or("info,cairnfs=debug,fuser::reply=off"),
            )
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        if let Some(name) = notify {
            command.env("NOTIFY_SOCKET", name);
        }
        let user = self.user.map(|uid| (uid, program.as_raw_fd()));
        // SAFETY: these calls are async-signal-safe; a mount must not outlive a test that was killed.
        unsafe {
            command.pre_exec(move || {
                if let Some((uid, program)) = user {
                    let done = libc::fcntl(program, libc::F_SETFD, 0) == 0
                        && libc::setgroups(0, std::ptr::null()) == 0
                        && libc::setgid(uid) == 0
                        && libc::setuid(uid) == 0;
                    if !done {
                        return Err(std::io::Error::last_os_error());
                    }
                }
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                Ok(())
            });
        }
        command.spawn().unwrap()
    }

    /// Mounts again, after [`TestMount::stop`] or [`TestMount::kill`].
    ///
    /// # Panics
    /// Where it does not serve within [`PATIENCE`].
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "it is mounted");
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("cairnfs-test-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        self.daemon = Some(self.spawn(Some(&format!("@{name}"))));
        let until = Instant::now() + PATIENCE;
        let mut buffer = [0; 4096];
        loop {
            if let Ok(length) = socket.recv(&mut buffer)
                && String::from_utf8_lossy(&buffer[..length]).lines().any(|line| line == "READY=1")
            {
                return;
            }
            let ended = self.daemon.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "it ended before it was ready: {ended:?}\n{}", self.log());
            assert!(Instant::now() < until, "it is not ready\n{}", self.log());
        }
    }

    /// Gives the next start another configuration.
    pub fn configure(&self, toml: &str) {
        fs::write(self.home.path().join("config.toml"), toml).unwrap();
    }

    /// Returns the process id of the daemon.
    pub fn pid(&self) -> Pid {
        Pid::from_child(self.daemon.as_ref().expect("it is mounted"))
    }

    /// Asks it to stop (SIGTERM) and returns its exit code.
    #[track_caller]
    pub fn stop_with_code(&mut self) -> i32 {
        kill_process(self.pid(), Signal::TERM).unwrap();
        let code = self.wait();
        assert!(!self.is_mounted(), "it is still mounted");
        code.unwrap_or_else(|| panic!("it was killed\n{}", self.log()))
    }

    /// Asks it to stop (SIGTERM) and checks that it drained, unmounted and had nothing to complain of.
    #[track_caller]
    pub fn stop(&mut self) {
        let code = self.stop_with_code();
        assert_eq!(code, 0, "{}", self.log());
        self.check_log();
    }

    /// Kills it without a word, as a power cut does, and takes the dead mount away.
    #[track_caller]
    pub fn kill(&mut self) {
        self.kill_only();
        self.detach();
    }

    /// Kills it and leaves the dead mount where it is.
    #[track_caller]
    pub fn kill_only(&mut self) {
        // It may be dead already: tests kill it from the middle of a request.
        let _ = kill_process(self.pid(), Signal::KILL);
        self.wait();
    }

    #[track_caller]
    fn wait(&mut self) -> Option<i32> {
        let mut daemon = self.daemon.take().expect("it is mounted");
        let until = Instant::now() + 3 * PATIENCE;
        loop {
            if let Some(status) = daemon.try_wait().unwrap() {
                return status.code();
            }
            if Instant::now() > until {
                self.daemon = Some(daemon);
                panic!("it does not end");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_mounted(&self) -> bool {
        let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let at = self.path("").to_str().unwrap().to_owned();
        table.lines().any(|line| line.split(' ').nth(4) == Some(&at))
    }

    fn detach(&self) {
        while self.is_mounted() && unmount(self.path(""), UnmountFlags::DETACH).is_ok() {}
    }

    /// Returns what the daemon said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.home.path().join("log")).unwrap_or_default()
    }

    /// From here on errors in the log are no reason to fail: the test means them to happen.
    pub fn errors_are_expected(&mut self) {
        self.may_err = true;
    }

    #[track_caller]
    fn check_log(&self) {
        let log = self.log();
        let is_error = |line: &str| line.trim_start().starts_with("ERROR") || line.contains(" ERROR ");
        let is_bad = |line: &&str| line.contains("panicked at") || (!self.may_err && is_error(line));
        let bad: Vec<&str> = log.lines().filter(is_bad).collect();
        assert!(bad.is_empty(), "the log complains:\n{}", bad.join("\n"));
    }
}

impl Drop for TestMount {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if let Some(mut daemon) = self.daemon.take() {
            // killed, not asked: what a test wants to see of a stop it has looked at with stop()
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        self.detach();
        if failed {
            let _ = writeln!(std::io::stderr(), "---- log of the mount\n{}", self.log());
        } else {
            self.check_log();
        }
    }
}

/// Returns whether `key` is an alternative name of `of`: seven characters of [a-zA-Z0-9] behind an underscore, before
/// all extensions.
pub fn is_alternative(key: &str, of: &str) -> bool {
    let (dir, name) = of.rsplit_once('/').map_or(("", of), |(dir, name)| (dir, name));
    let Some(found) = key.strip_prefix(dir).map(|k| k.trim_start_matches('/')) else { return false };
    // a dot at the begin belongs to no extension
    let at = name.char_indices().skip(1).find(|(_, c)| *c == '.').map_or(name.len(), |(at, _)| at);
    let (root, rest) = name.split_at(at);
    let middle = found.strip_prefix(root).and_then(|f| f.strip_suffix(rest));
    let suffix = middle.and_then(|m| m.strip_prefix('_'));
    suffix.is_some_and(|s| s.len() == 7 && s.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// Says what to install where FUSE does not work.
fn demand_fuse() {
    let root = rustix::process::geteuid().is_root();
    assert!(
        Path::new("/dev/fuse").exists(),
        "/dev/fuse is missing: 'modprobe fuse', or give the container the device (--device /dev/fuse)"
    );
    let helper = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|dir| dir.join("fusermount3").exists());
    assert!(root || helper, "fusermount3 is missing: run tests/setup/packages.sh (package fuse3)");
}
