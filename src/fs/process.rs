//! What `/proc` tells about the processes behind requests.
//!
//! # Limits
//! It sees the opener of a descriptor and its children. It does not see a descriptor that was sent over a socket to
//! an unrelated process, that a child inherited whose parent has since ended, or a process that this user may not
//! inspect: there, RELEASE decides instead of FLUSH (`docs/semantics.md` 3.5).

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use crate::types::{Ino, ProcessId};

/// How many processes are looked at for one close: a bound, far above what shells build.
const MAX_PROCESSES: usize = 256;

/// Returns the process that the thread `tid` belongs to; `None` where it is gone (or the kernel gave no number, as
/// for write-back from the page cache).
pub fn of_thread(tid: u32) -> Option<ProcessId> {
    of_number(glance(tid)?.tgid)
}

/// Returns the process of that number; `None` where it is gone.
pub fn of_number(tgid: u32) -> Option<ProcessId> {
    Some(ProcessId { tgid, start: start_time(tgid)? })
}

/// What is seen of a thread without waiting. Anything more, [`of_number`] and [`killed`] too, waits for a process that is in the
/// middle of execve.
pub struct Glance {
    /// The number of its process.
    pub tgid: u32,
    /// It is in the middle of execve(2), where descriptors with O_CLOEXEC are closed: it has its new memory, and no program in
    /// that yet.
    pub in_execve: bool,
}

/// Looks at a thread; `None` as for [`of_thread`].
pub fn glance(tid: u32) -> Option<Glance> {
    if tid == 0 {
        return None;
    }
    let status = fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    let in_execve = field(&status, "VmExe:").is_some_and(|size| size == "0 kB");
    Some(Glance { tgid: field(&status, "Tgid:")?.parse().ok()?, in_execve })
}

/// Returns whether the process is still there: a later process with its number is another one.
pub fn is_alive(p: ProcessId) -> bool {
    start_time(p.tgid).is_some_and(|start| start == p.start || p.start == 0)
}

/// Returns whether the process is ending because of a signal. Field 52 of `/proc/<pid>/stat` is the exit code; its low
/// seven bits are the signal (proc(5), wait(2)). 0 for a process that lives or ends by itself.
pub fn killed(p: ProcessId) -> bool {
    stat_field(p.tgid, 52).and_then(|f| f.parse::<u32>().ok()).is_some_and(|code| code & 0x7f != 0)
}

/// Returns the supplementary groups of a thread's process.
pub fn groups(tid: u32) -> Vec<u32> {
    let Ok(status) = fs::read_to_string(format!("/proc/{tid}/status")) else { return Vec::new() };
    field(&status, "Groups:")
        .map(|line| line.split_whitespace().filter_map(|g| g.parse().ok()).collect())
        .unwrap_or_default()
}

/// Returns whether a thread acts for people that cannot be told apart: smbd, or a thread of the kernel (the servers of NFS
/// and ksmbd). One person's calls may come from any of its processes, so no process is the maker of anything.
///
/// smbd is known by its name, `smbd` or `smbd[address]`. Whoever takes that name gains nothing: what he deletes is only
/// put back for more people.
pub fn serves_many(tid: u32) -> bool {
    let Some(process) = of_thread(tid) else { return tid == 0 };
    fs::read_to_string(format!("/proc/{}/stat", process.tgid)).is_ok_and(|stat| is_server(&stat))
}

/// Looks at the name (field 2) and the flags (field 9) in `/proc/<pid>/stat`.
fn is_server(stat: &str) -> bool {
    /// `PF_KTHREAD` (linux/sched.h): a thread of the kernel, where `nfsd` and `ksmbd` serve.
    const KERNEL_THREAD: u64 = 0x0020_0000;
    let Some((name, rest)) = stat.split_once('(').and_then(|(_, s)| s.rsplit_once(')')) else { return false };
    let flags = rest.split_whitespace().nth(6).and_then(|f| f.parse::<u64>().ok()).unwrap_or(0);
    flags & KERNEL_THREAD != 0 || name == "smbd" || name.starts_with("smbd[")
}

/// Whether a process can be seen to hold a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Neither it nor its children hold it.
    No,
    /// A descriptor or a mapping of it exists.
    Yes,
    /// It could not be looked at.
    Unknown,
}

/// Looks whether `p` or one of its children can write to one of the inodes `inos` of the file system whose device number
/// is `device` (`major:minor`): by a descriptor or a mapping. Asks nothing of that file system.
///
/// A child that still shares the memory of its parent is about to run another program (posix_spawn(3), vfork(2)): what of its
/// descriptors ends there is no hold. One that it is to keep, its parent has open for as long.
pub fn holds(p: ProcessId, inos: &[Ino], device: &str) -> Holds {
    let wanted: Vec<String> = inos.iter().map(ToString::to_string).collect();
    let mut queue = vec![(p.tgid, None)];
    let mut seen = HashSet::new();
    while let Some((pid, parent)) = queue.pop() {
        if !seen.insert(pid) {
            continue;
        }
        if seen.len() > MAX_PROCESSES {
            return Holds::Unknown;
        }
        // asked first: it waits for an execve that is under way, after which those descriptors are gone
        let spawned = parent.is_some_and(|parent| shares_memory(pid, parent));
        match holds_itself(pid, &wanted, device, spawned) {
            // A child that ended meanwhile holds nothing.
            Holds::Unknown if pid != p.tgid && !std::path::Path::new(&format!("/proc/{pid}")).exists() => {}
            Holds::No => {}
            other => return other,
        }
        queue.extend(children(pid).into_iter().map(|child| (child, Some(pid))));
    }
    Holds::No
}

/// Returns whether the process of the thread `tid` can be seen to have one of the inodes open for writing, as for [`holds`] but
/// for its children.
pub fn writes_itself(tid: u32, inos: &[Ino], device: &str) -> bool {
    let wanted: Vec<String> = inos.iter().map(ToString::to_string).collect();
    glance(tid).is_some_and(|seen| holds_itself(seen.tgid, &wanted, device, false) == Holds::Yes)
}

/// `spawned`: neither its mappings, which are its parent's, nor the descriptors that end with an execve count.
fn holds_itself(pid: u32, wanted: &[String], device: &str, spawned: bool) -> Holds {
    let pid = living_thread(pid);
    let Ok(dir) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return Holds::Unknown };
    let mut mounts = None;
    for info in dir.flatten() {
        let Ok(text) = fs::read_to_string(info.path()) else { continue }; // closed meanwhile
        if !field(&text, "ino:").is_some_and(|i| wanted.iter().any(|w| w == i)) || !writes(&text, spawned) {
            continue;
        }
        let mounts = mounts.get_or_insert_with(|| mounts_of(pid, device));
        if field(&text, "mnt_id:").is_some_and(|id| mounts.contains(id)) {
            return Holds::Yes;
        }
    }
    if !spawned && maps(pid, wanted, device) { Holds::Yes } else { Holds::No }
}

/// Returns a thread by which a process can be looked at: its first one may have ended before the others, and has nothing then.
fn living_thread(pid: u32) -> u32 {
    let has_ended = |tid: u32| {
        let status = fs::read_to_string(format!("/proc/{tid}/status")).unwrap_or_default();
        field(&status, "State:").is_none_or(|state| state.starts_with(['Z', 'X']))
    };
    if !has_ended(pid) {
        return pid;
    }
    threads(pid).into_iter().find(|tid| !has_ended(*tid)).unwrap_or(pid)
}

fn threads(pid: u32) -> Vec<u32> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks.flatten().filter_map(|task| task.file_name().to_str()?.parse().ok()).collect()
}

/// Returns whether two processes have one memory (kcmp(2)); `false` where it cannot be told.
fn shares_memory(one: u32, other: u32) -> bool {
    /// `KCMP_VM` (linux/kcmp.h).
    const KCMP_VM: libc::c_long = 1;
    let (one, other) = (libc::c_long::from(one), libc::c_long::from(other));
    // SAFETY: the call takes numbers only and touches no memory of this process.
    unsafe { libc::syscall(libc::SYS_kcmp, one, other, KCMP_VM, 0 as libc::c_long, 0 as libc::c_long) == 0 }
}

/// Returns whether a descriptor is open for writing, and where that is asked outlives an execve; `flags:` in fdinfo is octal.
fn writes(fdinfo: &str, past_exec: bool) -> bool {
    let flags = field(fdinfo, "flags:").and_then(|f| i32::from_str_radix(f, 8).ok());
    flags.is_none_or(|f| f & libc::O_ACCMODE != libc::O_RDONLY && !(past_exec && f & libc::O_CLOEXEC != 0))
}

/// The mount ids under which a process sees the device: bind mounts and other namespaces have ids of their own.
fn mounts_of(pid: u32, device: &str) -> HashSet<String> {
    let Ok(info) = fs::read_to_string(format!("/proc/{pid}/mountinfo")) else { return HashSet::new() };
    info.lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let id = fields.next()?;
            (fields.nth(1)? == device).then(|| id.to_owned())
        })
        .collect()
}

/// Writable shared mappings outlive their descriptor and are writing (semantics 3.5).
fn maps(pid: u32, inos: &[String], device: &str) -> bool {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/maps")) else { return false };
    let Some((major, minor)) = device.split_once(':') else { return false };
    let (Ok(major), Ok(minor)) = (major.parse::<u32>(), minor.parse::<u32>()) else { return false };
    let device = format!("{major:02x}:{minor:02x}");
    text.lines().any(|line| {
        let mut f = line.split_whitespace();
        let (Some(_), Some(perms), Some(_), Some(dev), Some(i)) =
            (f.next(), f.next(), f.next(), f.next(), f.next())
        else {
            return false;
        };
        dev == device && inos.iter().any(|w| w == i) && perms.contains('w') && perms.ends_with('s')
    })
}

fn children(pid: u32) -> Vec<u32> {
    threads(pid)
        .into_iter()
        .filter_map(|tid| fs::read_to_string(format!("/proc/{pid}/task/{tid}/children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

fn start_time(pid: u32) -> Option<u64> {
    stat_field(pid, 22)?.parse().ok()
}

/// Returns field `n` (from 1, as proc(5) counts) of `/proc/<pid>/stat`. The second, the name, may hold spaces and parentheses.
fn stat_field(pid: u32, n: usize) -> Option<String> {
    let stat = fs::read_to_string(PathBuf::from(format!("/proc/{pid}/stat"))).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(n.checked_sub(3)?).map(str::to_owned)
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn me() -> ProcessId {
        of_thread(std::process::id()).unwrap()
    }

    #[test]
    fn of_thread_of_a_second_thread_is_the_process() {
        #[expect(clippy::cast_sign_loss, reason = "thread ids are positive")]
        let tid = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get() as u32);
        let process =
            std::thread::spawn(|| of_thread(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs()))
                .join()
                .unwrap()
                .unwrap();
        assert_ne!(tid.join().unwrap(), me().tgid);
        assert_eq!(process, me());
    }

    #[test]
    fn servers_are_known_by_name_or_as_threads_of_the_kernel() {
        // as /proc tells of them on Linux 6.18; the ninth field are the flags
        let stat = |name: &str, flags: u64| format!("812 ({name}) S 2 0 0 0 -1 {flags} 0 0 0 0");
        assert!(is_server(&stat("nfsd", 2_129_984)));
        assert!(is_server(&stat("smbd", 4_194_560)));
        assert!(is_server(&stat("smbd[192.0.2.1]", 4_194_560)));
        assert!(!is_server(&stat("nfsd", 4_194_560)), "a program of that name");
        assert!(!is_server(&stat("smbdx) (smbd", 4_194_560)));
        assert!(!serves_many(me().tgid));
        assert!(serves_many(0), "of another PID namespace");
    }

    #[test]
    fn killed_and_alive_of_a_living_process() {
        assert!(is_alive(me()));
        assert!(!killed(me()));
        assert!(!is_alive(ProcessId { start: me().start + 1, ..me() }));
    }

    #[test]
    fn holds_sees_an_open_descriptor_and_its_end() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let meta = file.as_file().metadata().unwrap();
        let device = format!("{}:{}", rustix::fs::major(meta.dev()), rustix::fs::minor(meta.dev()));
        assert_eq!(holds(me(), &[Ino(meta.ino())], &device), Holds::Yes);
        drop(file);
        assert_eq!(holds(me(), &[Ino(meta.ino())], &device), Holds::No);
    }
}
