//! The environment: the only code of the crate that reads it.
//!
//! It is read once, into plain values; from there on nothing can tell it from a test's own pairs. An empty variable
//! counts as unset, as in the settings files that applications beside us use.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

use super::mistake::{Mistakes, Place};
use super::quantity;
use super::reader::Found;

/// Every variable that cairnfs looks at.
const NAMES: [&str; 19] = [
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "S3_BUCKET_NAME",
    "S3_ENDPOINT_URL",
    "S3_USE_SSL",
    "S3_VERIFY_SSL",
    "S3_DEFAULT_ACL",
    "S3_REGION_NAME",
    "CREDENTIALS_DIRECTORY",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "RUNTIME_DIRECTORY",
    "NOTIFY_SOCKET",
    "XDG_STATE_HOME",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "HOME",
    "PATH",
    "RUST_LOG",
];

/// The environment of a process, or a test's own.
#[derive(Clone, Default)]
pub struct Environment {
    vars: BTreeMap<&'static str, OsString>,
}

impl fmt::Debug for Environment {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.vars.keys()).finish()
    }
}

impl Environment {
    /// Reads the environment of this process.
    pub fn of_process() -> Self {
        Self::from_pairs(std::env::vars_os())
    }

    /// Takes the variables that matter out of `pairs`.
    pub fn from_pairs<K: AsRef<OsStr>, V: Into<OsString>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let mut vars = BTreeMap::new();
        for (key, value) in pairs {
            let value = value.into();
            if let Some(name) = NAMES.iter().find(|n| key.as_ref() == **n)
                && !value.is_empty()
            {
                vars.insert(*name, value);
            }
        }
        Self { vars }
    }

    /// Returns the same environment without a store: for the demo, which must not touch anybody's bucket.
    pub fn without_store(&self) -> Self {
        let stays = |name: &&str| !name.starts_with("S3_") && !name.ends_with("_DIRECTORY");
        let vars = self.vars.iter().filter(|(name, _)| stays(name));
        Self { vars: vars.map(|(name, value)| (*name, value.clone())).collect() }
    }

    /// Returns the text of an `S3_…` variable. One that is not UTF-8 is noted.
    pub fn text(&self, name: &'static str, mistakes: &mut Mistakes) -> Option<Found<String>> {
        let place = Place::Env(name);
        match self.vars.get(name)?.to_str() {
            Some(value) => Some(Found { value: value.to_owned(), place }),
            None => {
                mistakes.push(place, "is not valid UTF-8");
                None
            }
        }
    }

    /// Returns the switch in an `S3_…` variable. One that is neither yes nor no is noted.
    pub fn switch(&self, name: &'static str, mistakes: &mut Mistakes) -> Option<Found<bool>> {
        let found = self.text(name, mistakes)?;
        match quantity::parse_bool(&found.value) {
            Ok(value) => Some(Found { value, place: found.place }),
            Err(why) => {
                mistakes.push(found.place, why);
                None
            }
        }
    }

    /// Returns a secret: from the variable, else from the file of that name in `$CREDENTIALS_DIRECTORY`, which is
    /// where systemd's `LoadCredential=` puts it.
    pub fn secret(&self, name: &'static str, mistakes: &mut Mistakes) -> Option<Found<String>> {
        if let Some(found) = self.text(name, mistakes) {
            return Some(found);
        }
        let path = self.path("CREDENTIALS_DIRECTORY")?.join(name);
        let place = Place::Env(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let value = text.trim_end_matches(['\r', '\n']).to_owned();
                (!value.is_empty()).then_some(Found { value, place })
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => {
                mistakes.push(place, format!("credential file '{}': {e}", path.display()));
                None
            }
        }
    }

    /// Returns the socket of the service manager (sd_notify(3)).
    pub fn notify_socket(&self) -> Option<OsString> {
        self.vars.get("NOTIFY_SOCKET").cloned()
    }

    /// Returns the filter for the log, in the syntax of `tracing-subscriber`.
    pub fn log_filter(&self) -> Option<&str> {
        self.vars.get("RUST_LOG")?.to_str()
    }

    /// Returns the state directory that the service manager made for this unit.
    pub fn unit_state(&self) -> Option<PathBuf> {
        self.unit_directory("STATE_DIRECTORY")
    }

    /// Returns the cache directory that the service manager made for this unit.
    pub fn unit_cache(&self) -> Option<PathBuf> {
        self.unit_directory("CACHE_DIRECTORY")
    }

    /// Returns where state of several stores is kept when nobody says where: below `$XDG_STATE_HOME`, `~/.local/state`,
    /// or without a home `/var/lib` (XDG base directory specification).
    pub fn state_base(&self) -> PathBuf {
        self.base("XDG_STATE_HOME", ".local/state", "/var/lib")
    }

    /// Returns where caches of several stores are kept when nobody says where, likewise.
    pub fn cache_base(&self) -> PathBuf {
        self.base("XDG_CACHE_HOME", ".cache", "/var/cache")
    }

    /// Returns the directory for control sockets: the unit's, else `/run/cairnfs` for root, else one of the user's.
    pub fn runtime_directory(&self) -> PathBuf {
        if let Some(dir) = self.unit_directory("RUNTIME_DIRECTORY") {
            return dir;
        }
        let uid = rustix::process::geteuid();
        if uid.is_root() {
            return PathBuf::from("/run/cairnfs");
        }
        match self.path("XDG_RUNTIME_DIR") {
            Some(dir) => dir.join("cairnfs"),
            None => crate::control::place::fallback_directory(uid.as_raw()),
        }
    }

    /// Returns where `program` is on `$PATH`, or in the directories that a system always has.
    pub fn find_program(&self, program: &str) -> Option<PathBuf> {
        let path = self.vars.get("PATH").cloned().unwrap_or_default();
        let usual = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"].map(PathBuf::from);
        std::env::split_paths(&path).chain(usual).map(|dir| dir.join(program)).find(|file| file.is_file())
    }

    fn path(&self, name: &'static str) -> Option<PathBuf> {
        // the XDG specification: relative paths are invalid and ignored
        self.vars.get(name).map(PathBuf::from).filter(|p| p.is_absolute())
    }

    /// systemd separates several directories by colons; the first one is ours.
    fn unit_directory(&self, name: &'static str) -> Option<PathBuf> {
        use std::os::unix::ffi::OsStrExt as _;
        let first = self.vars.get(name)?.as_bytes().split(|b| *b == b':').next()?;
        Some(PathBuf::from(OsStr::from_bytes(first))).filter(|p| p.is_absolute())
    }

    fn base(&self, xdg: &'static str, in_home: &str, without_home: &str) -> PathBuf {
        self.path(xdg)
            .or_else(|| Some(self.path("HOME")?.join(in_home)))
            .unwrap_or_else(|| Path::new(without_home).to_owned())
            .join("cairnfs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_variable_counts_as_unset() {
        let env = Environment::from_pairs([("S3_REGION_NAME", ""), ("S3_BUCKET_NAME", "b")]);
        let mut mistakes = Mistakes::default();
        assert_eq!(env.text("S3_REGION_NAME", &mut mistakes), None);
        assert_eq!(env.text("S3_BUCKET_NAME", &mut mistakes).map(|f| f.value).as_deref(), Some("b"));
        assert_eq!(mistakes.into_result(), Ok(()));
    }

    #[test]
    fn secret_in_the_environment_wins_over_the_credential_file() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("S3_SECRET_KEY"), "from-file\n").unwrap();
        let mut mistakes = Mistakes::default();
        let file = ("CREDENTIALS_DIRECTORY", dir.path().as_os_str().to_owned());
        let env = Environment::from_pairs([file.clone()]);
        assert_eq!(env.secret("S3_SECRET_KEY", &mut mistakes).unwrap().value, "from-file");
        assert_eq!(env.secret("S3_ACCESS_KEY", &mut mistakes), None);
        let env = Environment::from_pairs([file, ("S3_SECRET_KEY", "from-env".into())]);
        assert_eq!(env.secret("S3_SECRET_KEY", &mut mistakes).unwrap().value, "from-env");
        assert_eq!(mistakes.into_result(), Ok(()));
    }

    #[test]
    fn debug_output_names_variables_without_their_values() {
        let env = Environment::from_pairs([("S3_SECRET_KEY", "hunter2")]);
        assert_eq!(format!("{env:?}"), r#"{"S3_SECRET_KEY"}"#);
    }

    #[test]
    fn directories_follow_the_unit_then_xdg_then_home() {
        let home = [("HOME", "/home/u")];
        assert_eq!(Environment::from_pairs(home).state_base(), Path::new("/home/u/.local/state/cairnfs"));
        let xdg = [("HOME", "/home/u"), ("XDG_STATE_HOME", "/x"), ("XDG_CACHE_HOME", "relative")];
        assert_eq!(Environment::from_pairs(xdg).state_base(), Path::new("/x/cairnfs"));
        assert_eq!(Environment::from_pairs(xdg).cache_base(), Path::new("/home/u/.cache/cairnfs"));
        assert_eq!(Environment::default().state_base(), Path::new("/var/lib/cairnfs"));
        let unit = [("STATE_DIRECTORY", "/var/lib/cairnfs/a:/var/lib/other")];
        assert_eq!(Environment::from_pairs(unit).unit_state(), Some("/var/lib/cairnfs/a".into()));
    }
}
